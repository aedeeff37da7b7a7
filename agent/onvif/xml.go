package onvif

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"kentongan/agent/report"
)

// Bounds of an answer.
const (
	maxAnswer = 1 << 20 // bytes; an NVR of 64 channels needs some 300 KB
	maxDepth  = 32
	maxNodes  = 20_000
	maxValue  = 1024 // bytes of one text or attribute that is kept
)

// node is an element. Names are compared without their namespace: cameras get
// those wrong more often than names.
type node struct {
	name     string
	attrs    map[string]string
	value    string
	children []*node
}

// parse reads a document. It refuses document types, so there are no entities
// but XML's five, and anything beyond the bounds.
func parse(data []byte) (*node, error) {
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("more than %d bytes", maxAnswer)
	}
	dec := xml.NewDecoder(bytes.NewReader(data))
	root := &node{}
	open := []*node{root}
	count := 0
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not XML: %w", err)
		}
		top := open[len(open)-1]
		switch t := tok.(type) {
		case xml.Directive:
			return nil, errors.New("a document type (<!…>) in it, which SOAP forbids")
		case xml.StartElement:
			if count++; count > maxNodes {
				return nil, fmt.Errorf("more than %d elements", maxNodes)
			}
			if len(open) > maxDepth {
				return nil, fmt.Errorf("elements more than %d deep", maxDepth)
			}
			n := &node{name: t.Name.Local, attrs: attributes(t.Attr)}
			top.children = append(top.children, n)
			open = append(open, n)
		case xml.EndElement:
			top.value = strings.TrimSpace(top.value)
			open = open[:len(open)-1]
		case xml.CharData:
			top.value += string(t[:min(len(t), maxValue-min(len(top.value), maxValue))])
		}
	}
	if len(root.children) != 1 {
		return nil, errors.New("not XML: no element")
	}
	return root.children[0], nil
}

// attributes keeps at most a few; the rest are namespaces and vendors' own.
func attributes(list []xml.Attr) map[string]string {
	var m map[string]string
	for _, a := range list {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" || len(m) >= 8 || len(a.Value) > maxValue {
			continue
		}
		if m == nil {
			m = map[string]string{}
		}
		m[a.Name.Local] = a.Value
	}
	return m
}

// at follows first children; nil when one is missing. It may be called on nil.
func (n *node) at(path ...string) *node {
	for _, name := range path {
		if n == nil {
			return nil
		}
		var next *node
		for _, c := range n.children {
			if c.name == name {
				next = c
				break
			}
		}
		n = next
	}
	return n
}

// all are the children of that name, at most so many.
func (n *node) all(name string, most int) (list []*node) {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		if c.name == name && len(list) < most {
			list = append(list, c)
		}
	}
	return list
}

// text is a value, on one line and clipped; "" when it is missing.
func (n *node) text(path ...string) string {
	n = n.at(path...)
	if n == nil {
		return ""
	}
	return clip(n.value)
}

// number is a whole number; 0 when there is none. Some cameras write 25.0.
func (n *node) number(path ...string) int { return atoi(n.text(path...)) }

func atoi(s string) int {
	whole, _, _ := strings.Cut(s, ".")
	v, err := strconv.Atoi(whole)
	if err != nil || v < 0 || v > 1<<30 {
		return 0
	}
	return v
}

// decimal is a number; 0 when there is none.
func (n *node) decimal(path ...string) float64 {
	v, err := strconv.ParseFloat(n.text(path...), 64)
	if err != nil || !(v >= 0 && v <= 1<<30) {
		return 0
	}
	return v
}

// maxText bounds what is shown of a stranger's words, in bytes.
const maxText = 300

// clip makes a stranger's text safe to print: one line, no control characters,
// bounded.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxText {
		s = report.Clip(s, maxText) + "…"
	}
	return strings.TrimSpace(s)
}

// escaped is text as it stands in XML.
func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
