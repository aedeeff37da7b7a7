package spool

import (
	"math/rand/v2"
	"path/filepath"
)

const sector = 512

// cutDisk is a disk that forgets what was not flushed. It follows the trace of
// a memFS; image makes what a power cut may leave at that moment.
type cutDisk struct {
	files   map[*inode]*inode            // by the inode of the trace: what is certainly on the disk
	dirs    map[string]map[string]*inode // durable names, to inodes of the trace
	writes  []op                         // not flushed, in order
	changes []op                         // of directories, not flushed
}

func newCutDisk(start *memFS) *cutDisk {
	d := &cutDisk{files: map[*inode]*inode{}, dirs: map[string]map[string]*inode{}}
	for dir, files := range start.dirs {
		d.dirs[dir] = map[string]*inode{}
		for name, f := range files {
			d.dirs[dir][name] = f
			d.files[f] = f.share()
		}
	}
	return d
}

// step takes one change of the trace.
func (d *cutDisk) step(o op) {
	switch o.kind {
	case "write":
		d.writes = append(d.writes, o)
	case "sync":
		rest := d.writes[:0:0]
		for _, w := range d.writes {
			if w.file == o.file {
				d.file(w.file).put(w.data, w.off)
			} else {
				rest = append(rest, w)
			}
		}
		d.writes = rest
	case "create", "remove", "rename":
		d.changes = append(d.changes, o)
	case "syncdir":
		rest := d.changes[:0:0]
		for _, c := range d.changes {
			if c.dir == o.dir || c.kind == "rename" && filepath.Dir(c.to) == o.dir {
				change(d.dirs, c)
			} else {
				rest = append(rest, c)
			}
		}
		d.changes = rest
	}
}

func (d *cutDisk) file(f *inode) *inode {
	if d.files[f] == nil {
		d.files[f] = &inode{}
	}
	return d.files[f]
}

func change(dirs map[string]map[string]*inode, o op) {
	dir := func(name string) map[string]*inode {
		if dirs[name] == nil {
			dirs[name] = map[string]*inode{}
		}
		return dirs[name]
	}
	switch o.kind {
	case "create":
		dir(o.dir)[o.name] = o.file
	case "remove":
		if dir(o.dir)[o.name] == o.file {
			delete(dir(o.dir), o.name)
		}
	case "rename":
		if from := dir(filepath.Dir(o.name)); from[filepath.Base(o.name)] == o.file {
			delete(from, filepath.Base(o.name))
		}
		dir(filepath.Dir(o.to))[filepath.Base(o.to)] = o.file
	}
}

// image makes one disk that the power cut may leave: of what was not flushed
// nothing, all, the first few with the last one torn, or any sectors.
func (d *cutDisk) image(rng *rand.Rand) *memFS {
	m := newMemFS()
	copies := map[*inode]*inode{}
	file := func(f *inode) *inode {
		if copies[f] == nil {
			copies[f] = d.file(f).share()
		}
		return copies[f]
	}
	keepWrite, keepChange := policy(rng, len(d.writes)), policy(rng, len(d.changes))
	names := map[string]map[string]*inode{}
	for dir, files := range d.dirs {
		names[dir] = map[string]*inode{}
		for name, f := range files {
			names[dir][name] = f
		}
	}
	for i, c := range d.changes {
		if keepChange(i) {
			change(names, c)
		}
	}
	for i, w := range d.writes {
		for at := 0; at < len(w.data); {
			// up to the next boundary of a sector of the disk
			n := min(sector-int(w.off+int64(at))%sector, len(w.data)-at)
			if keepWrite(i) {
				file(w.file).put(w.data[at:at+n], w.off+int64(at))
			}
			at += n
		}
	}
	for dir, files := range names {
		m.dirs[dir] = map[string]*inode{}
		for name, f := range files {
			m.dirs[dir][name] = file(f)
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
