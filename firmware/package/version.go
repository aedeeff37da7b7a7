package main

import (
	"regexp"
	"strings"
	"time"
)

// What `git describe --tags --always --dirty` says: v1.2.3, v1.2.3-rc1,
// v1.2.3-5-gabcdef0, abcdef0, each with -dirty behind it or not.
var (
	tagged = regexp.MustCompile(`^v?([0-9][0-9A-Za-z.]*)(?:-([A-Za-z][A-Za-z0-9.]*))?(?:-([0-9]+)-g([0-9a-f]+))?$`)
	plain  = regexp.MustCompile(`[^A-Za-z0-9.+~]+`)
)

// debianVersion is a version that Debian sorts as people do: a candidate before
// its version, what came after a tag behind it, and what has no tag below all
// that have one, by its time.
func debianVersion(v string, at time.Time) string {
	v, dirty := strings.CutSuffix(v, "-dirty")
	suffix := ""
	if dirty {
		suffix = "+dirty"
	}
	m := tagged.FindStringSubmatch(v)
	// A commit's hash can begin with a digit; a version of ours has a dot.
	if m == nil || !strings.Contains(m[1], ".") {
		return "0~git" + at.UTC().Format("20060102150405") + "." + plain.ReplaceAllString(v, ".") + suffix
	}
	s := m[1]
	if m[2] != "" {
		s += "~" + m[2]
	}
	if m[3] != "" {
		s += "+" + m[3] + ".g" + m[4]
	}
	return s + suffix
}
