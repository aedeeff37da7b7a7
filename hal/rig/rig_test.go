package rig

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"kentongan/hal/haltest"
)

// builds are the programs that the machine's kernel runs. The 32-bit one crosses
// the kernel's boundary between 32 and 64 bits, where a structure of another
// size would show.
var builds = map[string][]string{
	"arm64": {"GOARCH=arm64"},
	"armv6": {"GOARCH=arm", "GOARM=6"},
}

// onARMv6 are the packages whose tests run as the armv6 build of this program
// would, on an emulated processor; those that are not quick, and the tests that
// take long there, in the full form only.
var onARMv6 = []struct {
	name  string
	quick bool
	long  string // tests
	never string // tests of what the emulator of a process has not
}{
	{"hal", true, "", ""},
	{"hal/gpio", true, "", ""},
	{"hal/sim", true, "", ""},
	{"hal/sensors", true, "", ""},
	{"hal/leds", true, "", ""},
	{"hal/watchdog", true, "", ""},
	{"agent/kiosk", true, "TestFloodForADay|TestSelfTest", ""},
	{"agent/sensor", true, "", ""},
	{"agent/watchdog", true, "", ""},
	{"agent/report", true, "", ""},
	{"agent/alarm", false, "", ""},
	{"agent/command", false, "", ""},
	{"agent/config", false, "", ""},
	{"agent/kiosk/printer", false, "", ""},
	{"agent/spool", false, "", "TestKillNine|TestPowerCuts|TestCuts|TestDamagedSpools"}, // it starts itself; hundreds of spools
}

// captureTo is a file for what the kernel shows of the sensors, which
// hal/sensors has in its testdata.
var captureTo = os.Getenv("KENTONGAN_RIG_CAPTURE")

const capturedFrom = `What Debian's kernel 6.1 for arm64 shows of an LM75, an SHT3x, a BME280 and, behind
a DS2482, a DS18B20, through its own drivers: captured in the machine of hal/rig,
whose chips are ours and answer as the data sheets have it. A file that begins with
"link:" is a symbolic link. To capture it again, in hal/rig:
KENTONGAN_RIG_CAPTURE=$PWD/../sensors/testdata/kernel.txtar go test -run EmulatedMachine/arm64 .
`

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
	ctx := bounded(t)
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
		Watchdog: true, Keyboard: true, Bus: NewBus(haltest.Registers(t, "../sensors/testdata/bme280.regs")),
		Args: []string{"-test.v", "-test.failfast", "-test.timeout=8m", "-capture=" + strconv.FormatBool(captureTo != "")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var console strings.Builder
	captured := &txtar.Archive{Comment: []byte(capturedFrom)}
	status, err := m.Serve(func(line string) {
		if strings.Contains(line, "=== RUN") && !strings.Contains(console.String(), "=== RUN") {
			t.Logf("first test %v after power on", time.Since(began).Round(time.Millisecond))
		}
		if name, text, ok := strings.Cut(strings.TrimPrefix(line, "CAPTURE /"), " "); ok && strings.HasPrefix(line, "CAPTURE ") {
			if s, err := strconv.Unquote(text); err == nil {
				captured.Files = append(captured.Files, txtar.File{Name: name, Data: []byte(s)})
			}
		} else if line != "" && !strings.HasPrefix(line, "RIG ") {
			console.WriteString(line + "\n")
		}
	})
	t.Logf("machine ran for %v", time.Since(began).Round(time.Millisecond))
	t.Logf("console:\n%s", console.String())
	if captureTo != "" && len(captured.Files) > 0 {
		if err := os.WriteFile(captureTo, txtar.Format(captured), 0o600); err != nil {
			t.Error(err)
		}
	}
	check(t, "the tests in the machine")
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
	ctx := bounded(t)
	for _, p := range onARMv6 {
		if !p.quick && !full() {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "test")
			began := time.Now()
			compile(ctx, t, program, []string{"GOARCH=arm", "GOARM=6"}, "kentongan/"+p.name)
			compiled := time.Since(began)
			skip := []string{p.never}
			if !full() {
				skip = append(skip, p.long)
			}
			skip = slices.DeleteFunc(skip, func(s string) bool { return s == "" })
			run := exec.CommandContext(ctx, emulator, program, "-test.short", "-test.skip="+strings.Join(skip, "|"))
			run.Dir = filepath.Join("..", "..", p.name) // for its testdata
			out, err := run.CombinedOutput()
			progress(t, "compiled in %v, ran for %v", compiled.Round(time.Millisecond), (time.Since(began) - compiled).Round(time.Millisecond))
			check(t, "the tests of "+p.name)
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
		check(t, "compiling")
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

// guestFiles are the program and the modules of a watchdog, a keyboard and
// sensors.
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
	sensors, err := Boards[0].Sensors(cache)
	if err != nil || len(files) < 5 || len(sensors) == 0 {
		t.Fatalf("%d modules of the kernel and %d of sensors in %s (%v): %s", len(files)-1, len(sensors), cache, err, toInstall)
	}
	for _, m := range sensors { // after the others
		files = append(files, File{"modules/sensors-" + filepath.Base(m), m})
	}
	return files
}
