package config

import (
	"fmt"
	"strings"
)

// field is one key of a mapping: all there is to know about it. Exactly one of
// set, fields and item is there.
type field struct {
	key      string
	kind     string // for people: text, duration, list, ...
	doc      string // one or two sentences
	def      string // default, as it is written; "" for none
	example  string
	limits   string // for people: 1s to 10m
	enum     []string
	required bool
	secret   bool // never printed, not even in a message
	private  bool // not printed for strangers

	pattern string   // of texts, as a JSON Schema has it; "" is any
	schemes []string // of a URL
	longest int      // characters of a text; 0 is any
	lo, hi  float64  // of numbers, and of durations in seconds; both 0 is any

	set    func(text string) error // of a scalar: check and keep
	get    func() string           // of a scalar: as it is written; "" when it is not set
	reveal func() *string          // of one that get does not show whole: what it is; may be nil
	fields []field                 // of a mapping
	item   func() []field          // of a list: makes room for one more and says its fields
	items  func() [][]field        // of a list: what there is
}

func (f field) says(doc string) field   { f.doc = doc; return f }
func (f field) must() field             { f.required = true; return f }
func (f field) like(text string) field  { f.example = text; return f }
func (f field) within(s string) field   { f.limits = s; return f }
func (f field) matching(s string) field { f.pattern = s; return f }
func (f field) apart() field            { f.private = true; return f }

func (f field) between(lo, hi float64) field { f.lo, f.hi = lo, hi; return f }
func (f field) defaults(s string) field      { f.def = s; return f }

// scalar is a field of one value, with the functions that read and print it.
func scalar[T comparable](key, kind string, to *T, parse func(string) (T, error), print func(T) string) field {
	return field{
		key: key, kind: kind,
		set: func(s string) error {
			v, err := parse(s)
			if err == nil {
				*to = v
			}
			return err
		},
		get: func() string { return print(*to) },
	}
}

// mapping is a section.
func mapping(key string, fields []field) field {
	return field{key: key, kind: kindMapping, fields: fields}
}

// list is a list of mappings.
func list[T any](key string, to *[]T, fields func(*T) []field) field {
	return field{
		key: key, kind: kindList,
		item: func() []field {
			*to = append(*to, *new(T))
			return fields(&(*to)[len(*to)-1])
		},
		items: func() [][]field {
			var all [][]field
			for i := range *to {
				all = append(all, fields(&(*to)[i]))
			}
			return all
		},
	}
}

// setDefaults fills in what the table says, below sections too. Lists start
// empty.
func setDefaults(fields []field) {
	for _, f := range fields {
		if f.def != "" && f.set != nil {
			if err := f.set(f.def); err != nil {
				panic(fmt.Sprintf("default of %s: %v", f.key, err)) // a test reads all of them
			}
		}
		setDefaults(f.fields)
	}
}

func keys(fields []field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.key
	}
	return all
}

// elsewhere finds the section that has the key, as uplink.keepalive.
func elsewhere(fields []field, key, path string) string {
	for _, f := range fields {
		at := join(path, f.key)
		if f.key == key {
			return at
		}
		inner := f.fields
		if f.item != nil {
			inner, at = f.item(), at+"[]"
		}
		if found := elsewhere(inner, key, at); found != "" {
			return found
		}
	}
	return ""
}

func join(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }
