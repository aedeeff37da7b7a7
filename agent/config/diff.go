package config

import (
	"cmp"
	"slices"
)

// Change is one difference between two configurations.
type Change struct {
	Path   string `json:"path"`           // as streams[gate].url
	Old    string `json:"old,omitempty"`  // "" where there was none
	New    string `json:"new,omitempty"`  // "" where there is none now
	Line   int    `json:"line,omitempty"` // of New in its file; 0 where that is the default
	Secret bool   `json:"secret,omitempty"`
}

// Diff says in what b differs from a. Comments, the order of keys and of named
// items, and ways to write one value do not count, nor do the defaults of an item
// that is new; secrets are compared and never shown.
func Diff(a, b *Config) []Change {
	old := map[string]setting{}
	for _, s := range a.settings() {
		old[s.path] = s
	}
	var all []Change
	for _, s := range b.settings() {
		was, there := old[s.path]
		delete(old, s.path)
		if there && was.same(s) || !there && s.at == (mark{}) {
			continue
		}
		all = append(all, Change{Path: s.path, Old: was.value, New: s.value, Line: s.at.line, Secret: s.secret != nil || was.secret != nil})
	}
	for _, s := range old {
		if s.at == (mark{}) {
			continue
		}
		all = append(all, Change{Path: s.path, Old: s.value, Secret: s.secret != nil})
	}
	slices.SortFunc(all, func(x, y Change) int { return cmp.Compare(x.Path, y.Path) })
	return all
}

// String is a line for people: path: old -> new.
func (c Change) String() string {
	show := func(s string) string {
		if s == "" {
			return "(none)"
		}
		return s
	}
	if c.Secret && c.Old != "" && c.New != "" {
		return c.Path + ": another secret"
	}
	return c.Path + ": " + show(c.Old) + " -> " + show(c.New)
}
