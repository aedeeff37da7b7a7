// Package memdisk is a disk in memory, for tests: it refuses, fills up and takes
// its time as it is told to, and a Cut of it forgets what was not flushed.
package memdisk

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"kentongan/agent/spool/disk"
)

const pageSize = 4096

// Sector is what a power cut leaves whole or not at all, in bytes.
const Sector = 512

// Disk is a file system in memory. Pages are shared between copies until one
// writes to them, so a copy costs little.
type Disk struct {
	Mu       *sync.Mutex // guards all below
	Dirs     map[string]map[string]*Node
	Free     int64                                  // bytes that new pages may take; -1 for any
	Nodes    int                                    // files that may be made; -1 for any
	SyncTime time.Duration                          // that a flush takes
	Fault    func(op, name string, off int64) error // asked before each call
	Trace    func(Op)                               // told after each change

	locked map[string]bool
}

// Node is a file, wherever it stands.
type Node struct {
	Pages []*[pageSize]byte // nil is a page of zeros
	Size  int64
	owned map[int]bool // pages that no copy shares
}

// Op is one change of the disk, for who cuts the power.
type Op struct {
	Kind string // write, sync, create, rename, remove, syncdir
	File *Node
	Dir  string
	Name string
	To   string
	Off  int64
	Data []byte
}

// New makes an empty disk with room for all.
func New() *Disk {
	return &Disk{Mu: &sync.Mutex{}, Dirs: map[string]map[string]*Node{}, locked: map[string]bool{}, Free: -1, Nodes: -1}
}

