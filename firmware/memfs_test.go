package firmware

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
)

// memFS is a disk that forgets what was not flushed. A file keeps its content
// at its last Sync; a directory keeps its entries at its last SyncDir; the rest
// may be there after a cut, or not, as image chooses.
type memFS struct {
	now     map[string]*inode // by path
	kept    map[string]*inode // entries that a SyncDir flushed
	pending []change          // entries since, in order
	ops     int               // calls that change something
	cutAt   int               // the op before which the power goes; 0 = never
	free    int64
}

type inode struct {
	dir    bool
	link   string
	data   []byte
	synced []byte // content at the last Sync; nil = never
}

type change struct {
	name string
	node *inode // nil = removed
}

var errCut = errors.New("the power is gone")

func newMemFS() *memFS {
	return &memFS{now: map[string]*inode{}, kept: map[string]*inode{}, free: 1 << 40}
}

// step counts a change, and tells whether the power is still there.
func (m *memFS) step() error {
	if m.cutAt > 0 && m.ops >= m.cutAt {
		return errCut
	}
	m.ops++
	return nil
}

func (m *memFS) set(name string, n *inode) {
	if n == nil {
		delete(m.now, name)
	} else {
		m.now[name] = n
	}
	m.pending = append(m.pending, change{name, n})
}

func notThere(name string) error { return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist} }

// follow resolves the one symbolic link that there is, in the middle of a path.
func (m *memFS) follow(name string) string {
	if rest, ok := strings.CutPrefix(name, currentLink+"/"); ok {
		if l := m.now[currentLink]; l != nil {
			return path.Join(l.link, rest)
		}
	}
	return name
}

func (m *memFS) Open(name string) (io.ReadCloser, error) {
	n := m.now[m.follow(name)]
	if n == nil || n.dir {
		return nil, notThere(name)
	}
	return io.NopCloser(bytes.NewReader(n.data)), nil
}

func (m *memFS) Size(name string) (int64, error) {
	n := m.now[m.follow(name)]
	if n == nil {
		return 0, notThere(name)
	}
	return int64(len(n.data)), nil
}

func (m *memFS) Create(name string, _ fs.FileMode) (WFile, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	if d := m.now[path.Dir(name)]; path.Dir(name) != "." && (d == nil || !d.dir) {
		return nil, notThere(name)
	}
	n := &inode{}
	if old := m.now[name]; old != nil {
		old.data = nil // truncated in place
		n = old
	} else {
		m.set(name, n)
	}
	return &memFile{m, n}, nil
}

func (m *memFS) Rename(from, to string) error {
	if err := m.step(); err != nil {
		return err
	}
	n := m.now[from]
	if n == nil {
		return notThere(from)
	}
	// One change of the directory, so no cut sees half of it: the new name
	// first, and the old one never without it.
	m.set(to, n)
	delete(m.now, from)
	return nil
}

func (m *memFS) Remove(name string) error {
	if m.now[name] == nil {
		return notThere(name)
	}
	if err := m.step(); err != nil {
		return err
	}
	m.set(name, nil)
	return nil
}

func (m *memFS) Symlink(target, link string) error {
	if err := m.step(); err != nil {
		return err
	}
	if m.now[link] != nil {
		return fs.ErrExist
	}
	m.set(link, &inode{link: target})
	return nil
}

func (m *memFS) Readlink(name string) (string, error) {
	n := m.now[name]
	if n == nil || n.link == "" {
		return "", notThere(name)
	}
	return n.link, nil
}

func (m *memFS) Mkdir(name string, _ fs.FileMode) error {
	if m.now[name] != nil {
		return fs.ErrExist
	}
	if err := m.step(); err != nil {
		return err
	}
	m.set(name, &inode{dir: true})
	return nil
}

func (m *memFS) SyncDir(dir string) error {
	if err := m.step(); err != nil {
		return err
	}
	dir = path.Clean(dir)
	rest := m.pending[:0:0]
	for _, c := range m.pending {
		if path.Dir(c.name) == dir {
			m.keep(m.kept, c)
		} else {
			rest = append(rest, c)
		}
	}
	m.pending = rest
	for name := range m.kept { // what was renamed away
		if path.Dir(name) == dir && m.now[name] == nil {
			delete(m.kept, name)
		}
	}
	return nil
}

func (m *memFS) keep(into map[string]*inode, c change) {
	if c.node == nil {
		delete(into, c.name)
	} else {
		into[c.name] = c.node
	}
}

func (m *memFS) Free() (int64, error) { return m.free, nil }

type memFile struct {
	m *memFS
	n *inode
}

func (f *memFile) Write(b []byte) (int, error) {
	if err := f.m.step(); err != nil {
		return 0, err
	}
	f.n.data = append(f.n.data, b...)
	return len(b), nil
}

func (f *memFile) Sync() error {
	if err := f.m.step(); err != nil {
		return err
	}
	f.n.synced = slices.Clone(f.n.data)
	if f.n.synced == nil {
		f.n.synced = []byte{}
	}
	return nil
}

func (f *memFile) Close() error { return nil }

// How much of what was not flushed is there after a cut.
const (
	imageNothing  = iota // only what was flushed
	imageNames           // every entry, files with their flushed content: empty where there was none
	imageAll             // everything
	imageRandom          // from here on: some of it, by the seed
	imageVariants = imageRandom + 5
)

// image is the disk after a cut.
func (m *memFS) image(variant int, seed uint64) *memFS {
	r := rand.New(rand.NewPCG(seed, uint64(variant)))
	names := maps.Clone(m.kept)
	for _, c := range m.pending {
		if variant == imageNames || variant == imageAll || variant >= imageRandom && r.IntN(2) == 0 {
			m.keep(names, c)
		}
	}
	out := newMemFS()
	out.free = m.free
	for name, n := range names {
		copied := &inode{dir: n.dir, link: n.link}
		switch {
		case variant == imageAll:
			copied.data = slices.Clone(n.data)
		case variant >= imageRandom && r.IntN(2) == 0:
			copied.data = slices.Clone(n.data[:r.IntN(len(n.data)+1)])
			if n.synced != nil && r.IntN(2) == 0 {
				copied.data = slices.Clone(n.synced)
			}
		default:
			copied.data = slices.Clone(n.synced)
		}
		// A content that was flushed and not touched since is simply there.
		if n.synced != nil && bytes.Equal(n.synced, n.data) {
			copied.data = slices.Clone(n.data)
		}
		copied.synced = slices.Clone(copied.data)
		if copied.synced == nil {
			copied.synced = []byte{}
		}
		out.now[name], out.kept[name] = copied, copied
	}
	// What lies in a directory that is not there is not there either.
	for name := range out.now {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if out.now[dir] == nil {
				delete(out.now, name)
				delete(out.kept, name)
			}
		}
	}
	return out
}
