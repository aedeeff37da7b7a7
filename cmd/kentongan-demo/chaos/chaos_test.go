package main

import (
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the rows into docs/reliability.md")

const (
	root = "../../.."
	page = root + "/docs/reliability.md"
)

// TestMatrixIsWhole: at least 50 rows, each with all cells, a test that exists and a
// control that can be applied.
func TestMatrixIsWhole(t *testing.T) {
	rows := matrix()
	if len(rows) < 50 {
		t.Errorf("%d rows, want at least 50", len(rows))
	}
	seen, tests := map[string]bool{}, map[string]map[string]bool{}
	for _, r := range rows {
		if err := r.check(); err != nil {
			t.Error(err)
		}
		if seen[r.ID] {
			t.Errorf("row %s stands there twice", r.ID)
		}
		seen[r.ID] = true
		for _, test := range r.Tests {
			if tests[test.Package] == nil {
				tests[test.Package] = testsOf(t, test.Package)
			}
			if !tests[test.Package][test.top()] {
				t.Errorf("row %s: there is no %s in %s", r.ID, test.Name, test.Package)
			}
		}
		for _, c := range r.Controls {
			text, err := os.ReadFile(filepath.Join(root, c.File))
			if err != nil {
				t.Errorf("row %s: %v", r.ID, err)
				continue
			}
			if _, err := c.mutate(string(text)); err != nil {
				t.Errorf("row %s: the control can't be applied any more: %v", r.ID, err)
			}
			if _, err := regexp.Compile(c.Says); err != nil {
				t.Errorf("row %s: %v", r.ID, err)
			}
		}
	}
	for _, a := range asked {
		for _, id := range strings.Fields(a.rows) {
			if !seen[id] {
				t.Errorf("%s: there is no row %s", a.fault, id)
			}
		}
		if a.rows == "" {
			t.Errorf("%s has no row", a.fault)
		}
	}
	for _, room := range rooms {
		if !seen[room.id+"-1"] {
			t.Errorf("no row %s-1", room.id)
		}
	}
}

// testsOf names the tests of a package, by reading its files.
func testsOf(t *testing.T, pkg string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("package %s has no tests (%v)", pkg, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// TestReliabilityPage holds the rows of the document to the matrix.
func TestReliabilityPage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want, err := put(string(text), tableBegin, tableEnd, askedTable()+table(matrix()))
	if err == nil {
		want, err = put(want, parsersBegin, parsersEnd, parserTable())
	}
	if err != nil {
		t.Fatal(err)
	}
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatal("docs/reliability.md does not show the rows as they are; go test ./cmd/kentongan-demo/chaos -update writes them")
	}
	if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestControlIsJudged: a control counts only when the meant test fails with the
// meant words.
func TestControlIsJudged(t *testing.T) {
	c, test, failed := Control{Says: "press .* is lost"}, Test{"agent/spool", "TestKillNine"}, errors.New("exit status 1")
	for name, row := range map[string]struct {
		out  string
		err  error
		want string // of the error; "" is noticed
	}{
		"noticed":         {"--- FAIL: TestKillNine (0.1s)\n    x_test.go:1: press 7 is lost\nFAIL\n", failed, ""},
		"passed":          {"ok  kentongan/agent/spool 1s\n", nil, "did not notice"},
		"does not build":  {"# kentongan/agent/spool\nx.go:1: undefined: y\nFAIL kentongan/agent/spool [build failed]\n", failed, "does not build"},
		"another test":    {"--- FAIL: TestOther (0.1s)\n    x_test.go:1: press 7 is lost\nFAIL\n", failed, "did not fail by itself"},
		"another reason":  {"--- FAIL: TestKillNine (0.1s)\n    x_test.go:1: no mosquitto on this machine\nFAIL\n", failed, "no line of it says"},
		"another's words": {"panic: runtime error\nFAIL kentongan/agent/spool 1s\n", failed, "did not fail by itself"},
	} {
		t.Run(name, func(t *testing.T) {
			said, err := c.judge(test, row.out, row.err)
			if row.want == "" && (err != nil || !strings.Contains(said, "press 7")) || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("said %q, error %v, want %q", said, err, row.want)
			}
		})
	}
}

// TestRowIsJudged: a row passes when all of its tests did, with as many injections
// as it promises.
func TestRowIsJudged(t *testing.T) {
	r := Row{Tests: []Test{{"a", "TestOne"}, {"a", "TestTwo/with a space"}}}
	const said = `{"Action":"run","Test":"TestOne"}
{"Action":"attr","Test":"TestOne","Key":"injections","Value":"40"}
{"Action":"pass","Test":"TestOne"}
{"Action":"run","Test":"TestTwo"}
{"Action":"run","Test":"TestTwo/with_a_space"}
{"Action":"pass","Test":"TestTwo/with_a_space"}
{"Action":"pass","Test":"TestTwo"}
`
	for name, row := range map[string]struct {
		text string
		want int
		ok   bool
	}{
		"passed":         {said, 41, true},
		"too few":        {said, 42, false},
		"failed":         {strings.Replace(said, `"pass","Test":"TestTwo/`, `"fail","Test":"TestTwo/`, 1), 1, false},
		"never ran":      {said[:strings.Index(said, `{"Action":"run","Test":"TestTwo"}`)], 1, false},
		"skipped":        {strings.Replace(said, `"pass","Test":"TestOne"`, `"skip","Test":"TestOne"`, 1), 1, false},
		"did not end":    {strings.Replace(said, `{"Action":"pass","Test":"TestOne"}`, "", 1), 1, false},
		"not even built": {"# a\nx.go:1: undefined\n", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			res := results{}
			res.take(strings.NewReader(row.text), func(string) {})
			if v := r.judge(map[string]results{"a": res}, row.want); v.ok != row.ok {
				t.Errorf("%+v, want %v", v, row.ok)
			}
		})
	}
}
