package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/firmware"
)

// BenchmarkPatch publishes the real device program for armv6, with a patch from
// the version before: how large is the patch beside the whole (percent), and
// how long does packing take?
//
//	version   nothing but the version's name differs
//	mend      a mended fault: one function more, called from another
func BenchmarkPatch(b *testing.B) {
	dir := b.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		b.Fatal(err)
	}
	base := build(b, dir, "v1.4.0", nil)
	file := filepath.Join(root, "agent", "kiosk", "selftest.go")
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	const call = "func (k *Kiosk) selfTest(ctx context.Context) {\n"
	mended := strings.Replace(string(text), call, call+"\tif mended(ctx) {\n\t\tk.log.Info(\"self-test put off\")\n\t\treturn\n\t}\n", 1) +
		"\n//go:noinline\nfunc mended(ctx context.Context) bool {\n\td, ok := ctx.Deadline()\n\treturn ok && time.Until(d) < time.Second\n}\n"
	if mended == string(text) || !strings.Contains(mended, "if mended(ctx)") {
		b.Fatalf("%s has no %q", file, call)
	}
	for name, next := range map[string]string{
		"version": build(b, dir, "v1.4.1", nil),
		"mend":    build(b, dir, "v1.4.2", map[string]string{file: mended}),
	} {
		b.Run(name, func(b *testing.B) {
			keys := keyringFor(b)
			for b.Loop() {
				r, err := Make(filepath.Join(b.TempDir(), "out"), Spec{Number: 2, Version: "v", Issued: time.Unix(1_795_000_000, 0), KeysNote: keys,
					Programs: map[firmware.Platform]string{"linux/arm/6": next},
					Bases:    map[firmware.Platform][]string{"linux/arm/6": {base}}}, nil)
				if err != nil {
					b.Fatal(err)
				}
				p := r.Payload[0]
				if len(p.Patch) != 1 {
					b.Fatal("no patch is worth its place")
				}
				b.ReportMetric(float64(p.Packed.Size)/(1<<20), "MiB/whole")
				b.ReportMetric(100*float64(p.Patch[0].Packed.Size)/float64(p.Packed.Size), "%/patch")
			}
		})
	}
}

// BenchmarkApply takes the real device program from a bundle into a slot, with
// every hash, sync and switch; beside it, what a plain copy of the program to
// the same disk costs (write and sync).
func BenchmarkApply(b *testing.B) {
	dir := b.TempDir()
	base, next := build(b, dir, "v1.4.0", nil), build(b, dir, "v1.4.1", nil)
	keysNote, release, _ := keyring(b)
	for name, bases := range map[string]map[firmware.Platform][]string{"whole": nil, "patch": {"linux/arm/6": {base}}} {
		out := filepath.Join(dir, name)
		if _, err := Make(out, Spec{Number: 2, Version: "v1.4.1", Issued: time.Unix(1_795_000_000, 0), KeysNote: keysNote,
			Programs: map[firmware.Platform]string{"linux/arm/6": next}, Bases: bases}, nil); err != nil {
			b.Fatal(err)
		}
		text := read(b, filepath.Join(out, "release"))
		signed, err := Sign(text, release)
		if err != nil {
			b.Fatal(err)
		}
		put(b, filepath.Join(out, "release"), signed)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				disk, err := firmware.OpenDisk(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				d := firmware.NewDir(disk)
				if err := d.Init(keysNote, bytes.NewReader(read(b, base)), nil); err != nil {
					b.Fatal(err)
				}
				source, err := firmware.OpenSource(out)
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := d.Apply(context.Background(), source, firmware.Options{Device: firmware.Device{Platform: "linux/arm/6"}}); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				disk.Close()
				b.StartTimer()
			}
		})
	}
	b.Run("copy", func(b *testing.B) {
		program := read(b, next)
		for b.Loop() {
			f, err := os.Create(filepath.Join(dir, "copy"))
			if err != nil {
				b.Fatal(err)
			}
			_, err = f.Write(program)
			if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// build compiles the device program for armv6, with some source files replaced.
func build(b *testing.B, dir, version string, replace map[string]string) string {
	b.Helper()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, text := range replace {
		to := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
		overlay.Replace[file] = to
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o644); err != nil {
		b.Fatal(err)
	}
	out := filepath.Join(dir, "kentongan-"+version)
	cmd := exec.Command("go", "build", "-trimpath", "-overlay", filepath.Join(dir, "overlay.json"), "-ldflags", "-s -w -buildid= -X main.version="+version, "-o", out, "kentongan/cmd/kentongan")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm", "GOARM=6")
	if text, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, text)
	}
	return out
}
