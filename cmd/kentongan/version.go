package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = ""

// build is what is known of this program.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source
	Time     string `json:"time,omitempty"`     // of the revision, RFC 3339
	Modified bool   `json:"modified,omitempty"` // the source was changed after it
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	ARM      string `json:"arm,omitempty"` // 6 or 7
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "GOARM":
			b.ARM = s.Value
		}
	}
	if b.Version == "" {
		b.Version = info.Main.Version // of `go install`; else (devel)
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	return b
}

func (b build) String() string {
	arch := b.Arch
	if b.ARM != "" {
		arch += "v" + b.ARM
	}
	s := fmt.Sprintf("kentongan %s (%s, %s/%s", b.Version, b.Go, b.OS, arch)
	if b.Revision != "" {
		s += ", " + b.Revision[:min(12, len(b.Revision))]
	}
	if b.Modified {
		s += ", changed"
	}
	return s + ")"
}

const versionUsage = `kentongan version [--json]

Prints the version of this program, and what it was built with and for.

Options:
  --json   as JSON

Examples:
  kentongan version
  kentongan version --json`

func runVersion(_ context.Context, e env, args []string) int {
	o := newOptions("kentongan version", versionUsage)
	asJSON := o.Bool("json", false, "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	if !*asJSON {
		fmt.Fprintln(e.stdout, thisBuild())
		return exitGood
	}
	if err := printJSON(e.stdout, thisBuild()); err != nil {
		fmt.Fprintf(e.stderr, "kentongan version: %v\n", err)
		return exitFailed
	}
	return exitGood
}
