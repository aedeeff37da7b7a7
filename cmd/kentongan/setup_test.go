package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kentongan/cmd/kentongan/ptytest"
)

// here is a run of the real main, in a directory.
func here(dir string, args ...string) *exec.Cmd {
	c := exec.Command("kentongan", args...) // TestMain has put it on the path
	c.Dir = dir
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	return c
}

// steps are questions and what a person answers.
type steps [][2]string

func (s steps) walk(x *ptytest.Terminal) {
	for _, step := range s {
		x.Answer(step[0], step[1])
	}
}

const typedSecret = "rahasia-sekali"

// setupBegins goes to the password of the first camera, with wrong answers between.
var setupBegins = map[string]steps{
	"id": {
		{"Tautan pendaftaran", "https://centre.example:8443/"}, {"✗ no token in the link", ""},
		{"Nama perangkat", "Kiosk 7"}, {"✗ device: ", "kiosk-7"},
		{"Alamat broker", "centre.example"}, {"✗ uplink.brokers[0].url: no scheme", "mqtts://centre.example:8883"},
		{"Kunci publik pusat", ""}, {"Nama lokasi", "Balai Kota"}, {"Lintang, bujur", "-6.12"}, {"✗ tulis dua angka", "-6.12, 106.15"},
		{"Cari kamera", "barangkali"}, {"✗ jawab y (ya) atau t (tidak)", "t"},
		{"Alamat kamera lain", "rtsp://127.0.0.1/live"}, {"Nama kamera", ""}, {"Nama pengguna kamera", "ops"},
	},
	"en": {
		{"Enrolment link", "https://centre.example:8443/"}, {"✗ no token in the link", ""},
		{"The device's id", "Kiosk 7"}, {"✗ device: ", "kiosk-7"},
		{"The broker's address", "centre.example"}, {"✗ uplink.brokers[0].url: no scheme", "mqtts://centre.example:8883"},
		{"The centre's public key", ""}, {"Name of the place", "Balai Kota"}, {"Latitude, longitude", "-6.12"}, {"✗ write two numbers", "-6.12, 106.15"},
		{"Search this network", "maybe"}, {"✗ answer y or n", "n"},
		{"Address of another camera", "rtsp://127.0.0.1/live"}, {"Name of the camera", ""}, {"The camera's user", "ops"},
	},
}

// A person at a terminal comes to a file that config check accepts, and nobody who
// looks over their shoulder reads the password.
func TestSetupOnATerminal(t *testing.T) {
	ends := map[string]steps{
		"id": {{"Kata sandi", typedSecret}, {"Alamat kamera lain", ""}, {"Jalur GPIO", "none"}, {"Halaman untuk ponsel", "y"}, {"anjing penjaga", "t"}},
		"en": {{"Password", typedSecret}, {"Address of another camera", ""}, {"Lines: gpio", "none"}, {"technician's phone", "y"}, {"watchdog", "n"}},
	}
	written := map[string]string{"id": "Ditulis: k.yaml", "en": "Written: k.yaml"}
	for lang, begin := range setupBegins {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			x := ptytest.Start(t, here(dir, "setup", "--config", "k.yaml", "--lang", lang, "--no-doctor"))
			begin.walk(x)
			ends[lang].walk(x)
			x.Expect(written[lang])
			x.Expect("k.yaml: good: device kiosk-7 at Balai Kota, 1 stream")
			x.Ends(exitGood)
			if said := x.Said(); !strings.Contains(said, ": kiosk-7\r\n") || strings.Contains(said, typedSecret) {
				t.Errorf("what is typed is not shown, or a password is")
			}
			if out, err := here(dir, "config", "check", "k.yaml").CombinedOutput(); err != nil {
				t.Errorf("config check: %v\n%s", err, out)
			}
			if text, err := os.ReadFile(filepath.Join(dir, "camera-1.secret")); err != nil || string(text) != typedSecret+"\n" {
				t.Errorf("the password's file: %q, %v", text, err)
			}
			if got := listing(t, dir); !slices.Equal(got, []string{"camera-1.secret", "k.yaml"}) {
				t.Errorf("there are %q", got)
			}
		})
	}
}

// Ctrl-C leaves the answers, as the help says, and nothing else.
func TestSetupIsLeft(t *testing.T) {
	tests := map[string]struct {
		lang  string
		steps steps
		at    string // the question
		half  string // is typed of the answer
		says  string
	}{
		"at the first question":        {"id", nil, "Tautan pendaftaran", "", "Ditinggalkan."},
		"in half an answer":            {"id", setupBegins["id"][:3], "✗ device: ", "kiosk", "Ditinggalkan."},
		"in half a password":           {"en", setupBegins["en"], "Password (not shown)", "rahasia", "Left."},
		"while cameras are looked for": {"en", slices.Concat(setupBegins["en"][:10], steps{{"Search this network", "y"}, {"Where?", "lo"}}), "The camera's user", "\n", "Left."},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			x := ptytest.Start(t, here(dir, "setup", "--config", "k.yaml", "--lang", tt.lang, "--no-doctor"))
			tt.steps.walk(x)
			x.Expect(tt.at)
			x.Expect(": ")
			x.Type(tt.half + ptytest.CtrlC)
			x.Expect(tt.says)
			x.Ends(exitFailed)
			got := listing(t, dir)
			if len(tt.steps) == 0 {
				if len(got) > 0 {
					t.Errorf("nothing was answered, and there are %q", got)
				}
				return
			}
			text, err := os.ReadFile(filepath.Join(dir, "k.yaml.answers"))
			if err != nil || len(got) != 1 {
				t.Fatalf("there are %q, want the answers alone: %v", got, err)
			}
			if !strings.HasPrefix(string(text), "link=\n") || !strings.HasSuffix(string(text), "\n") {
				t.Errorf("kept are %q", text)
			}
			if strings.Contains(string(text), "rahasia") {
				t.Error("half a password is kept")
			}
		})
	}
}

// What the help calls asking for a link shows it to nobody, and ends at Ctrl-C with a
// terminal that shows again what is typed.
func TestEnrolAsksUnseen(t *testing.T) {
	const link = "https://127.0.0.1:1/enrol#0000-0000-0000-0000-0000-0000-0000-0000-0000-0000-0000-0000-0006-CT3T"
	for name, tt := range map[string]struct{ typed, says string }{
		"a link":   {link + "\n", "Run the same command again"},
		"Ctrl-C":   {ptytest.CtrlC, ""},
		"half one": {link[:60] + ptytest.CtrlC, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := here(t.TempDir(), "enrol", "--config", "k.yaml", "--data", "data", "--timeout", "1s", "-")
			c.Env = append(c.Env, "LC_ALL=C")
			x := ptytest.Start(t, c)
			x.Expect("Link: ")
			x.Type(tt.typed)
			x.Expect(tt.says)
			x.Ends(exitFailed)
			if strings.Contains(x.Said(), "0000-0000") {
				t.Error("the link is shown")
			}
		})
	}
}

// After the file is written a person sees at once what is wrong with the device, and
// the status is the file's.
func TestSetupEndsWithTheDoctor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	answers := "link=\ndevice=kiosk-7\nbroker=mqtt://127.0.0.1:1\ncentre_key=\nsite=\nsearch=n\ncamera=\nboard=none\npage=n\nwatchdog=n\n"
	if err := os.WriteFile(filepath.Join(dir, "all.answers"), []byte(answers), 0o600); err != nil {
		t.Fatal(err)
	}
	x := ptytest.Start(t, here(dir, "setup", "--config", "k.yaml", "--data", "data", "--lang", "en", "--answers", "all.answers"))
	x.Ends(exitGood)
	for _, line := range []string{"k.yaml: good: device kiosk-7", "127.0.0.1:1 refuses: no broker on that port", "Mend first: "} {
		if !strings.Contains(x.Said(), line) {
			t.Errorf("no %q in %q", line, x.Said())
		}
	}
}

// listing is the names in a directory.
func listing(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
