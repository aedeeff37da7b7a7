package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// source is what the package report says: its types, and the kinds of records and
// orders with the type of each, as the comments beside their constants have it:
//
//	KindPress = "press" // complaint: Press
//	OrderSnapshot = "snapshot" // SnapshotArgs
type source struct {
	types  map[string]*ast.TypeSpec
	docs   map[string]string
	consts map[string][]string // of a named string type: its values
	kinds  []kind
	orders []order
}

type kind struct{ name, lane, body string }

type order struct{ name, args string }

// load reads a directory of Go files.
func load(dir string) (*source, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("read %s: %d Go files (%v)", dir, len(files), err)
	}
	s := &source{types: map[string]*ast.TypeSpec{}, docs: map[string]string{}, consts: map[string][]string{}}
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				if err := s.decl(g); err != nil {
					return nil, fmt.Errorf("%s: %w", filepath.Base(name), err)
				}
			}
		}
	}
	slices.SortFunc(s.kinds, func(a, b kind) int { return cmp.Compare(a.name, b.name) })
	slices.SortFunc(s.orders, func(a, b order) int { return cmp.Compare(a.name, b.name) })
	return s, nil
}

func (s *source) decl(g *ast.GenDecl) error {
	for _, spec := range g.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			s.types[spec.Name.Name] = spec
			doc := spec.Doc
			if doc == nil {
				doc = g.Doc
			}
			s.docs[spec.Name.Name] = oneLine(doc.Text())
		case *ast.ValueSpec:
			if g.Tok == token.CONST {
				if err := s.constant(spec); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// constant takes a constant with a string; those of a kind or an order have to
// say what goes with them.
func (s *source) constant(spec *ast.ValueSpec) error {
	if len(spec.Names) != 1 || len(spec.Values) != 1 {
		return nil
	}
	lit, ok := spec.Values[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return nil
	}
	value, err := strconv.Unquote(lit.Value)
	if err != nil {
		return err
	}
	name, says := spec.Names[0].Name, strings.TrimSpace(spec.Comment.Text())
	if t, ok := spec.Type.(*ast.Ident); ok {
		s.consts[t.Name] = append(s.consts[t.Name], value)
	}
	switch {
	case strings.HasPrefix(name, "Kind"):
		lane, body, ok := strings.Cut(says, ": ")
		if !ok {
			return fmt.Errorf("%s: the comment has to be LANE: Type, such as event: Gap", name)
		}
		body, _, _ = strings.Cut(body, ",")
		s.kinds = append(s.kinds, kind{value, lane, strings.TrimSpace(body)})
	case strings.HasPrefix(name, "Order"):
		args, _, _ := strings.Cut(says, ",")
		args, _, _ = strings.Cut(args, " ")
		s.orders = append(s.orders, order{value, args})
	}
	return nil
}

// fields are those of a struct, as JSON has them.
type goField struct {
	name, doc string
	typ       ast.Expr
	optional  bool
}

func fieldsOf(t *ast.StructType) (out []goField, err error) {
	for _, f := range t.Fields.List {
		if f.Tag == nil || len(f.Names) != 1 {
			return nil, fmt.Errorf("a field %v without a name or a tag", f.Names)
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			return nil, err
		}
		name, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if name == "" || name == "-" {
			return nil, fmt.Errorf("field %s: no name in its tag", f.Names[0])
		}
		doc := oneLine(f.Comment.Text())
		if doc == "" {
			doc = oneLine(f.Doc.Text())
		}
		out = append(out, goField{name, doc, f.Type, strings.Contains(options, "omit")})
	}
	return out, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
