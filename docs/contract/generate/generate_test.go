package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files are what the Go types say now, no more and no less.
func TestFilesAreGenerated(t *testing.T) {
	t.Parallel()
	want, err := generate("../../../agent/report")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		if got, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name))); err != nil || !bytes.Equal(got, text) {
			t.Errorf("docs/contract/%s is not what the types in agent/report say (%v); run go generate ./docs/contract and look at the difference: see the rules of change in its README.md", name, err)
		}
	}
	for _, dir := range []string{"schema", "examples"} {
		err := fs.WalkDir(os.DirFS(".."), dir, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && want[name] == nil {
				t.Errorf("docs/contract/%s is made by nothing any more; run go generate ./docs/contract", name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A kind or a type that the generator can't make sense of is an error that says
// what to write.
func TestGeneratorSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	const record = "package report\ntype Record struct { V int `json:\"v\"` }\n"
	tests := map[string]struct{ text, says string }{
		"a kind without its type":   {"const KindX = \"x\" // something\n", "has to be LANE: Type"},
		"a type that there is not":  {"const KindX = \"x\" // event: Nothing\n", "unknown type Nothing"},
		"a field without a tag":     {"const KindX = \"x\" // event: Body\ntype Body struct { A int }\n", "without a name or a tag"},
		"a type that JSON can't be": {"const KindX = \"x\" // event: Body\ntype Body struct { A chan int `json:\"a\"` }\n", "no schema for"},
		"a kind without an example": {"const KindX = \"x\" // event: Body\ntype Body struct { A int `json:\"a\"` }\ntype DeviceState struct{}\ntype StreamState struct{}\ntype AppState struct{}\ntype AlarmSet struct{}\ntype SharedStream struct{}\ntype SharedEvent struct{}\ntype Head struct{}\n", "has no example"},
	}
	for name, tt := range tests {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte(record+tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := generate(dir); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}
