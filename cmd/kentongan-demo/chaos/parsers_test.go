package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// parsing finds calls of the functions that our parsers are made with.
var parsing = regexp.MustCompile(`\b(json|yaml|xml)\.(Unmarshal|NewDecoder)\(|\bfmt\.Sscan|\bbufio\.New(Scanner|Reader|ReaderSize)\(|\bbinary\.(Read|ReadUvarint)\(|\b(binary\.BigEndian|binary\.LittleEndian|le)\.Uint|\basn1\.Unmarshal\(|\.ParseForm\(|\b(gzip|tar)\.NewReader\(|\bx509\.Parse|\bpem\.Decode\(|\b(hex|base64)\.[A-Za-z.()]*Decode`)

// elsewhere is what reads nothing of the field: benchmarks, rigs, demos, generators.
var elsewhere = regexp.MustCompile(`^(agent/bench|agent/nstest|hal/rig|hal/haltest|agent/stream/picture/proof|agent/onvif/onviftest|broker-config/brokertest|docs|cmd/kentongan-demo|firmware/(image|package)|cmd/kentongan-centre/internal/pgtest)/`)

// TestEachParserIsFuzzed holds the list of parsers to the tree: each target that it
// names exists and has seeds, each target is named, and each file that parses is named
// with a target or with why it needs none.
func TestEachParserIsFuzzed(t *testing.T) {
	named, files := map[string]bool{}, map[string]bool{}
	for _, p := range parsers {
		for _, target := range p.list() {
			named[target] = true
		}
		for _, f := range strings.Fields(p.files) {
			files[f] = false
		}
	}
	there := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		switch {
		case err != nil:
			return err
		case e.IsDir() && (strings.HasPrefix(e.Name(), ".") && rel != "." || e.Name() == "testdata" || e.Name() == "dist"):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		case strings.HasSuffix(name, "_test.go"):
			for target, seeds := range fuzzTargets(t, name) {
				target = path.Dir(rel) + " " + target
				if there[target] = true; !seeds {
					t.Errorf("%s has no seeds", target)
				}
				if !named[target] {
					t.Errorf("%s is not in the list of parsers", target)
				}
			}
			return nil
		case elsewhere.MatchString(rel):
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil || !parsing.Match(text) {
			return err
		}
		if _, listed := files[rel]; listed {
			files[rel] = true
		} else if own[rel] == "" && own[path.Dir(rel)] == "" {
			t.Errorf("%s parses something (%s), and the list of parsers does not say whose bytes and which target", rel, parsing.Find(text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for target := range named {
		if !there[target] {
			t.Errorf("there is no target %s", target)
		}
	}
	for f, parses := range files {
		if !parses {
			t.Errorf("%s is in the list of parsers, and parses nothing", f)
		}
	}
	for f := range own {
		if _, err := os.Stat(filepath.Join(root, f)); err != nil {
			t.Errorf("the list of what parses nothing foreign: %v", err)
		}
	}
}

// fuzzTargets are those of a file, and whether they add seeds.
func fuzzTargets(t *testing.T, file string) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv != nil || !strings.HasPrefix(fn.Name.Name, "Fuzz") {
			continue
		}
		all[fn.Name.Name] = false
		ast.Inspect(fn, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if s, ok := call.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Add" {
					all[fn.Name.Name] = true
				}
			}
			return true
		})
	}
	return all
}
