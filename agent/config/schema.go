package config

import (
	"encoding/json"
	"strings"
)

// Schema returns the JSON Schema of the configuration (draft 2020-12), for editors
// that complete and check while somebody writes. It is made from the table that
// the file is read by, so it takes all that is good; what it can't see, as values
// that do not go together, Check finds.
func Schema() []byte {
	root := section(new(Config).fields(""))
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "urn:kentongan:configuration"
	root["title"] = "Kentongan's configuration of a device"
	text, err := json.MarshalIndent(root, "", " ")
	if err != nil {
		panic(err) // it holds nothing but texts, numbers and lists
	}
	return append(text, '\n')
}

type object = map[string]any

// section is a mapping's schema.
func section(fields []field) object {
	all, required := object{}, []string{}
	for _, f := range fields {
		all[f.key] = f.schema()
		if f.required {
			required = append(required, f.key)
		}
	}
	s := object{"type": "object", "properties": all, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// schema is a field's.
func (f field) schema() object {
	s := f.shape()
	s["description"] = f.description()
	if f.def != "" {
		s["default"] = f.typed(f.def)
	}
	if f.example != "" && !strings.Contains(f.example, "...") && f.kind != kindURL {
		s["examples"] = []any{f.typed(f.example)}
	}
	return s
}

func (f field) description() string {
	if f.limits != "" && f.kind != kindInteger && f.kind != kindNumber {
		return f.doc + " (" + f.kind + ", " + f.limits + ")"
	}
	return f.doc
}

// typed is a text of the table as JSON has it.
func (f field) typed(text string) any {
	switch f.kind {
	case kindBool:
		return text == "true"
	case kindInteger, kindNumber:
		return json.Number(text)
	}
	return text
}

// Forms of durations and sizes, as the parser takes them.
const (
	durationPattern = `^-?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`
	sizePattern     = `^[0-9]{1,18} ?(GiB|MiB|KiB|GB|MB|kB|B)$`
	pathPattern     = `^[^~]`
	lineText        = "^[^\\x00-\\x1f\\x7f]*$"
)

// shape is what a value must be. A section or list that is empty, with all of it
// commented out, is null to JSON.
func (f field) shape() object {
	switch f.kind {
	case kindMapping:
		s := section(f.fields)
		if !f.required {
			s["type"] = []string{"object", "null"}
		}
		return s
	case kindList:
		s := object{"type": "array", "items": section(f.item()), "maxItems": maxItems}
		if f.required {
			s["minItems"] = 1
		} else {
			s["type"] = []string{"array", "null"}
		}
		return s
	case kindBool:
		return object{"type": "boolean"}
	case kindInteger, kindNumber:
		s := object{"type": f.kind}
		if f.lo != 0 || f.hi != 0 {
			s["minimum"], s["maximum"] = f.lo, f.hi
		}
		return s
	case kindDuration:
		if f.lo <= 0 {
			return object{"anyOf": []object{{"type": "string", "pattern": durationPattern}, {"const": 0}}}
		}
		return object{"type": "string", "pattern": durationPattern}
	case kindSize:
		return object{"type": "string", "pattern": sizePattern}
	}
	return f.textShape()
}

// textShape is of all kinds of text. A number is taken as it is written, where no
// form forbids it.
func (f field) textShape() object {
	if len(f.enum) > 0 {
		words := make([]any, 0, len(f.enum)+2)
		for _, w := range f.enum {
			words = append(words, w)
		}
		if f.mayBeEmpty() {
			words = append(words, "", nil)
		}
		return object{"enum": words}
	}
	s, types := object{}, []string{"string"}
	pattern := f.pattern
	switch {
	case f.schemes != nil:
		pattern = urlPattern(f.schemes)
	case pattern == "" && f.kind == kindPath:
		pattern = pathPattern
	case pattern == "" && f.kind == kindText:
		pattern = lineText
		if f.required || f.def != "" {
			s["minLength"] = 1
		}
	case pattern == "" && (f.required || f.def != ""):
		s["minLength"] = 1
	}
	if f.kind == kindText && f.key != "device" {
		types = append(types, "number")
	}
	if f.mayBeEmpty() {
		types = append(types, "null")
		if pattern != "" {
			pattern = "^$|" + pattern
		}
	}
	if pattern != "" {
		s["pattern"] = pattern
	}
	if f.longest > 0 {
		s["maxLength"] = f.longest
	}
	s["type"] = types
	if len(types) == 1 {
		s["type"] = types[0]
	}
	return s
}
