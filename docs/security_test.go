package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPageNamesTests: each test that the page names exists, in the package
// that it names, and every provision has one line.
func TestSecurityPageNamesTests(t *testing.T) {
	text, err := os.ReadFile("security.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+) ([a-z][a-z0-9/-]*)`").FindAllStringSubmatch(string(text), -1)
	if len(named) < 60 {
		t.Errorf("%d tests are named, want 60 at least", len(named))
	}
	have := map[string]map[string]bool{}
	for _, m := range named {
		test, pkg := m[1], m[2]
		if have[pkg] == nil {
			have[pkg] = testsOf(t, filepath.Join("..", pkg))
		}
		if !have[pkg][test] {
			t.Errorf("security.md: there is no %s in %s", test, pkg)
		}
	}
	// A name without its package would not be looked for.
	for _, m := range regexp.MustCompile("`(?:Test|Fuzz)[A-Za-z0-9_]+`").FindAllString(string(text), -1) {
		t.Errorf("security.md: %s does not say its package", m)
	}
	for _, p := range provisions {
		if n := strings.Count(string(text), "\n| "+p+" "); n != 1 {
			t.Errorf("security.md: provision %s has %d lines, want one", p, n)
		}
	}
}

// provisions are the groups of ETSI EN 303 645.
var provisions = []string{"5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "5.7", "5.8", "5.9", "5.10", "5.11", "5.12", "5.13", "6"}

// testsOf names the tests and fuzz targets of a directory, by reading its files.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("%s has no tests (%v)", dir, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}
