package spool

import (
	"errors"
	"io"
)

// FS is the few calls that the spool makes on a file system, so that a test
// can fail each of them, and cut the power between any two. Names are paths as
// the os package takes them. All methods may be called from any goroutine.
type FS interface {
	// MkdirAll makes a directory and its parents; it is no error if it exists.
	MkdirAll(dir string) error
	// List returns the regular files of a directory.
	List(dir string) ([]FileInfo, error)
	// Open opens a file that exists.
	Open(name string, write bool) (File, error)
	// Create makes a file that must not exist.
	Create(name string) (File, error)
	// Rename moves a file; what stood at the new name is gone.
	Rename(from, to string) error
	// Remove deletes a file.
	Remove(name string) error
	// SyncDir makes creations, renames and removals in a directory durable.
	SyncDir(dir string) error
	// Lock takes the directory for this process alone, until the closer is
	// closed. Another holder is a *LockedError.
	Lock(dir string) (io.Closer, error)
}

// FileInfo is one regular file of a directory.
type FileInfo struct {
	Name string
	Size int64 // bytes
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync returns when the data, and what is needed to read them, are on the
	// disk: fdatasync.
	Sync() error
	// Reserve takes space for the first size bytes, which then read as zeros.
	// errors.ErrUnsupported where the file system cannot.
	Reserve(size int64) error
	Size() (int64, error)
	Close() error
}

// zeros is what new files are filled with.
var zeros [64 << 10]byte

// reserveAbove is the size of a segment from which space is only reserved
// instead of written: filling 4 MiB with zeros would stop the lane for a
// second on a slow card. A reserved block costs some 0.7 KiB of metadata more
// at its first write, a written one nothing (facts.md).
const reserveAbove = 1 << 20

// allocate makes a file of size bytes that starts with head, the rest zeros,
// all on the disk. On an error nothing is left behind, as far as the disk
// allows.
func allocate(fsys FS, dir, name string, size int64, head []byte) (File, error) {
	f, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	if err = fill(f, size); err == nil {
		if _, err = f.WriteAt(head, 0); err == nil {
			err = f.Sync()
		}
		if err == nil {
			err = fsys.SyncDir(dir)
		}
	}
	if err != nil {
		_ = f.Close()
		_ = fsys.Remove(name)
		return nil, err
	}
	return f, nil
}

func fill(f File, size int64) error {
	if size > reserveAbove {
		if err := f.Reserve(size); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	for off := int64(0); off < size; {
		n := min(int64(len(zeros)), size-off)
		if _, err := f.WriteAt(zeros[:n], off); err != nil {
			return err
		}
		off += n
	}
	return nil
}

// readAll reads a whole file, page by page where it must: a page that the disk
// cannot read comes as zeros, and the first such error is returned with the
// bytes. A file that is shorter than size is filled up with zeros.
func readAll(f File, size int64) ([]byte, error) {
	buf := make([]byte, size)
	n, err := f.ReadAt(buf, 0)
	if int64(n) == size || err == io.EOF {
		return buf, nil
	}
	first := err
	for off := int64(0); off < size; off += pageSize {
		page := buf[off:min(off+pageSize, size)]
		if n, err := f.ReadAt(page, off); err != nil && err != io.EOF {
			clear(page)
		} else {
			clear(page[n:])
		}
	}
	return buf, first
}
