package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const testKey = exampleKey

// least is the shortest good configuration; a row of a table adds to it, so
// its first line is line 5.
const least = `device: kiosk-7
uplink:
  centre_key: ` + testKey + `
  brokers: [{url: "mqtts://centre.example"}]
`

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; make it with go test -update", err)
	}
	if got != string(want) {
		t.Errorf("%s differs from %s; if that is right, run go test -update", file, firstDifference(got, string(want)))
	}
}

// firstDifference says where two texts part.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d on: got %q, want %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("its end on: got %d lines, want %d", len(g), len(w))
}

func TestLeastIsGoodAndHasDefaults(t *testing.T) {
	c, err := Parse("/etc/kentongan/kentongan.yaml", []byte(least))
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != "/var/lib/kentongan" || c.Spool.Complaint != 32<<20 || c.Uplink.KeepAlive != time.Minute ||
		c.Uplink.Acknowledge != ByCentre || c.Board.Driver != DriverNone || c.StatsEvery != 10*time.Second || c.Log.SlogLevel().String() != "INFO" {
		t.Errorf("defaults are not there:\n%s", c)
	}
	if _, err := c.Uplink.CentreKeys().Verifier("kentongan-centre", 0x61e56f25); err != nil {
		t.Errorf("CentreKeys: %v", err)
	}
}

func TestEveryFieldIsRead(t *testing.T) {
	c, err := Load("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/full.golden", c.String())
	// What is printed reads as the same again, apart from the passwords.
	again, err := Parse(filepath.Join("testdata", "again.yaml"), []byte(strings.ReplaceAll(c.String(), `"testdata/`, `"`)))
	if err != nil {
		t.Fatalf("what String prints is not good: %v", err)
	}
	if again.String() != c.String() {
		t.Errorf("printed and read again:\n%s\nwant:\n%s", again, c)
	}
}

// TestFullFileHasEveryKey keeps testdata/full.yaml complete.
func TestFullFileHasEveryKey(t *testing.T) {
	c, err := Load("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var look func(path string, fields []field)
	look = func(path string, fields []field) {
		for _, f := range fields {
			at := join(path, f.key)
			if _, ok := c.marks[at]; !ok {
				if _, second := c.marks[strings.Replace(at, "[0]", "[1]", 1)]; !second {
					t.Errorf("testdata/full.yaml has no %s", at)
				}
			}
			if f.item != nil {
				look(at+"[0]", f.item())
			}
			look(at, f.fields)
		}
	}
	look("", new(Config).fields(""))
}

// TestEmptyTextIsNone: who leaves a value out behind its key has none.
func TestEmptyTextIsNone(t *testing.T) {
	c, err := Parse("x.yaml", []byte(least+`streams: [{name: a, url: "rtsp://h/", username: , password: , password_file: "", ca: , fingerprint: ""}]`))
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Streams[0]; s.Username != "" || s.Password.IsSet() || s.CA != "" || s.Fingerprint != "" {
		t.Errorf("something is set: %+v", s)
	}
}

func TestRelativePathsCountFromTheFile(t *testing.T) {
	text := strings.Replace(least, `"mqtts://centre.example"`, `"mqtts://centre.example", ca: tls/ca.pem`, 1) + "data: ../data\n"
	c, err := Parse("/etc/kentongan/kentongan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Data, "/etc/data"; got != want {
		t.Errorf("data is %q, want %q", got, want)
	}
	if got, want := c.Uplink.Brokers[0].CA, "/etc/kentongan/tls/ca.pem"; got != want {
		t.Errorf("ca is %q, want %q", got, want)
	}
}

// TestTableIsWhole looks at each field's row.
func TestTableIsWhole(t *testing.T) {
	var look func(path string, fields []field)
	look = func(path string, fields []field) {
		for _, f := range fields {
			at := join(path, f.key)
			if f.doc == "" {
				t.Errorf("%s: no text for the reference", at)
			}
			if f.required && f.set != nil && f.example == "" {
				t.Errorf("%s: required, and no example for the message", at)
			}
			if f.required && f.def != "" {
				t.Errorf("%s: required, and has a default", at)
			}
			if f.def != "" {
				if err := f.set(f.def); err != nil {
					t.Errorf("%s: default: %v", at, err)
				}
			}
			if f.item != nil {
				look(at+"[]", f.item())
			}
			look(at, f.fields)
		}
	}
	look("", new(Config).fields("/etc"))
}

func TestLoadSaysWhatIsWrongWithTheFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode, data string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(data), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	tests := map[string]struct{ file, want string }{
		"missing":      {filepath.Join(dir, "none.yaml"), "no such file"},
		"no directory": {filepath.Join(write("file", 0o644, "x"), "x.yaml"), "no such file: part of its path is not a directory"},
		"directory":    {dir, "is a directory; name a file in it"},
		"device":       {"/dev/zero", "is not a regular file"},
		"no name":      {"", "no file name; write the path of the configuration"},
		"empty":        {write("empty", 0o644, ""), "the file is empty; `kentongan config example kiosk` prints one to begin with"},
		"comments":     {write("comments", 0o644, "# nothing\n"), "the file is empty; `kentongan config example kiosk` prints one to begin with"},
		"binary":       {write("binary", 0o644, "\x7fELF\x02\x00"), "byte 5 is zero: not a text file, or saved as UTF-16; save it as UTF-8"},
		"giant":        {write("giant", 0o644, strings.Repeat("# x\n", MaxBytes/4+1)), "larger than 1MiB; is this the configuration?"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load(tt.file)
			if want := tt.file + ": " + tt.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
	if _, err := Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v does not wrap os.ErrNotExist", err)
	}
}

// TestUnreadableFileIsNamedSo has the error made: as root, every file is readable.
func TestUnreadableFileIsNamedSo(t *testing.T) {
	err := wrapPlain(&os.PathError{Op: "open", Path: "x", Err: os.ErrPermission})
	if got, want := err.Error(), "not readable for this user; check its owner and mode"; got != want || !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %q, want %q, wrapping os.ErrPermission", got, want)
	}
}

func TestManyProblemsAreCut(t *testing.T) {
	_, err := Parse("x.yaml", []byte(strings.Repeat("bad: 1\n", 1000)))
	all, ok := errors.AsType[Problems](err)
	if !ok || len(all) != maxProblems+1 {
		t.Fatalf("%d problems, want %d and the rest counted", len(all), maxProblems)
	}
	// Two keys are missing, one is unknown, 999 are doubles.
	if got, want := all[maxProblems].Text, "and 902 more problems from here on; mend those above first"; got != want {
		t.Errorf("last is %q, want %q", got, want)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"url", "username", "password", "password_file", "name", "silent_after"}
	for word, want := range map[string]string{
		"ulr": "url", "URL": "url", "usrname": "username", "passwordfile": "password_file", "pasword": "password",
		"silent-after": "silent_after", "x": "", "camera": "", "": "", "nmae": "name",
	} {
		if got := Suggest(word, known); got != want {
			t.Errorf("Suggest(%q) is %q, want %q", word, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"rtsp://10.0.0.5/main":              "rtsp://10.0.0.5/main",
		"rtsp://ops:s3cret@10.0.0.5/main":   "rtsp://xxxxx@10.0.0.5/main",
		"rtsp://ops:s3/c@ret@10.0.0.5/main": "rtsp://xxxxx@10.0.0.5/main",
		"ops:s3cret@10.0.0.5/main":          "xxxxx@10.0.0.5/main", // the scheme was forgotten
		"rtsp://h/?user=a&password=s3cret":  "rtsp://h/?user=a&password=xxxxx",
	} {
		if got := redact(in); got != want {
			t.Errorf("redact(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestFormsOfSizes(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 1: "1B", 1024: "1KiB", 1000: "1kB", 32 << 20: "32MiB", 3 << 30: "3GiB", 1 << 20 * 3 / 2: "1536KiB"} {
		if got := printSize(n); got != want {
			t.Errorf("printSize(%d) is %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", time.Minute: "1m", time.Hour: "1h", 90 * time.Second: "1m30s", 30 * time.Millisecond: "30ms"} {
		if got := short(d); got != want {
			t.Errorf("short(%v) is %s, want %s", d, got, want)
		}
	}
}
