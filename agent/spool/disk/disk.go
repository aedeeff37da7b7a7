// Package disk is the few calls that the spool makes on a file system, so that a
// test can fail each of them, and cut the power between any two.
package disk

import (
	"fmt"
	"io"
)

// FS is a file system. Names are paths as the os package takes them. All methods
// may be called from any goroutine.
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

// LockedError is a spool that another process has open.
type LockedError struct {
	Dir string
	PID string // of the process, when it could be read
}

func (e *LockedError) Error() string {
	if e.PID == "" {
		return fmt.Sprintf("directory %s is in use by another process; stop it first", e.Dir)
	}
	return fmt.Sprintf("directory %s is in use by process %s; stop it first", e.Dir, e.PID)
}
