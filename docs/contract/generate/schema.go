package main

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// object is a JSON object with its keys in the order in which they were put in.
type object []member

type member struct {
	key   string
	value any
}

const dialect = "https://json-schema.org/draft/2020-12/schema"

// leafs are the types that are written in a form of their own.
var leafs = map[string]object{
	"Hash":            {{"type", "string"}, {"pattern", "^[A-Za-z0-9+/]{43}=$"}, {"description", "SHA-256 in base64 (RFC 4648, with padding)."}},
	"Epoch":           {{"type", "string"}, {"pattern", "^[0-9a-f]{16}$"}, {"description", "Names one store: 16 hex digits."}},
	"time.Time":       {{"type", "string"}, {"format", "date-time"}},
	"json.RawMessage": {},
}

// builder makes one schema, with what it refers to in $defs, so that each file
// stands alone.
type builder struct {
	src  *source
	defs object
}

// ref is the schema of a named type, which is put into $defs the first time.
func (b *builder) ref(name string) (object, error) {
	if leaf, ok := leafs[name]; ok {
		return leaf, nil
	}
	spec, ok := b.src.types[name]
	if !ok {
		return nil, fmt.Errorf("unknown type %s", name)
	}
	ref := object{{"$ref", "#/$defs/" + name}}
	if slices.ContainsFunc(b.defs, func(m member) bool { return m.key == name }) {
		return ref, nil
	}
	at := len(b.defs)
	b.defs = append(b.defs, member{name, nil}) // a type that holds itself ends here
	var def object
	var err error
	switch t := spec.Type.(type) {
	case *ast.StructType:
		def, err = b.structure(t)
	case *ast.Ident:
		if values := b.src.consts[name]; t.Name == "string" && len(values) > 0 {
			def = object{{"type", "string"}, {"enum", values}}
		} else {
			def, err = b.of(t)
		}
	default:
		def, err = b.of(t)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if doc := b.src.docs[name]; doc != "" {
		def = append(object{{"description", doc}}, def...)
	}
	b.defs[at].value = def
	return ref, nil
}

// structure is an object. Unknown members are allowed everywhere: a newer
// version may add some.
func (b *builder) structure(t *ast.StructType) (object, error) {
	fields, err := fieldsOf(t)
	if err != nil {
		return nil, err
	}
	var props object
	required := []string{}
	for _, f := range fields {
		s, err := b.of(f.typ)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.name, err)
		}
		if _, pointer := f.typ.(*ast.StarExpr); !f.optional && (pointer || nilable(f.typ)) {
			s = orNull(s)
		}
		if f.doc != "" {
			s = append(slices.DeleteFunc(slices.Clone(s), func(m member) bool { return m.key == "description" }), member{"description", f.doc})
			if words := listed(f.doc); len(words) > 0 {
				s = append(s, member{"examples", words})
			}
		}
		props = append(props, member{f.name, s})
		if !f.optional {
			required = append(required, f.name)
		}
	}
	return object{{"type", "object"}, {"properties", props}, {"required", required}}, nil
}

// nilable is a slice or a map, which Go may write as null.
func nilable(t ast.Expr) bool {
	switch t.(type) {
	case *ast.ArrayType, *ast.MapType:
		return true
	}
	return false
}

func orNull(s object) object {
	return object{{"anyOf", []any{s, object{{"type", "null"}}}}}
}

func (b *builder) of(t ast.Expr) (object, error) {
	switch t := t.(type) {
	case *ast.StarExpr:
		return b.of(t.X)
	case *ast.SelectorExpr:
		return b.ref(fmt.Sprintf("%s.%s", t.X, t.Sel))
	case *ast.ArrayType:
		if id, ok := t.Elt.(*ast.Ident); ok && id.Name == "byte" {
			return object{{"type", "string"}, {"contentEncoding", "base64"}}, nil
		}
		items, err := b.of(t.Elt)
		return object{{"type", "array"}, {"items", items}}, err
	case *ast.MapType:
		values, err := b.of(t.Value)
		return object{{"type", "object"}, {"additionalProperties", values}}, err
	case *ast.Ident:
		switch t.Name {
		case "string":
			return object{{"type", "string"}}, nil
		case "bool":
			return object{{"type", "boolean"}}, nil
		case "float64":
			return object{{"type", "number"}}, nil
		case "int", "int64":
			return object{{"type", "integer"}}, nil
		case "uint64":
			return object{{"type", "integer"}, {"minimum", 0}}, nil
		case "any":
			return object{}, nil
		}
		return b.ref(t.Name)
	}
	return nil, fmt.Errorf("no schema for %T", t)
}

var listOfWords = regexp.MustCompile(`^[a-z][a-z0-9_]*(, [a-z][a-z0-9_]*)+$`)

// listed reads the values out of a comment that lists nothing else. They are
// examples and no enum: a reader has to bear a value that it does not know.
func listed(doc string) []string {
	_, list, found := strings.Cut(doc, ": ")
	if !found {
		list = doc
	}
	if list = strings.TrimSuffix(list, "."); !listOfWords.MatchString(list) {
		return nil
	}
	return strings.Split(list, ", ")
}

// document is a schema of its own file.
func document(id, title string, schema object, defs object) object {
	out := object{{"$schema", dialect}, {"$id", "urn:kentongan:v1:" + strings.ReplaceAll(id, ".", ":")}, {"title", title}}
	out = append(out, schema...)
	if len(defs) > 0 {
		slices.SortFunc(defs, func(a, b member) int { return strings.Compare(a.key, b.key) })
		out = append(out, member{"$defs", defs})
	}
	return out
}

// devicePattern is report.ValidDevice, entityPattern report.ValidName.
const (
	devicePattern = "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
	entityPattern = "^[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?$"
)

// record is the schema of a whole record of a kind.
func (s *source) record(k kind) (object, error) {
	b := &builder{src: s}
	record, ok := s.types["Record"].Type.(*ast.StructType)
	if !ok {
		return nil, fmt.Errorf("type Record is no struct")
	}
	env, err := b.structure(record)
	if err != nil {
		return nil, err
	}
	body, err := b.ref(k.body)
	if err != nil {
		return nil, fmt.Errorf("kind %s: %w", k.name, err)
	}
	special := map[string]object{
		"v": {{"const", 1}}, "device": {{"type", "string"}, {"pattern", devicePattern}},
		"lane": {{"const", k.lane}}, "seq": {{"type", "integer"}, {"minimum", 1}},
		"kind": {{"const", k.name}}, "body": body,
	}
	props, required := env[1].value.(object), env[2].value.([]string)
	for i, p := range props {
		if own, ok := special[p.key]; ok {
			props[i].value = own
		}
	}
	if k.lane != "telemetry" {
		required = append(required, "prev")
	}
	env[2].value = required
	return document("record."+k.name, fmt.Sprintf("Record of kind %s, lane %s", k.name, k.lane), env, b.defs), nil
}

// plain is the schema of a type that stands alone.
func (s *source) plain(id, title, typ string) (object, error) {
	b := &builder{src: s}
	ref, err := b.ref(typ)
	if err != nil {
		return nil, err
	}
	for i, d := range b.defs {
		if d.key == typ {
			ref = d.value.(object)
			b.defs = slices.Delete(b.defs, i, i+1)
			break
		}
	}
	return document(id, title, ref, b.defs), nil
}
