package firmware

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// FS is the few calls that we make on the update directory, so that a test can
// cut the power after each of them. Names are relative to it.
type FS interface {
	Open(name string) (io.ReadCloser, error)
	Size(name string) (int64, error) // of a regular file
	Create(name string, perm fs.FileMode) (WFile, error)
	Rename(from, to string) error
	Remove(name string) error
	Symlink(target, link string) error
	Readlink(name string) (string, error)
	Mkdir(name string, perm fs.FileMode) error
	SyncDir(name string) error
	Free() (int64, error) // bytes that can be written
}

// WFile is a file that is being written.
type WFile interface {
	io.Writer
	Sync() error
	Close() error
}

// Disk is the update directory on a real disk. Nothing outside it can be
// reached through it, whatever symbolic links stand there.
type Disk struct{ root *os.Root }

// OpenDisk opens the directory.
func OpenDisk(dir string) (Disk, error) {
	root, err := os.OpenRoot(dir)
	return Disk{root}, err
}

// Close lets go of the directory.
func (d Disk) Close() error { return d.root.Close() }

func (d Disk) Open(name string) (io.ReadCloser, error)   { return d.root.Open(name) }
func (d Disk) Rename(from, to string) error              { return d.root.Rename(from, to) }
func (d Disk) Remove(name string) error                  { return d.root.Remove(name) }
func (d Disk) Symlink(target, link string) error         { return d.root.Symlink(target, link) }
func (d Disk) Readlink(name string) (string, error)      { return d.root.Readlink(name) }
func (d Disk) Mkdir(name string, perm fs.FileMode) error { return d.root.Mkdir(name, perm) }

// Create gives the file perm whatever the umask is: the agent, which is
// another user, has to read what root writes here.
func (d Disk) Create(name string, perm fs.FileMode) (WFile, error) {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, perm)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(perm); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (d Disk) Size(name string) (int64, error) {
	info, err := d.root.Stat(name)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, &fs.PathError{Op: "size", Path: name, Err: errors.New("no regular file")}
	}
	return info.Size(), nil
}

func (d Disk) SyncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d Disk) Free() (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(d.root.Name(), &s); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: d.root.Name(), Err: err}
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the fields' types differ by architecture
}
