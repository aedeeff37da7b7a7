package memdisk

import (
	"maps"
	"math/rand/v2"
	"path/filepath"
)

// Cut is a disk that forgets what was not flushed. It follows the trace of
// a Disk; Image makes what a power cut may leave at that moment.
type Cut struct {
	files   map[*Node]*Node             // by the file of the trace: what is certainly on the disk
	dirs    map[string]map[string]*Node // durable names, to files of the trace
	Writes  []Op                        // not flushed, in order
	Changes []Op                        // of directories, not flushed
}

// NewCut begins with what is on a disk that was flushed.
func NewCut(start *Disk) *Cut {
	d := &Cut{files: map[*Node]*Node{}, dirs: map[string]map[string]*Node{}}
	for dir, files := range start.Dirs {
		d.dirs[dir] = map[string]*Node{}
		for name, f := range files {
			d.dirs[dir][name] = f
			d.files[f] = f.share()
		}
	}
	return d
}

// Step takes one change of the trace.
func (d *Cut) Step(o Op) {
	switch o.Kind {
	case "write":
		d.Writes = append(d.Writes, o)
	case "sync":
		rest := d.Writes[:0:0]
		for _, w := range d.Writes {
			if w.File == o.File {
				d.Durable(w.File).Put(w.Data, w.Off)
			} else {
				rest = append(rest, w)
			}
		}
		d.Writes = rest
	case "create", "remove", "rename":
		d.Changes = append(d.Changes, o)
	case "syncdir":
		rest := d.Changes[:0:0]
		for _, c := range d.Changes {
			if c.Dir == o.Dir || c.Kind == "rename" && filepath.Dir(c.To) == o.Dir {
				change(d.dirs, c)
			} else {
				rest = append(rest, c)
			}
		}
		d.Changes = rest
		d.forget()
	}
}

// forget lets go of files that no name leads to any more, whatever a power cut
// leaves: a disk that refuses for hours makes and removes thousands of them.
func (d *Cut) forget() {
	named := map[*Node]bool{}
	for _, files := range d.dirs {
		for _, f := range files {
			named[f] = true
		}
	}
	for _, c := range d.Changes {
		named[c.File] = true
	}
	maps.DeleteFunc(d.files, func(f, _ *Node) bool { return !named[f] })
	rest := d.Writes[:0:0]
	for _, w := range d.Writes {
		if named[w.File] {
			rest = append(rest, w)
		}
	}
	d.Writes = rest
}

// Durable is what of a file is certainly on the disk.
func (d *Cut) Durable(f *Node) *Node {
	if d.files[f] == nil {
		d.files[f] = &Node{}
	}
	return d.files[f]
}

func change(dirs map[string]map[string]*Node, o Op) {
	dir := func(name string) map[string]*Node {
		if dirs[name] == nil {
			dirs[name] = map[string]*Node{}
		}
		return dirs[name]
	}
	switch o.Kind {
	case "create":
		dir(o.Dir)[o.Name] = o.File
	case "remove":
		if dir(o.Dir)[o.Name] == o.File {
			delete(dir(o.Dir), o.Name)
		}
	case "rename":
		if from := dir(filepath.Dir(o.Name)); from[filepath.Base(o.Name)] == o.File {
			delete(from, filepath.Base(o.Name))
		}
		dir(filepath.Dir(o.To))[filepath.Base(o.To)] = o.File
	}
}

// Image makes one disk that the power cut may leave: of what was not flushed
// nothing, all, the first few with the last one torn, or any sectors.
func (d *Cut) Image(rng *rand.Rand) *Disk {
	m := New()
	copies := map[*Node]*Node{}
	file := func(f *Node) *Node {
		if copies[f] == nil {
			copies[f] = d.Durable(f).share()
		}
		return copies[f]
	}
	keepWrite, keepChange := policy(rng, len(d.Writes)), policy(rng, len(d.Changes))
	names := map[string]map[string]*Node{}
	for dir, files := range d.dirs {
		names[dir] = map[string]*Node{}
		for name, f := range files {
			names[dir][name] = f
		}
	}
	for i, c := range d.Changes {
		if keepChange(i) {
			change(names, c)
		}
	}
	for i, w := range d.Writes {
		for at := 0; at < len(w.Data); {
			// up to the next boundary of a sector of the disk
			n := min(Sector-int(w.Off+int64(at))%Sector, len(w.Data)-at)
			if keepWrite(i) {
				file(w.File).Put(w.Data[at:at+n], w.Off+int64(at))
			}
			at += n
		}
	}
	for dir, files := range names {
		m.Dirs[dir] = map[string]*Node{}
		for name, f := range files {
			m.Dirs[dir][name] = file(f)
		}
	}
	return m
}

// policy decides for each sector of each of n writes whether it was kept.
func policy(rng *rand.Rand, n int) func(i int) bool {
	switch rng.IntN(5) {
	case 0:
		return func(int) bool { return false }
	case 1:
		return func(int) bool { return true }
	case 2: // in order, one torn
		k := rng.IntN(n + 1)
		return func(i int) bool { return i < k || i == k && rng.IntN(2) == 0 }
	case 3: // in another order: one of them complete, the others not at all
		k := rng.IntN(n + 1)
		return func(i int) bool { return i == k }
	}
	chance := rng.Float64()
	return func(int) bool { return rng.Float64() < chance }
}
