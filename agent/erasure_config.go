package agent

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What goes with the configuration.

// besides are the ends of the names of files that are written beside a configuration.
var besides = []string{"", ".new", ".answers", ".answers.new", ".draft", ".draft.new", ".erasing.new"}

// configured finds the configuration's own files, and those that it names. Setup writes
// passwords into NAME.secret beside it; they go when one of its files names them.
func (e *Erasure) configured() error {
	e.Config, e.Others, e.links = nil, nil, nil
	file := e.cfg.File
	dir := filepath.Dir(file)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	add := func(f string) {
		info, err := os.Lstat(f)
		switch {
		case err != nil || !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 || slices.Contains(e.Config, f):
		case info.Mode()&fs.ModeSymlink != 0:
			e.links = append(e.links, filepath.Base(f))
			fallthrough
		default:
			e.Config = append(e.Config, f)
		}
	}
	add(file)
	for _, d := range entries {
		if after, ours := strings.CutPrefix(d.Name(), filepath.Base(file)); ours && (strings.HasPrefix(after, ".before-") || slices.Contains(besides, after)) {
			add(filepath.Join(dir, d.Name()))
		}
	}
	var texts []byte
	for _, f := range e.Config {
		text, err := os.ReadFile(f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a link to nothing is no error yet
			return err
		}
		texts = append(append(texts, text...), '\n')
	}
	for _, d := range entries {
		if name := strings.TrimSuffix(d.Name(), ".new"); strings.HasSuffix(name, ".secret") && bytes.Contains(texts, []byte(name)) {
			add(filepath.Join(dir, d.Name()))
		}
	}
	for _, f := range e.mark.Config {
		// The mark lies where the agent's user writes, and this runs as root.
		name := filepath.Base(f)
		if filepath.Dir(f) == dir && (strings.HasPrefix(name, filepath.Base(file)) || strings.HasSuffix(strings.TrimSuffix(name, ".new"), ".secret")) {
			add(f)
		}
	}
	e.others()
	return nil
}

// others are files that the configuration names and that are not ours.
func (e *Erasure) others() {
	var named []string
	for _, b := range e.cfg.Uplink.Brokers {
		named = append(named, b.CA, b.Cert, b.Key, b.Password.File())
	}
	for _, s := range e.cfg.Streams {
		named = append(named, s.Password.File())
	}
	for _, f := range named {
		if f == "" || within(e.Data, f) || slices.Contains(e.Config, f) || slices.Contains(e.Others, f) {
			continue
		}
		if _, err := os.Lstat(f); err == nil || strings.HasPrefix(f, "$") {
			e.Others = append(e.Others, f)
		}
	}
}

func within(dir, file string) bool {
	rel, err := filepath.Rel(dir, file)
	return err == nil && filepath.IsLocal(rel)
}
