package spool

import (
	"errors"
	"io"

	"kentongan/agent/spool/disk"
)

// The file system, as a test may put its own in the place of it.
type (
	FS          = disk.FS
	File        = disk.File
	FileInfo    = disk.FileInfo
	LockedError = disk.LockedError
)

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
