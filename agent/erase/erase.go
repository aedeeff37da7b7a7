// Package erase takes what Kentongan keeps out of its directories, and nothing else.
//
// A Place is a directory and the names in it that are ours, in groups, in the order
// in which they go. Look says what is there before anything is changed; it refuses a
// directory of the system, a symbolic link under one of our names, and in a directory
// of our own whatever is not ours. Remove overwrites each file with zeros, so that no
// tool brings it back through the card's own controller, and unlinks it. A group is on
// the disk as gone before the next one begins.
//
// Remove may be cut at any point: Look finds what is left, and Remove goes on with it.
// Who calls it marks the device before, so that nothing starts on the rest.
package erase

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Group is files of one kind.
type Group struct {
	Name  string
	Files []string // patterns of path.Match, below the place; NAME.new and NAME.damaged go with NAME
}

// Place is one directory of ours.
type Place struct {
	Dir    string
	Groups []Group
	Keep   []string // ours as well, and stays
	Shared bool     // others may have files here, which are left
}

// Found is what Look saw of a place.
type Found struct {
	Dir    string
	Counts []Count
	Kept   []string
	Left   []string // not ours

	groups [][]string // files of each of the place's groups
	dirs   []string   // ours, the outer ones first
}

// Count sums up a group.
type Count struct {
	Group string `json:"group"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// Refused is a place in which nothing may be removed.
type Refused struct {
	Dir   string
	Why   Why
	Names []string // below Dir
}

// Why a place is refused.
type Why string

// The reasons.
const (
	System  Why = "system"  // a directory of the system or of a user
	Link    Why = "link"    // one of our names is a symbolic link
	Foreign Why = "foreign" // there is something that is not ours
)

func (r *Refused) Error() string {
	switch r.Why {
	case System:
		return fmt.Sprintf("%s is a directory of the system, not one of Kentongan's alone", r.Dir)
	case Link:
		return fmt.Sprintf("%s: a symbolic link: %s", r.Dir, strings.Join(r.Names, ", "))
	default:
		return fmt.Sprintf("%s: not of Kentongan: %s", r.Dir, strings.Join(r.Names, ", "))
	}
}

// system are directories that belong to no program alone (hier(7)).
var system = []string{
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys",
	"/tmp", "/usr", "/usr/local", "/usr/share", "/var", "/var/cache", "/var/lib", "/var/local", "/var/log", "/var/spool", "/var/tmp",
}

func isSystem(dir string) bool { return slices.Contains(system, dir) || filepath.Dir(dir) == "/home" }

// Look sees what is in a place, without changing it. A place that is not there is
// empty.
func Look(p Place) (*Found, error) {
	f := &Found{Dir: p.Dir, groups: make([][]string, len(p.Groups))}
	for _, g := range p.Groups {
		f.Counts = append(f.Counts, Count{Group: g.Name})
	}
	real, err := filepath.EvalSymlinks(p.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		real, err = p.Dir, nil
	}
	if err != nil {
		return nil, err
	}
	if isSystem(filepath.Clean(p.Dir)) || isSystem(real) {
		return nil, &Refused{Dir: p.Dir, Why: System}
	}
	root, err := os.OpenRoot(p.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var links []string
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return f.see(p, name, d, &links)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("look into %s: %w", p.Dir, err)
	case len(links) > 0:
		return nil, &Refused{p.Dir, Link, links}
	case len(f.Left) > 0 && !p.Shared:
		return nil, &Refused{p.Dir, Foreign, f.Left}
	}
	return f, nil
}

func (f *Found) see(p Place, name string, d fs.DirEntry, links *[]string) error {
	if name == "." || name == "lost+found" { // a file system's own
		return skip(name != "." && d.IsDir())
	}
	isOurs := p.dir(name) || p.group(name) >= 0 || slices.Contains(p.Keep, name)
	switch i := p.group(name); {
	case isOurs && d.Type()&fs.ModeSymlink != 0:
		*links = append(*links, name)
	case d.IsDir() && p.dir(name):
		f.dirs = append(f.dirs, name)
	case d.IsDir() || !isOurs || i < 0 && !slices.Contains(p.Keep, name): // the last is a file in the place of a directory
		f.Left = append(f.Left, name)
		return skip(d.IsDir())
	case slices.Contains(p.Keep, name):
		f.Kept = append(f.Kept, name)
	case i >= 0:
		info, err := d.Info()
		if err != nil {
			return err
		}
		f.groups[i] = append(f.groups[i], name)
		f.Counts[i].Files++
		f.Counts[i].Bytes += info.Size()
	}
	return nil
}

func skip(yes bool) error {
	if yes {
		return fs.SkipDir
	}
	return nil
}

// group is the group that a file is of; -1 for none.
func (p Place) group(name string) int {
	short := strings.TrimSuffix(strings.TrimSuffix(name, ".new"), ".damaged")
	if slices.Contains(p.Keep, name) {
		return -1
	}
	return slices.IndexFunc(p.Groups, func(g Group) bool {
		return slices.ContainsFunc(g.Files, func(pattern string) bool {
			ok, _ := path.Match(pattern, name)
			plain, _ := path.Match(pattern, short)
			return ok || plain
		})
	})
}

// dir tells whether a directory has to be there for a file of ours.
func (p Place) dir(name string) bool {
	for _, g := range p.Groups {
		for _, pattern := range g.Files {
			for d := path.Dir(pattern); d != "."; d = path.Dir(d) {
				if ok, _ := path.Match(d, name); ok {
					return true
				}
			}
		}
	}
	return false
}

// Files is how many files would go.
func (f *Found) Files() (n int) {
	for _, c := range f.Counts {
		n += c.Files
	}
	return n
}

// Remove takes away what Look found. It asks step before each change; an error of it
// ends Remove there. Raw are the files that are unlinked but could not be overwritten.
func (f *Found) Remove(ctx context.Context, step func(name string) error) (raw []string, err error) {
	root, err := os.OpenRoot(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for _, files := range f.groups {
		for _, name := range files {
			whole, err := remove(root, name, func() error { return errors.Join(ctx.Err(), step(name)) })
			if !whole {
				raw = append(raw, name)
			}
			if err != nil {
				return raw, fmt.Errorf("remove %s: %w", filepath.Join(f.Dir, name), err)
			}
		}
		if err := syncDirs(root, files); err != nil {
			return raw, err
		}
	}
	for _, name := range slices.Backward(f.dirs) {
		if err := step(name); err != nil {
			return raw, err
		}
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
			return raw, fmt.Errorf("remove %s: %w", filepath.Join(f.Dir, name), err)
		}
	}
	return raw, syncDirs(root, []string{"."})
}

// File takes one file away as Remove does, and tells whether it was overwritten before.
func File(name string, step func() error) (whole bool, err error) {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return true, err
	}
	defer root.Close()
	if whole, err = remove(root, filepath.Base(name), step); err != nil {
		return whole, fmt.Errorf("remove %s: %w", name, err)
	}
	return whole, syncDirs(root, []string{filepath.Base(name)})
}

// remove overwrites a file and unlinks it. It asks step before either.
func remove(root *os.Root, name string, step func() error) (whole bool, err error) {
	if err := step(); err != nil {
		return true, err
	}
	err = wipe(root, name)
	whole = err == nil || errors.Is(err, fs.ErrNotExist)
	if err := step(); err != nil {
		return whole, err
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return whole, err
	}
	return whole, nil
}

// syncDirs makes the removal of files durable.
func syncDirs(root *os.Root, files []string) error {
	var done []string
	for _, name := range files {
		dir := path.Dir(name)
		if slices.Contains(done, dir) {
			continue
		}
		done = append(done, dir)
		d, err := root.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
		if err != nil {
			return fmt.Errorf("sync %s: %w", dir, err)
		}
	}
	return nil
}

var zeros [64 << 10]byte

// errShared is a file with another name elsewhere, under which it is not ours.
var errShared = errors.New("it has another name")

// wipe overwrites a file. One that is no ordinary file holds nothing; one that has
// changed places since, or has another name, is left as it is.
func wipe(root *os.Root, name string) error {
	seen, err := root.Lstat(name)
	if err != nil || !seen.Mode().IsRegular() {
		return err
	}
	if s, ok := seen.Sys().(*syscall.Stat_t); ok && s.Nlink > 1 {
		return errShared
	}
	file, err := root.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !os.SameFile(seen, info) {
		return errors.Join(err, errShared)
	}
	for off := int64(0); off < info.Size(); {
		n, err := file.WriteAt(zeros[:min(int64(len(zeros)), info.Size()-off)], off)
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return file.Sync()
}
