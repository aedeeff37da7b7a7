package rig

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bound is for a computer whose two cores are busy with other tests; alone, it
// is done in a tenth of it.
const bound = 4 * time.Minute

// builds are the programs that the machine's kernel runs. The 32-bit one crosses
// the kernel's boundary between 32 and 64 bits, where a structure of another
// size would show.
var builds = map[string][]string{
	"arm64": {"GOARCH=arm64"},
	"armv6": {"GOARCH=arm", "GOARM=6"},
}

// onARMv6 are the packages whose tests run as the armv6 build of this program
// would, on an emulated processor.
var onARMv6 = []string{
	"hal/gpio", "hal/sim", "hal/sensors", "hal/leds", "hal/watchdog",
	"agent/kiosk", "agent/sensor", "agent/watchdog", "agent/report",
}

const toInstall = "run hal/rig/fetch.sh --install as root, or `make test`, which does"

func TestEmulatedMachine(t *testing.T) {
	if testing.Short() {
		t.Skip("an emulated machine takes a while")
	}
	if _, err := exec.LookPath("qemu-system-aarch64"); err != nil {
		t.Fatalf("no qemu-system-aarch64 (Debian: qemu-system-arm): %s", toInstall)
	}
	cache, err := Cache()
	if err != nil {
		t.Fatal(err)
	}
	kernel := filepath.Join(cache, "vmlinuz")
	if _, err := os.Stat(kernel); err != nil {
		t.Fatalf("no kernel for the emulated machine (%v): %s", err, toInstall)
	}
	for name, env := range builds {
		t.Run(name, func(t *testing.T) { boot(t, kernel, env) })
	}
}

// boot runs the tests of package guest in a machine.
func boot(t *testing.T, kernel string, env []string) {
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	began := time.Now()
	initrd := buildGuest(ctx, t, env)
	t.Logf("built the guest in %v", time.Since(began).Round(time.Millisecond))

	began = time.Now()
	dir, err := os.MkdirTemp("", "rig") // short: a socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	m, err := Start(ctx, Spec{
		Board: Boards[0], Kernel: kernel, Initrd: initrd, Dir: dir,
		Watchdog: true, Keyboard: true,
		Args: []string{"-test.v", "-test.failfast", "-test.timeout=200s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var console strings.Builder
	status, err := m.Serve(func(line string) {
		if strings.Contains(line, "=== RUN") && !strings.Contains(console.String(), "=== RUN") {
			t.Logf("first test %v after power on", time.Since(began).Round(time.Millisecond))
		}
		if line != "" && !strings.HasPrefix(line, "RIG ") {
			console.WriteString(line + "\n")
		}
	})
	t.Logf("machine ran for %v", time.Since(began).Round(time.Millisecond))
	t.Logf("console:\n%s", console.String())
	if err != nil || status != 0 {
		t.Errorf("the tests in the machine ended with status %d (-1: not at all), emulator: %v", status, err)
	}
}

func TestUnitTestsOnARMv6(t *testing.T) {
	if testing.Short() {
		t.Skip("an emulated processor takes a while")
	}
	emulator, err := exec.LookPath("qemu-arm")
	if err != nil {
		t.Fatalf("no qemu-arm (Debian: qemu-user): %s", toInstall)
	}
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	for _, p := range onARMv6 {
		t.Run(p, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "test")
			began := time.Now()
			compile(ctx, t, program, []string{"GOARCH=arm", "GOARM=6"}, "kentongan/"+p)
			compiled := time.Since(began)
			run := exec.CommandContext(ctx, emulator, program, "-test.short")
			run.Dir = filepath.Join("..", "..", p) // for its testdata
			out, err := run.CombinedOutput()
			t.Logf("compiled in %v, ran for %v", compiled.Round(time.Millisecond), (time.Since(began) - compiled).Round(time.Millisecond))
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// compile makes a static test binary for another processor.
func compile(ctx context.Context, t *testing.T, program string, env []string, args ...string) {
	t.Helper()
	build := exec.CommandContext(ctx, "go", append([]string{"test", "-c", "-ldflags", "-s -w", "-o", program}, args...)...)
	build.Env = append(append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0", "GOFLAGS="), env...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("compile %v: %v\n%s", args, err, out)
	}
}

// buildGuest compiles the tests that run in the machine and packs them.
func buildGuest(ctx context.Context, t *testing.T, env []string) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "init")
	compile(ctx, t, program, env, "-tags", "rigguest", "kentongan/hal/rig/guest")
	initrd := filepath.Join(dir, "initrd")
	f, err := os.Create(initrd)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteInitrd(f, guestFiles(t, program)...); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return initrd
}

// guestFiles are the program and the modules of a watchdog and a keyboard.
func guestFiles(t *testing.T, program string) []File {
	t.Helper()
	cache, err := Cache()
	if err != nil {
		t.Fatal(err)
	}
	modules, err := Boards[0].Modules(cache)
	if err != nil {
		t.Fatal(err)
	}
	files := []File{{"init", program}}
	for _, m := range modules {
		if name := filepath.Base(m); strings.Contains(name, "virtio_pci") || strings.Contains(name, "virtio_input") || strings.Contains(name, "i6300esb") {
			files = append(files, File{"modules/" + name, m})
		}
	}
	if len(files) < 5 {
		t.Fatalf("%d modules of the kernel in %s: %s", len(files)-1, cache, toInstall)
	}
	return files
}
