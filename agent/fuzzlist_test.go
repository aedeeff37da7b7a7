package agent

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryFuzzTargetIsRun: `make fuzz` runs each FuzzXxx that stands in a test
// file of the repository. Here they are found by Go's own parser.
func TestEveryFuzzTargetIsRun(t *testing.T) {
	out, err := exec.Command("../.ci/fuzz", "--list").Output()
	if err != nil {
		t.Fatalf(".ci/fuzz --list: %v", err)
	}
	listed := strings.Split(strings.TrimSpace(string(out)), "\n")
	var found []string
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
				found = append(found, "./"+strings.TrimPrefix(filepath.Dir(path), "../")+" "+f.Name.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	slices.Sort(listed)
	if len(found) < 40 || !slices.Equal(found, listed) {
		t.Errorf("there are\n%s\nand make fuzz runs\n%s", strings.Join(found, "\n"), strings.Join(listed, "\n"))
	}
}
