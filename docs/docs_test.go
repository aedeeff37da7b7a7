// Package docs holds the documents, and the test that types what they say to
// type.
package docs

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// block is one fenced block of shell commands in a document.
type block struct {
	line   int
	text   string
	tested bool
	why    string // why it is not
}

var notTested = regexp.MustCompile(`^<!-- not tested: (.{10,}) -->$`)

// blocks reads the ```sh blocks of a document. The line before each says
// `<!-- tested -->` or `<!-- not tested: REASON -->`.
func blocks(t *testing.T, file string) []block {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []block
	var open *block
	before, indent := "", ""
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		raw := in.Text()
		line := strings.TrimSpace(raw) // a block may stand in a list
		switch {
		case open != nil && line == "```":
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += strings.TrimPrefix(raw, indent) + "\n"
		case line == "```sh":
			open, indent = &block{line: n}, strings.TrimSuffix(raw, line)
			if m := notTested.FindStringSubmatch(before); m != nil {
				open.why = m[1]
			} else {
				open.tested = before == "<!-- tested -->"
			}
		}
		before = line
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestWhatDocumentsSayToType runs each document's tested blocks in order, in one
// empty folder, with the programs on the path.
func TestWhatDocumentsSayToType(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+"/", "kentongan/cmd/kentongan", "kentongan/cmd/kentongan-centre")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{filepath.Join(root, "README.md")}
	err = filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			files = append(files, filepath.Join(root, "docs", path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range files {
		name, _ := filepath.Rel(root, file)
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, b := range blocks(t, file) {
				switch {
				case b.tested:
					ran++
					runBlock(t, name, b, dir, bin, root)
				case b.why == "":
					t.Errorf("%s:%d: a block of commands says neither that it is tested nor why not", name, b.line)
				}
			}
		})
	}
	if ran == 0 {
		t.Error("no document has a tested block")
	}
}

// blockLimit is for a block that never ends; one that starts programs takes long on
// a machine that is busy.
const blockLimit = 5 * time.Minute

func runBlock(t *testing.T, name string, b block, dir, bin, root string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), blockLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", b.text)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "KENTONGAN="+root)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s:%d: %v after %v, of %v at most\n%s%s", name, b.line, err, time.Since(began).Round(time.Second), blockLimit, b.text, out)
	}
}

// TestLinks sees that each relative link leads to a file.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), strings.TrimSpace(m[1]))); err != nil {
				t.Errorf("%s: link to %s: %v", path, m[1], err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
