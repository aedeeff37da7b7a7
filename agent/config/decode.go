package config

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxItems bounds a list. A board serves some tens of cameras; a file with more
// items than this is a mistake that would only cost time.
const maxItems = 1000

// decoder walks the nodes along the table and collects what is wrong.
type decoder struct {
	file     string
	all      []field         // the whole table, to say where a misplaced key belongs
	marks    map[string]mark // of each value that was there
	bad      map[string]bool // paths whose value did not count
	empty    map[string]bool // paths whose value is ""
	problems Problems
}

func (d *decoder) addf(at mark, path, format string, args ...any) {
	d.bad[path] = true
	d.problems = append(d.problems, Problem{File: d.file, Line: at.line, Column: at.column, Path: path, Text: fmt.Sprintf(format, args...)})
}

func place(n *yaml.Node) mark { return mark{n.Line, n.Column} }

// refuse names everything in the text that is YAML and yet not wanted: what
// makes values appear elsewhere or mean something else. It tells whether the
// value can still be read.
func (d *decoder) refuse(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.addf(place(n), path, "*%s stands for a value elsewhere (a YAML alias), which is not allowed; write the value out", n.Value)
		return false
	case n.Anchor != "":
		d.addf(place(n), path, "&%s names a value for use elsewhere (a YAML anchor), which is not allowed; remove it", n.Anchor)
	case n.Style&yaml.TaggedStyle != 0:
		d.addf(place(n), path, "%s is a YAML tag, which is not allowed; remove it", show(n.Tag))
		return false
	}
	return true
}

// mapping reads a section. at is where to point when something is missing.
func (d *decoder) mapping(n *yaml.Node, at mark, path string, fields []field) {
	seen, meant := map[string]mark{}, map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !d.key(key, path) {
			continue
		}
		if first, ok := seen[key.Value]; ok {
			d.addf(place(key), join(path, shownKey(key.Value)), "written twice, first in line %d; keep one", first.line)
			continue
		}
		seen[key.Value] = place(key)
		f := find(fields, key.Value)
		if f == nil {
			meant[d.unknown(key, path, fields)] = true
			d.refuseAll(value, join(path, shownKey(key.Value)))
			continue
		}
		d.value(value, place(key), join(path, f.key), *f)
	}
	for _, f := range fields {
		if _, ok := seen[f.key]; f.required && !ok && !meant[f.key] {
			d.missing(at, join(path, f.key), f)
		}
	}
}

func find(fields []field, key string) *field {
	for i := range fields {
		if fields[i].key == key {
			return &fields[i]
		}
	}
	return nil
}

// key tells whether the node can be a key at all.
func (d *decoder) key(n *yaml.Node, path string) bool {
	if !d.refuse(n, path) {
		return false
	}
	if n.Kind != yaml.ScalarNode {
		d.addf(place(n), path, "a %s where a key is expected; write KEY: VALUE", called(n))
		return false
	}
	return true
}

// unknown returns the key of this section that was probably meant, or "". That
// one is not called missing, too.
func (d *decoder) unknown(key *yaml.Node, path string, fields []field) (meant string) {
	at := join(path, shownKey(key.Value))
	if len(d.problems) > maxProblems {
		d.addf(place(key), at, "unknown key") // only counted; not worth a guess
		return ""
	}
	meant = Suggest(shownKey(key.Value), keys(fields))
	if _, ok := d.marks[join(path, meant)]; meant != "" && !ok {
		d.marks[join(path, meant)], d.bad[join(path, meant)] = place(key), true
	}
	switch right := elsewhere(d.all, key.Value, ""); {
	case strings.ContainsAny(key.Value, ":="):
		d.addf(place(key), at, "unknown key; write a space after the colon: KEY: VALUE")
	case meant != "":
		d.addf(place(key), at, "unknown key; did you mean %s?", meant)
	case right != "":
		d.addf(place(key), at, "unknown key here; it belongs to %s", right)
	default:
		d.addf(place(key), at, "unknown key; the keys here are %s", strings.Join(keys(fields), ", "))
	}
	return meant
}

// shownKey is a key as a message may show it. A value that ran into its key
// (password:hunter2) is cut off.
func shownKey(s string) string {
	if i := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == ':' || r == '=' || r == 0x7f }); i >= 0 {
		s = s[:i]
	}
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	if s == "" {
		return `""`
	}
	return s
}

func (d *decoder) missing(at mark, path string, f field) {
	like := f.example
	switch {
	case f.kind == kindMapping:
		d.addf(at, path, "missing; write a section with %s", strings.Join(requiredKeys(f.fields), ", "))
	case f.kind == kindList:
		d.addf(at, path, "missing; write a list with at least one, each with %s", strings.Join(requiredKeys(f.item()), ", "))
	default:
		d.addf(at, path, "missing; write %s, as %s: %s", f.key, f.key, like)
	}
}

