package main

import (
	"cmp"
	"debug/buildinfo"
	"fmt"
	"go/build"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/licensecheck"
	"golang.org/x/mod/module"
)

// linked is a module that is in a program, as the program itself says.
type linked struct {
	Path, Version, Sum string // Sum is go.sum's
	Licenses           []string
	Text               string // of its licence
}

func (l linked) id() string { return l.Path + "@" + l.Version }

// modulesOf reads which modules are in a program, Go's own library among them.
func modulesOf(program string) (*debug.BuildInfo, []linked, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", program, err)
	}
	all := []linked{{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all = append(all, linked{Path: m.Path, Version: m.Version, Sum: m.Sum})
	}
	return info, all, nil
}

// licensed finds the modules' licences, in the module cache.
func licensed(all []linked) error {
	out, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		return fmt.Errorf("go env GOMODCACHE: %w", err)
	}
	cache := strings.TrimSpace(string(out))
	for i, m := range all {
		dir := build.Default.GOROOT
		if m.Path != "std" {
			path, err := module.EscapePath(m.Path)
			if err != nil {
				return err
			}
			version, err := module.EscapeVersion(m.Version)
			if err != nil {
				return err
			}
			dir = filepath.Join(cache, path+"@"+version)
		} else if dir == "" || !exists(filepath.Join(dir, "LICENSE")) {
			if dir, err = goroot(); err != nil {
				return err
			}
		}
		if all[i].Text, all[i].Licenses, err = licenceIn(dir); err != nil {
			return fmt.Errorf("licence of %s: %w", m.id(), err)
		}
	}
	return nil
}

func goroot() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(out)), err
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// enough is how much of a file a known licence must cover, in percent; the rest
// is the line with the holder's name.
const enough = 75

// licenceIn reads the licence files of a module: their text, and the names that
// SPDX has for them.
func licenceIn(dir string) (text string, names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, fmt.Errorf("%w; write `go mod download` first", err)
	}
	found := map[string]bool{}
	for _, e := range entries {
		name, _, _ := strings.Cut(strings.ToUpper(e.Name()), ".")
		name, _, _ = strings.Cut(name, "-")
		if e.IsDir() || !slices.Contains([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "PATENTS"}, name) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", nil, err
		}
		text += strings.TrimSpace(string(b)) + "\n\n"
		if name == "NOTICE" || name == "PATENTS" { // go with a licence, and are none
			continue
		}
		c := licensecheck.Scan(b)
		if c.Percent < enough {
			continue
		}
		for _, m := range c.Match {
			found[m.ID] = true
		}
	}
	if len(found) == 0 {
		return "", nil, fmt.Errorf("no file in %s has one that is known", dir)
	}
	return text, slices.Sorted(maps.Keys(found)), nil
}

// notices are the licences of all that is linked into programs, word by word,
// as most of them demand of who hands the programs out.
func notices(programs []string) (string, error) {
	all, err := union(programs)
	if err != nil {
		return "", err
	}
	if err := licensed(all); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("Kentongan is under the Apache License 2.0. Its programs contain these modules:\n\n")
	for _, m := range all {
		fmt.Fprintf(&b, "  %s %s: %s\n", m.Path, m.Version, strings.Join(m.Licenses, ", "))
	}
	for _, m := range all {
		fmt.Fprintf(&b, "\n%s\n%s\n%s\n\n%s", strings.Repeat("=", 72), m.id(), strings.Repeat("=", 72), m.Text)
	}
	return b.String(), nil
}

// union are the modules of several programs, each once.
func union(programs []string) ([]linked, error) {
	seen := map[string]linked{}
	for _, p := range programs {
		_, all, err := modulesOf(p)
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			seen[m.id()] = m
		}
	}
	return slices.SortedFunc(maps.Values(seen), func(a, b linked) int { return cmp.Compare(a.id(), b.id()) }), nil
}
