package config

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// A configuration is shown, changed and sent back without its secrets: xxxxx stands
// in their place, and what still stands there when the text comes back is put in
// from the one that is known. Comments, order and lines stay.

// errHide is a text whose secrets can't be found to the letter.
var errHide = errors.New("written in a way in which its secrets can't be hidden one by one")

// Hide returns a valid configuration's text with xxxxx in the place of each
// password and of each user in a URL, in comments too.
func Hide(text []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	var edits []span
	var known []string
	for _, s := range scalars(&doc) {
		v, secrets := s.hidden()
		if v == s.node.Value {
			continue
		}
		at, err := spanOf(text, s.node)
		if err != nil {
			return nil, err
		}
		at.text = inFlow(v)
		edits, known = append(edits, at), append(known, secrets...)
	}
	out := hideComments(apply(text, edits), known)
	back, err := Show(out, text)
	if err != nil || !same(back, text) {
		return nil, errHide
	}
	return out, nil
}

// Show puts the secrets of base where xxxxx stands in text. Its error is Problems.
// A secret goes nowhere else than in base: whoever may not see it could have it sent
// to a machine of his own by writing another host before it.
func Show(text, base []byte) ([]byte, error) {
	var doc, old yaml.Node
	if err := errors.Join(yaml.Unmarshal(text, &doc), yaml.Unmarshal(base, &old)); err != nil {
		return nil, err
	}
	known := map[string]string{}
	for _, s := range scalars(&old) {
		known[s.path] = s.node.Value
	}
	var edits []span
	var bad Problems
	all := scalars(&doc)
	goes := map[string]string{}
	for _, s := range all {
		goes[s.path] = s.node.Value
	}
	for _, s := range all {
		if !s.stands() {
			continue
		}
		if other := s.newAddress(goes, known); other != "" {
			bad = append(bad, Problem{Line: s.node.Line, Column: s.node.Column, Path: s.path, Text: "xxxxx stands for a secret that was not sent to where " + other + " leads; write it out, or name a file with password_file"})
			continue
		}
		at, err := spanOf(text, s.node)
		if err != nil {
			return nil, err
		}
		v, ok := s.shown(known[s.path])
		if !ok {
			bad = append(bad, Problem{Line: s.node.Line, Column: s.node.Column, Path: s.path, Text: "xxxxx stands for a secret that there is not; write it out, or name a file with password_file"})
			continue
		}
		at.text = inFlow(v)
		edits = append(edits, at)
	}
	if err := bad.err(); err != nil {
		return nil, err
	}
	return apply(text, edits), nil
}

// scalarNode is one value of a text. Its path names list items by their name, where
// they have one, so that it stays when others come and go.
type scalarNode struct {
	node *yaml.Node
	path string
	key  string
}

func scalars(n *yaml.Node) (all []scalarNode) { return scalarsOf(n, "", "") }

func scalarsOf(n *yaml.Node, path, key string) (all []scalarNode) {
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			all = append(all, scalarsOf(c, path, key)...)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i].Value
			all = append(all, scalarsOf(n.Content[i+1], join(path, k), k)...)
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			item := fmt.Sprint(i)
			if name := child(c, "name"); c.Kind == yaml.MappingNode && name != nil {
				item = name.Value
			}
			all = append(all, scalarsOf(c, path+"["+item+"]", key)...)
		}
	case yaml.ScalarNode:
		all = append(all, scalarNode{n, path, key})
	}
	return all
}

