package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kentongan/agent/bench/broker"
)

var peerModules = []string{
	"go.etcd.io/bbolt", "github.com/tidwall/wal", "modernc.org/sqlite", "github.com/hashicorp/raft-wal",
	"github.com/eclipse/paho.mqtt.golang", "github.com/eclipse/paho.golang",
}

// describe is the machine and what is compared, for who repeats it.
func describe(s *settings) (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("ask for the kernel: %w", err)
	}
	mosquitto, err := broker.Version()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("## Machine\n\n| | |\n| --- | --- |\n")
	row := func(name, value string) { fmt.Fprintf(&b, "| %s | %s |\n", name, value) }
	row("cores", fmt.Sprintf("%d, %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name")))
	row("memory", field("/proc/meminfo", "MemTotal"))
	row("disk", backing(s.base()))
	row("kernel", unix.ByteSliceToString(u.Sysname[:])+" "+unix.ByteSliceToString(u.Release[:]))
	row("Go", fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH))
	row("Kentongan", commit())
	row("peers", peers(mosquitto))
	return b.String(), nil
}

func (s *settings) base() string {
	if s.dir != "" {
		return s.dir
	}
	return os.TempDir()
}

// field is the first value of that name in a file of NAME: VALUE lines.
func field(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func loadavg() string {
	text, _ := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(text)); len(f) > 3 {
		return strings.Join(f[:3], " ")
	}
	return "unknown"
}

// backing names the file system and device of dir, and the device's cache.
func backing(dir string) string {
	out, err := exec.Command("findmnt", "-n", "-o", "SOURCE,FSTYPE", "-T", dir).Output()
	if err != nil {
		return "unknown"
	}
	f := strings.Fields(string(out))
	if len(f) < 2 {
		return "unknown"
	}
	text := f[1] + " on " + f[0]
	if cache, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(f[0]), "queue/write_cache")); err == nil {
		text += ", " + strings.TrimSpace(string(cache))
	}
	return text
}

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--tags").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func peers(mosquitto string) string {
	all := []string{mosquitto}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if slices.Contains(peerModules, m.Path) {
				all = append(all, filepath.Base(m.Path)+" "+m.Version)
			}
		}
	}
	return strings.Join(all, ", ")
}