func requiredKeys(fields []field) []string {
	var all []string
	for _, f := range fields {
		if f.required {
			all = append(all, f.key)
		}
	}
	return all
}

// value reads one value along its field. key is where its key stands.
func (d *decoder) value(n *yaml.Node, key mark, path string, f field) {
	d.marks[path] = place(n)
	if isNull(n) {
		d.marks[path] = key // the parser's place of nothing is behind the colon
	}
	if !d.refuse(n, path) {
		return
	}
	switch f.kind {
	case kindMapping:
		d.section(n, key, path, f)
	case kindList:
		d.list(n, key, path, f)
	default:
		d.scalar(n, key, path, f)
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func (d *decoder) section(n *yaml.Node, key mark, path string, f field) {
	switch {
	case n.Kind == yaml.MappingNode:
		d.mapping(n, place(n), path, f.fields)
	case isNull(n) && !f.required:
		delete(d.marks, path) // all of it is commented out
	case isNull(n):
		d.missing(key, path, f)
	default:
		d.addf(place(n), path, "a %s where a section is expected; write its keys below it, indented: %s", called(n), strings.Join(keys(f.fields), ", "))
		d.refuseAll(n, path)
	}
}

func (d *decoder) list(n *yaml.Node, key mark, path string, f field) {
	switch {
	case isNull(n) && !f.required:
		delete(d.marks, path)
		return
	case isNull(n), n.Kind == yaml.SequenceNode && len(n.Content) == 0 && f.required:
		d.missing(key, path, f)
		return
	case n.Kind != yaml.SequenceNode:
		d.addf(place(n), path, "a %s where a list is expected; begin each item with a hyphen: - %s: ...", called(n), f.item()[0].key)
		d.refuseAll(n, path)
		return
	}
	if len(n.Content) > maxItems {
		d.addf(place(n), path, "%d items; at most %d", len(n.Content), maxItems)
		return
	}
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		fields := f.item()
		setDefaults(fields)
		d.marks[at] = place(item)
		if !d.refuse(item, at) {
			continue
		}
		if item.Kind != yaml.MappingNode {
			d.addf(place(item), at, "a %s where an item is expected; write - %s: ... and its other keys below", called(item), fields[0].key)
			d.refuseAll(item, at)
			continue
		}
		d.mapping(item, place(item), at, fields)
	}
}

func (d *decoder) scalar(n *yaml.Node, key mark, path string, f field) {
	if n.Kind != yaml.ScalarNode {
		d.addf(place(n), path, "a %s where %s is expected", called(n), article(f.kind))
		d.refuseAll(n, path)
		return
	}
	// username: with nothing behind it is none
	if d.empty[path] = isNull(n) || n.Value == ""; isNull(n) && f.mayBeEmpty() {
		return
	}
	if isNull(n) {
		d.addf(key, path, "no value; write one or remove the line")
		return
	}
	if wrong := f.wrongType(n); wrong != "" {
		d.addf(place(n), path, "%s", wrong)
		return
	}
	if n.Value == "" && f.required {
		d.addf(place(n), path, "empty; write %s, as %s: %s", f.key, f.key, f.example)
		return
	}
	if n.Value == "" && !f.mayBeEmpty() {
		d.addf(place(n), path, "empty; write a value or remove the line")
		return
	}
	if err := f.set(n.Value); err != nil {
		d.addf(place(n), path, "%v", err)
	}
}

// mayBeEmpty tells whether the empty text stands for no value.
func (f field) mayBeEmpty() bool {
	textual := f.kind == kindText || f.kind == kindPath || f.kind == kindURL
	return textual && !f.required && f.def == ""
}

// wrongType says what is wrong with a value that YAML took for another type.
// Where text is expected a number is taken as it is written: line: 17.
func (f field) wrongType(n *yaml.Node) string {
	quoted := n.Tag == "!!str" && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
	value := show(n.Value)
	if f.secret {
		value = "the value"
	}
	switch f.kind {
	case kindText, kindPath, kindURL:
		if n.Tag == "!!bool" {
			return fmt.Sprintf("%s is a boolean where %s is expected; put it into quotes", value, article(f.kind))
		}
	case kindInteger, kindNumber, kindBool:
		if quoted {
			return fmt.Sprintf("%s is text where %s is expected; remove the quotes", value, article(f.kind))
		}
	}
	return ""
}

func article(kind string) string {
	if kind == kindInteger {
		return "an " + kind
	}
	if kind == kindText {
		return kind
	}
	return "a " + kind
}

func called(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "section"
	case yaml.SequenceNode:
		return "list"
	}
	return "single value"
}

// refuseAll looks through a part that no table describes.
func (d *decoder) refuseAll(n *yaml.Node, path string) {
	d.refuse(n, path)
	for _, c := range n.Content {
		d.refuseAll(c, path)
	}
}