// userInURL is the part of a URL that may hold a password.
var userInURL = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)@`)

// hidden is the value as it is shown, and the secrets in it.
func (s scalarNode) hidden() (text string, secrets []string) {
	text = s.node.Value
	if slices.Contains(secretKeys, s.key) {
		return hidden, []string{text}
	}
	if m := userInURL.FindStringSubmatch(text); m != nil {
		text, secrets = m[1]+hidden+text[len(m[0])-1:], append(secrets, m[2])
	}
	if strings.Contains(text, "://") {
		for _, m := range queryPassword.FindAllString(text, -1) {
			_, value, _ := strings.Cut(m, "=")
			secrets = append(secrets, value)
		}
		text = queryPassword.ReplaceAllStringFunc(text, func(m string) string {
			name, _, _ := strings.Cut(m, "=")
			return name + "=" + hidden
		})
	}
	return text, secrets
}

// stands tells whether xxxxx stands for a secret here.
func (s scalarNode) stands() bool {
	if slices.Contains(secretKeys, s.key) {
		return s.node.Value == hidden
	}
	m := userInURL.FindStringSubmatch(s.node.Value)
	return m != nil && m[2] == hidden || strings.Contains(s.node.Value, "://") && slices.ContainsFunc(queryPassword.FindAllString(s.node.Value, -1), standsInQuery)
}

// addressKeys are the URLs of one camera. All of them get its user name and
// password; a broker has the first alone.
var addressKeys = []string{"url", "sub_url", "snapshot_url", "onvif.url"}

// goesTo are the paths of the URLs that decide where the secret goes. What stands
// behind the ? of one goes there alone.
func (s scalarNode) goesTo() (paths []string) {
	m := userInURL.FindStringSubmatch(s.node.Value)
	if !slices.Contains(secretKeys, s.key) && (m == nil || m[2] != hidden) {
		return []string{s.path}
	}
	for _, key := range addressKeys {
		paths = append(paths, strings.TrimSuffix(s.path, s.key)+key)
	}
	return paths
}

// newAddress is the path of a URL in goes to where the secret did not go in known; ""
// is none. One that is changed has to keep its scheme and port; one that is new may
// have its own, as pictures and ONVIF have, on a host of the same camera.
func (s scalarNode) newAddress(goes, known map[string]string) string {
	paths := s.goesTo()
	for _, p := range paths {
		if goes[p] != "" && !slices.ContainsFunc(paths, func(was string) bool {
			if known[p] == "" {
				return known[was] != "" && hostname(goes[p]) == hostname(known[was])
			}
			return host(goes[p]) == host(known[was])
		}) {
			return p
		}
	}
	return ""
}

// host is the scheme, name and port of a URL; what is none is its own.
func host(v string) string {
	return ofURL(v, func(u *url.URL) string { return u.Scheme + "://" + u.Host })
}

// hostname is the name alone of a URL's host; what is no URL is its own.
func hostname(v string) string { return ofURL(v, (*url.URL).Hostname) }

// ofURL is a part of a URL to compare it by.
func ofURL(v string, part func(*url.URL) string) string {
	u, err := url.Parse(userInURL.ReplaceAllString(v, "$1"))
	if err != nil || u.Host == "" {
		return v
	}
	return strings.ToLower(part(u))
}

func standsInQuery(m string) bool { return strings.HasSuffix(m, "="+hidden) }

// shown is the value with the secrets of was.
func (s scalarNode) shown(was string) (text string, ok bool) {
	if text = s.node.Value; text == hidden {
		return was, was != ""
	}
	ok = true
	if m := userInURL.FindStringSubmatch(text); m != nil && m[2] == hidden {
		old := userInURL.FindStringSubmatch(was)
		if old == nil {
			return "", false
		}
		text = m[1] + old[2] + text[len(m[0])-1:]
	}
	old := queryPassword.FindAllString(was, -1)
	text = queryPassword.ReplaceAllStringFunc(text, func(m string) string {
		if !standsInQuery(m) {
			return m
		}
		name := strings.TrimSuffix(m, hidden)
		for _, o := range old {
			if strings.HasPrefix(o, name) {
				return o
			}
		}
		ok = false
		return m
	})
	return text, ok
}

// secretKeys are the keys whose value is never shown, wherever they stand.
var secretKeys = []string{"password"}

// inFlow quotes a value so that it can stand between braces, too.
func inFlow(s string) string {
	if strings.ContainsAny(s, ",?[]{}") {
		return strconv.Quote(s) // Go's escapes are YAML's
	}
	return quote(s)
}

// span is a part of a text, and what goes there.
type span struct {
	from, to int // bytes
	text     string
}

func apply(text []byte, edits []span) []byte {
	slices.SortFunc(edits, func(a, b span) int { return b.from - a.from })
	for _, e := range edits {
		text = slices.Concat(text[:e.from], []byte(e.text), text[e.to:])
	}
	return text
}

// spanOf finds a scalar of one line.
func spanOf(text []byte, n *yaml.Node) (span, error) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	if n.Line < 1 || n.Line > len(lines) {
		return span{}, errHide
	}
	from := 0
	for _, l := range lines[:n.Line-1] {
		from += len(l)
	}
	line := string(lines[n.Line-1])
	before := string([]rune(line)[:min(n.Column-1, len([]rune(line)))])
	from += len(before)
	rest := line[len(before):]
	length := 0
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		length = quoted(rest, '"', '\\')
	case n.Style&yaml.SingleQuotedStyle != 0:
		length = quoted(rest, '\'', '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0 && strings.HasPrefix(rest, n.Value):
		length = len(n.Value)
	}
	if length == 0 {
		return span{}, errHide
	}
	return span{from: from, to: from + length}, nil
}

// quoted is the length of a quoted text at the begin of s; escape is what goes
// before a quote that is part of it. 0 is none that ends on the line.
func quoted(s string, quote, escape byte) int {
	if s == "" || s[0] != quote {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == escape && i+1 < len(s) && (escape != quote || s[i+1] == quote):
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return 0
}

var (
	comment      = regexp.MustCompile(`(?m)(^|\s)#.*$`)
	toldInWords  = regexp.MustCompile(`(?i)\b((?:password|passwd|token|secret|sandi)\w*\s*[=:]\s*)\S+`)
	userAnywhere = regexp.MustCompile(`(://)\S+@`) // a password may have a slash
)

// hideComments takes secrets out of comments: those that are known, and what looks
// like one.
func hideComments(text []byte, known []string) []byte {
	return comment.ReplaceAllFunc(text, func(c []byte) []byte {
		for _, k := range known {
			if k != "" && k != hidden {
				c = bytes.ReplaceAll(c, []byte(k), []byte(hidden))
			}
		}
		c = toldInWords.ReplaceAll(c, []byte("${1}"+hidden))
		return userAnywhere.ReplaceAll(c, []byte("${1}"+hidden+"@"))
	})
}

// same tells whether two texts say the same.
func same(a, b []byte) bool {
	var x, y yaml.Node
	if yaml.Unmarshal(a, &x) != nil || yaml.Unmarshal(b, &y) != nil {
		return false
	}
	return slices.EqualFunc(scalars(&x), scalars(&y), func(p, q scalarNode) bool { return p.path == q.path && p.node.Value == q.node.Value })
}
