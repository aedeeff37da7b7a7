package publish

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestSums(t *testing.T) {
	keysNote, release, roots := keyring(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("b.deb", "package")
	write("a.bundle", "bundle")
	if err := WriteSums(dir, []string{at("b.deb"), at("a.bundle")}, release); err != nil {
		t.Fatal(err)
	}
	names, by, err := VerifySums(at(SumsNote), keysNote)
	if err != nil || strings.Join(names, " ") != "a.bundle b.deb" || by != "release-2026" {
		t.Fatalf("VerifySums: %q, signed by %q, %v", names, by, err)
	}
	check := exec.Command("sha256sum", "--strict", "-c", SumsName)
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum -c: %v\n%s", err, out)
	}
	good, err := os.ReadFile(at(SumsNote))
	if err != nil {
		t.Fatal(err)
	}

	_, stranger, _ := keyring(t)
	for name, tt := range map[string]struct {
		spoil func()
		want  string
	}{
		"file altered": {func() { write("b.deb", "packagE") }, "b.deb is not the file that was signed"},
		"file missing": {func() { os.Remove(at("a.bundle")) }, "a.bundle: no such file"},
		"sum altered": {func() {
			write("b.deb", "other")
			sum, err := sumOf(at("b.deb"))
			if err != nil {
				t.Fatal(err)
			}
			i := bytes.Index(good, []byte("  b.deb"))
			write(SumsNote, string(good[:i-64])+sum+string(good[i:]))
		}, "invalid signature"},
		"signed by another": {func() {
			if err := WriteSums(dir, []string{at("a.bundle"), at("b.deb")}, stranger); err != nil {
				t.Fatal(err)
			}
		}, "no release key"}, // the same name, another key
		"signed by a root": {func() {
			if err := WriteSums(dir, []string{at("a.bundle"), at("b.deb")}, roots[0]); err != nil {
				t.Fatal(err)
			}
		}, "no release key"},
		"not signed": {func() { write(SumsNote, "x") }, "malformed note"},
	} {
		t.Run(name, func(t *testing.T) {
			write("b.deb", "package")
			write("a.bundle", "bundle")
			write(SumsNote, string(good))
			tt.spoil()
			if _, _, err := VerifySums(at(SumsNote), keysNote); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("VerifySums: %v, want %q", err, tt.want)
			}
		})
	}
}

// TestSumsByOpenssl: the signature can be verified without a program of ours.
func TestSumsByOpenssl(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.deb")
	if err := os.WriteFile(file, []byte("package"), 0o644); err != nil {
		t.Fatal(err)
	}
	private, public, err := NewKey("release-2026")
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteSums(dir, []string{file}, private); err != nil {
		t.Fatal(err)
	}
	// As docs/how-to/install.md says it.
	script := `set -eu
{ printf '\060\052\060\005\006\003\053\145\160\003\041\000'; echo "$1" | cut -d+ -f3- | base64 -d | tail -c 32; } >key.der
sed '/^$/,$d' SHA256SUMS.note | cmp - SHA256SUMS
sed -n 's/^— [^ ]* //p' SHA256SUMS.note | base64 -d | tail -c 64 >sums.sig
openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey key.der -in SHA256SUMS -sigfile sums.sig
sha256sum --strict -c SHA256SUMS`
	run := func() ([]byte, error) {
		cmd := exec.Command("sh", "-c", script, "sh", public)
		cmd.Dir = dir
		return cmd.CombinedOutput()
	}
	if out, err := run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{SumsName, SumsNote} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		text[0] ^= 1
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := run(); err == nil {
		t.Errorf("both files altered alike, and openssl said\n%s", out)
	}
}

func TestParseSums(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	for name, tt := range map[string]struct {
		text string
		ok   bool
	}{
		"two":          {sum + "  a.deb\n" + sum + "  b_1.0+2~rc-1.deb\n", true},
		"none":         {"", false},
		"a folder":     {sum + "  ../a.deb\n", false},
		"hidden":       {sum + "  .a\n", false},
		"binary form":  {sum + " *a.deb\n", false},
		"short":        {sum[2:] + "  a.deb\n", false},
		"upper case":   {strings.ToUpper(sum) + "  a.deb\n", false},
		"twice":        {sum + "  a\n" + sum + "  a\n", false},
		"no line end":  {sum + "  a", false},
		"empty line":   {sum + "  a\n\n", false},
		"of a release": {"kentongan/firmware/release\n" + sum + "  a\n", false},
	} {
		if got, err := ParseSums(tt.text); (err == nil) != tt.ok {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