// String is all that the disk holds.
func (m *Disk) String() string {
	sum := sha256.New()
	for _, dir := range slices.Sorted(maps.Keys(m.Dirs)) {
		for _, name := range slices.Sorted(maps.Keys(m.Dirs[dir])) {
			f := m.Dirs[dir][name]
			data := make([]byte, f.Size)
			f.Get(data, 0)
			fmt.Fprintln(sum, dir, name, f.Size, sha256.Sum256(data))
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// Clone is the disk as it stands, without locks.
func (m *Disk) Clone() *Disk {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	c := New()
	for dir, files := range m.Dirs {
		c.Dirs[dir] = make(map[string]*Node, len(files))
		for name, f := range files {
			c.Dirs[dir][name] = f.share()
		}
	}
	return c
}

func (f *Node) share() *Node {
	f.owned = nil
	return &Node{Pages: slices.Clone(f.Pages), Size: f.Size}
}

// page returns a page to write to.
func (f *Node) page(i int) *[pageSize]byte {
	for len(f.Pages) <= i {
		f.Pages = append(f.Pages, nil)
	}
	if f.Pages[i] == nil || !f.owned[i] {
		fresh := new([pageSize]byte)
		if f.Pages[i] != nil {
			*fresh = *f.Pages[i]
		}
		f.Pages[i] = fresh
		if f.owned == nil {
			f.owned = map[int]bool{}
		}
		f.owned[i] = true
	}
	return f.Pages[i]
}

// Put writes data at off.
func (f *Node) Put(data []byte, off int64) {
	f.Size = max(f.Size, off+int64(len(data)))
	for len(data) > 0 {
		i, at := int(off/pageSize), int(off%pageSize)
		n := min(len(data), pageSize-at)
		if i >= len(f.Pages) || f.Pages[i] == nil {
			if zero(data[:n]) { // as it is
				for len(f.Pages) <= i {
					f.Pages = append(f.Pages, nil)
				}
				data, off = data[n:], off+int64(n)
				continue
			}
		}
		copy(f.page(i)[at:], data[:n])
		data, off = data[n:], off+int64(n)
	}
}

// Get reads what there is at off, and says how much.
func (f *Node) Get(buf []byte, off int64) (n int) {
	for n < len(buf) && off < f.Size {
		i, at := int(off/pageSize), int(off%pageSize)
		k := min(len(buf)-n, pageSize-at, int(f.Size-off))
		if i < len(f.Pages) && f.Pages[i] != nil {
			copy(buf[n:n+k], f.Pages[i][at:])
		} else {
			clear(buf[n : n+k])
		}
		n, off = n+k, off+int64(k)
	}
	return n
}

func (m *Disk) ask(op, name string, off int64) error {
	if m.Fault != nil {
		if err := m.Fault(op, name, off); err != nil {
			return &fs.PathError{Op: op, Path: name, Err: err}
		}
	}
	return nil
}

func (m *Disk) tell(o Op) {
	if m.Trace != nil {
		m.Trace(o)
	}
}

// MkdirAll implements disk.FS.
func (m *Disk) MkdirAll(dir string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	for ; len(dir) > 1; dir = filepath.Dir(dir) {
		if m.Dirs[dir] != nil {
			continue
		}
		if err := m.ask("mkdir", dir, 0); err != nil {
			return err
		}
		m.Dirs[dir] = map[string]*Node{}
	}
	return nil
}

// List implements disk.FS.
func (m *Disk) List(dir string) (out []disk.FileInfo, err error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if err := m.ask("list", dir, 0); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(m.Dirs[dir])) {
		out = append(out, disk.FileInfo{Name: name, Size: m.Dirs[dir][name].Size})
	}
	return out, nil
}

// Find returns a file by its path; nil where there is none.
func (m *Disk) Find(name string) *Node { return m.Dirs[filepath.Dir(name)][filepath.Base(name)] }

// Open implements disk.FS.
func (m *Disk) Open(name string, write bool) (disk.File, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	op := "open"
	if write {
		op = "openrw"
	}
	if err := m.ask(op, name, 0); err != nil {
		return nil, err
	}
	f := m.Find(name)
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{m, f, name}, nil
}

// Create implements disk.FS.
func (m *Disk) Create(name string) (disk.File, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if err := m.ask("create", name, 0); err != nil {
		return nil, err
	}
	dir, base := filepath.Dir(name), filepath.Base(name)
	switch {
	case m.Dirs[dir] == nil:
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrNotExist}
	case m.Dirs[dir][base] != nil:
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	case m.Nodes == 0:
		return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
	}
	if m.Nodes > 0 {
		m.Nodes--
	}
	f := &Node{}
	m.Dirs[dir][base] = f
	m.tell(Op{Kind: "create", Dir: dir, Name: base, File: f})
	return &memFile{m, f, name}, nil
}

// Rename implements disk.FS.
func (m *Disk) Rename(from, to string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if err := m.ask("rename", from, 0); err != nil {
		return err
	}
	f := m.Find(from)
	if f == nil || m.Dirs[filepath.Dir(to)] == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(m.Dirs[filepath.Dir(from)], filepath.Base(from))
	m.Dirs[filepath.Dir(to)][filepath.Base(to)] = f
	m.tell(Op{Kind: "rename", Name: from, To: to, File: f})
	return nil
}

// Remove implements disk.FS.
func (m *Disk) Remove(name string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if err := m.ask("remove", name, 0); err != nil {
		return err
	}
	f := m.Find(name)
	if f == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if m.Free >= 0 {
		m.Free += int64(len(f.Pages)) * pageSize
	}
	if m.Nodes >= 0 {
		m.Nodes++
	}
	delete(m.Dirs[filepath.Dir(name)], filepath.Base(name))
	m.tell(Op{Kind: "remove", Dir: filepath.Dir(name), Name: filepath.Base(name), File: f})
	return nil
}

// SyncDir implements disk.FS.
func (m *Disk) SyncDir(dir string) error {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if err := m.ask("syncdir", dir, 0); err != nil {
		return err
	}
	m.tell(Op{Kind: "syncdir", Dir: dir})
	return nil
}

type unlock func()

func (u unlock) Close() error { u(); return nil }

// Lock implements disk.FS.
func (m *Disk) Lock(dir string) (io.Closer, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if err := m.ask("lock", dir, 0); err != nil {
		return nil, err
	}
	if m.locked[dir] {
		return nil, &disk.LockedError{Dir: dir}
	}
	m.locked[dir] = true
	return unlock(func() {
		m.Mu.Lock()
		defer m.Mu.Unlock()
		m.locked[dir] = false
	}), nil
}

type memFile struct {
	m    *Disk
	f    *Node
	name string
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	if err := f.m.ask("read", f.name, off); err != nil {
		return 0, err
	}
	n := f.f.Get(b, off)
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	if err := f.m.ask("write", f.name, off); err != nil {
		return 0, err
	}
	if f.m.Free >= 0 {
		grow := max(0, (off+int64(len(b))+pageSize-1)/pageSize-int64(len(f.f.Pages))) * pageSize
		if grow > f.m.Free {
			return 0, &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
		}
		f.m.Free -= grow
	}
	f.f.Put(b, off)
	if f.m.Trace != nil {
		f.m.tell(Op{Kind: "write", File: f.f, Off: off, Data: slices.Clone(b), Name: f.name})
	}
	return len(b), nil
}

func (f *memFile) Sync() error {
	f.m.Mu.Lock()
	wait := f.m.SyncTime
	f.m.Mu.Unlock()
	if wait > 0 {
		time.Sleep(wait)
	}
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	if err := f.m.ask("sync", f.name, 0); err != nil {
		return err
	}
	f.m.tell(Op{Kind: "sync", File: f.f, Name: f.name})
	return nil
}

func (f *memFile) Reserve(size int64) error {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	if err := f.m.ask("write", f.name, 0); err != nil {
		return err
	}
	f.f.Size = max(f.f.Size, size)
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.m.Mu.Lock()
	defer f.m.Mu.Unlock()
	return f.f.Size, nil
}

func (f *memFile) Close() error { return nil }

func zero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }
