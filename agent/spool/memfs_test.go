package spool

import (
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

func decode[T any](t testing.TB, raw []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// memFS is a file system in memory. Pages are shared between copies until one
// writes to them, so a copy costs little.
type memFS struct {
	mu       *sync.Mutex
	dirs     map[string]map[string]*inode
	locked   map[string]bool
	free     int64 // bytes that new pages may take; -1 for any
	inodes   int   // files that may be made; -1 for any
	syncTime time.Duration
	fault    func(op, name string, off int64) error // asked before each call
	trace    func(op)                               // told after each change
}

type inode struct {
	pages []*[pageSize]byte // nil is a page of zeros
	size  int64
	owned map[int]bool // pages that no copy shares
}

// op is one change of the disk, for the harness that cuts the power.
type op struct {
	kind string // write, sync, create, rename, remove, syncdir
	file *inode
	dir  string
	name string
	to   string
	off  int64
	data []byte
}

func newMemFS() *memFS {
	return &memFS{mu: &sync.Mutex{}, dirs: map[string]map[string]*inode{}, locked: map[string]bool{}, free: -1, inodes: -1}
}

// clone is the disk as it stands, without locks.
func (m *memFS) clone() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newMemFS()
	for dir, files := range m.dirs {
		c.dirs[dir] = make(map[string]*inode, len(files))
		for name, f := range files {
			c.dirs[dir][name] = f.share()
		}
	}
	return c
}

func (f *inode) share() *inode {
	f.owned = nil
	return &inode{pages: slices.Clone(f.pages), size: f.size}
}

// page returns a page to write to.
func (f *inode) page(i int) *[pageSize]byte {
	for len(f.pages) <= i {
		f.pages = append(f.pages, nil)
	}
	if f.pages[i] == nil || !f.owned[i] {
		fresh := new([pageSize]byte)
		if f.pages[i] != nil {
			*fresh = *f.pages[i]
		}
		f.pages[i] = fresh
		if f.owned == nil {
			f.owned = map[int]bool{}
		}
		f.owned[i] = true
	}
	return f.pages[i]
}

func (f *inode) put(data []byte, off int64) {
	f.size = max(f.size, off+int64(len(data)))
	for len(data) > 0 {
		i, at := int(off/pageSize), int(off%pageSize)
		n := min(len(data), pageSize-at)
		if i >= len(f.pages) || f.pages[i] == nil {
			if allZero(data[:n]) { // as it is
				for len(f.pages) <= i {
					f.pages = append(f.pages, nil)
				}
				data, off = data[n:], off+int64(n)
				continue
			}
		}
		copy(f.page(i)[at:], data[:n])
		data, off = data[n:], off+int64(n)
	}
}

func (f *inode) get(buf []byte, off int64) (n int) {
	for n < len(buf) && off < f.size {
		i, at := int(off/pageSize), int(off%pageSize)
		k := min(len(buf)-n, pageSize-at, int(f.size-off))
		if i < len(f.pages) && f.pages[i] != nil {
			copy(buf[n:n+k], f.pages[i][at:])
		} else {
			clear(buf[n : n+k])
		}
		n, off = n+k, off+int64(k)
	}
	return n
}

func (m *memFS) ask(op, name string, off int64) error {
	if m.fault != nil {
		if err := m.fault(op, name, off); err != nil {
			return &fs.PathError{Op: op, Path: name, Err: err}
		}
	}
	return nil
}

func (m *memFS) tell(o op) {
	if m.trace != nil {
		m.trace(o)
	}
}

func (m *memFS) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ; len(dir) > 1; dir = filepath.Dir(dir) {
		if m.dirs[dir] != nil {
			continue
		}
		if err := m.ask("mkdir", dir, 0); err != nil {
			return err
		}
		m.dirs[dir] = map[string]*inode{}
	}
	return nil
}

func (m *memFS) List(dir string) (out []FileInfo, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ask("list", dir, 0); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(m.dirs[dir])) {
		out = append(out, FileInfo{Name: name, Size: m.dirs[dir][name].size})
	}
	return out, nil
}

func (m *memFS) find(name string) *inode { return m.dirs[filepath.Dir(name)][filepath.Base(name)] }

func (m *memFS) Open(name string, write bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	op := "open"
	if write {
		op = "openrw"
	}
	if err := m.ask(op, name, 0); err != nil {
		return nil, err
	}
	f := m.find(name)
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{m, f, name}, nil
}

func (m *memFS) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ask("create", name, 0); err != nil {
		return nil, err
	}
	dir, base := filepath.Dir(name), filepath.Base(name)
	switch {
	case m.dirs[dir] == nil:
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrNotExist}
	case m.dirs[dir][base] != nil:
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	case m.inodes == 0:
		return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
	}
	if m.inodes > 0 {
		m.inodes--
	}
	f := &inode{}
	m.dirs[dir][base] = f
	m.tell(op{kind: "create", dir: dir, name: base, file: f})
	return &memFile{m, f, name}, nil
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ask("rename", from, 0); err != nil {
		return err
	}
	f := m.find(from)
	if f == nil || m.dirs[filepath.Dir(to)] == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(m.dirs[filepath.Dir(from)], filepath.Base(from))
	m.dirs[filepath.Dir(to)][filepath.Base(to)] = f
	m.tell(op{kind: "rename", name: from, to: to, file: f})
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ask("remove", name, 0); err != nil {
		return err
	}
	f := m.find(name)
	if f == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if m.free >= 0 {
		m.free += int64(len(f.pages)) * pageSize
	}
	if m.inodes >= 0 {
		m.inodes++
	}
	delete(m.dirs[filepath.Dir(name)], filepath.Base(name))
	m.tell(op{kind: "remove", dir: filepath.Dir(name), name: filepath.Base(name), file: f})
	return nil
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ask("syncdir", dir, 0); err != nil {
		return err
	}
	m.tell(op{kind: "syncdir", dir: dir})
	return nil
}

type unlock func()

func (u unlock) Close() error { u(); return nil }

func (m *memFS) Lock(dir string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ask("lock", dir, 0); err != nil {
		return nil, err
	}
	if m.locked[dir] {
		return nil, &LockedError{Dir: dir}
	}
	m.locked[dir] = true
	return unlock(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.locked[dir] = false
	}), nil
}

type memFile struct {
	m    *memFS
	f    *inode
	name string
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.ask("read", f.name, off); err != nil {
		return 0, err
	}
	n := f.f.get(b, off)
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.ask("write", f.name, off); err != nil {
		return 0, err
	}
	if f.m.free >= 0 {
		grow := max(0, (off+int64(len(b))+pageSize-1)/pageSize-int64(len(f.f.pages))) * pageSize
		if grow > f.m.free {
			return 0, &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
		}
		f.m.free -= grow
	}
	f.f.put(b, off)
	if f.m.trace != nil {
		f.m.tell(op{kind: "write", file: f.f, off: off, data: slices.Clone(b), name: f.name})
	}
	return len(b), nil
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	wait := f.m.syncTime
	f.m.mu.Unlock()
	if wait > 0 {
		time.Sleep(wait)
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.ask("sync", f.name, 0); err != nil {
		return err
	}
	f.m.tell(op{kind: "sync", file: f.f, name: f.name})
	return nil
}

func (f *memFile) Reserve(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.ask("write", f.name, 0); err != nil {
		return err
	}
	f.f.size = max(f.f.size, size)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return f.f.size, nil
}

func (f *memFile) Close() error { return nil }
