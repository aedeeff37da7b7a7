package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// accepted are the licences, by the names that SPDX has for them, under which a
// module may be linked into a program that is handed out; and what each asks for. One
// that is not here is looked at by a person before it comes in.
var accepted = map[string]string{
	"0BSD":         "nothing",
	"Apache-2.0":   "the text, and the NOTICE where there is one",
	"BSD-2-Clause": "the text",
	"BSD-3-Clause": "the text",
	"CC0-1.0":      "nothing",
	"EPL-2.0":      "the text, and where the source is; changes to its files would have to be published, and there are none",
	"ISC":          "the text",
	"MIT":          "the text",
	"MPL-2.0":      "the text, and where the source is; changes to its files would have to be published, and there are none",
	"Zlib":         "nothing of who hands out programs",
}

// handedOut are the programs that are, with the platforms that they are built for.
var handedOut = []struct {
	name      string
	platforms []string // GOARCH
}{
	{"kentongan", []string{"arm", "arm64", "amd64"}},
	{"kentongan-boot", []string{"arm", "arm64", "amd64"}},
	{"kentongan-centre", []string{"arm64", "amd64"}},
}

// user is a module with the programs that it is linked into.
type user struct {
	linked
	programs []string
}

// users asks go which modules are linked into what is handed out, on any platform,
// and reads their licences.
func users(root string) ([]user, error) {
	programs := map[named][]string{}
	for _, p := range handedOut {
		for _, arch := range p.platforms {
			cmd := exec.Command("go", "list", "-C", root, "-deps", "-tags", "nethttpomithttp2", "-f", "{{with .Module}}{{with .Replace}}{{.Path}} {{.Version}}{{else}}{{.Path}} {{.Version}}{{end}}{{end}}", "./cmd/"+p.name)
			cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				return nil, fmt.Errorf("go list of %s for %s: %w", p.name, arch, err)
			}
			for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
				f := strings.Fields(lines.Text())
				if len(f) != 2 { // of Go's own library, or of ours
					continue
				}
				m := named{f[0], f[1]}
				if !slices.Contains(programs[m], p.name) {
					programs[m] = append(programs[m], p.name)
				}
			}
		}
	}
	version, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOVERSION: %w", err)
	}
	std := named{"std", strings.TrimPrefix(strings.TrimSpace(string(version)), "go")}
	for _, p := range handedOut {
		programs[std] = append(programs[std], p.name)
	}
	var all []linked
	for m := range maps.Keys(programs) {
		all = append(all, linked{Path: m.path, Version: m.version})
	}
	slices.SortFunc(all, func(a, b linked) int { return cmp.Compare(a.id(), b.id()) })
	if err := licensed(all); err != nil {
		return nil, err
	}
	var out []user
	for _, m := range all {
		out = append(out, user{m, programs[named{m.Path, m.Version}]})
	}
	return out, nil
}

// named is what names a module.
type named struct{ path, version string }

// refused names the modules with a licence that is not accepted.
func refused(all []user) (out []string) {
	for _, m := range all {
		for _, l := range m.Licenses {
			if _, ok := accepted[l]; !ok {
				out = append(out, fmt.Sprintf("%s is under %s, which nobody has accepted: read it, and put it into the list in licences.go or the module out", m.id(), l))
			}
		}
		if len(m.Licenses) == 0 {
			out = append(out, m.id()+" has no licence: nobody may hand it out")
		}
	}
	return out
}

// licencesPage is docs/reference/licences.md. Go's version is left out: it changes
// with the machine, and its licence does not.
func licencesPage(all []user) string {
	var b strings.Builder
	b.WriteString(`# Licences

Kentongan is under the Apache License 2.0. This page is made of the licence files of the modules that are linked into the programs which are handed out, and a test holds it to them: ` + "`KENTONGAN_UPDATE=1 go test -C firmware/package -run TestLicences`" + ` writes it again. A module without a licence, or with one that is not in the first table, fails that test and ` + "`make audit`" + `.

The texts themselves go along: word by word in ` + "`/usr/share/doc/kentongan/NOTICES.gz`" + ` of the Debian package, to which its ` + "`copyright`" + ` points; the SBOMs of ` + "`make release`" + ` name them for each program.

| licence | modules | asks of who hands programs out |
| --- | ---: | --- |
`)
	count := map[string]int{}
	for _, m := range all {
		for _, l := range m.Licenses {
			count[l]++
		}
	}
	for _, l := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(&b, "| %s | %d | %s |\n", l, count[l], accepted[l])
	}
	b.WriteString("\n| module | version | licence | kentongan | -boot | -centre |\n| --- | --- | --- | :-: | :-: | :-: |\n")
	for _, m := range all {
		version := m.Version
		if m.Path == "std" {
			version = "Go's own library"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |", m.Path, version, strings.Join(m.Licenses, ", "))
		for _, p := range handedOut {
			if slices.Contains(m.programs, p.name) {
				b.WriteString(" x |")
			} else {
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
