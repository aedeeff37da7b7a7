package firmware

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Source is where the files of a release lie: a bundle file, a directory, or
// what was downloaded. Nothing of what it says is believed before it was
// verified.
type Source interface {
	// Open returns one file, fs.ErrNotExist where there is none.
	Open(name string) (io.ReadCloser, error)
}

// Names of the two notes in a source.
const (
	KeysName    = keysFile
	ReleaseName = releaseFile
)

// OpenSource takes a bundle file or a directory with the same files in it. A
// symbolic link in its place is not followed: whoever may write there must not
// make root read something else.
func OpenSource(file string) (Source, error) {
	info, err := os.Lstat(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open bundle: %w", err)
	case info.IsDir():
		return dirSource(file), nil
	case info.Mode().IsRegular():
		return tarSource(file), nil
	}
	return nil, fmt.Errorf("open bundle %s: neither a file nor a directory", file)
}

type dirSource string

func (d dirSource) Open(name string) (io.ReadCloser, error) {
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// NONBLOCK: a named pipe there must not make root wait for ever.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return regular(f)
}

func regular(f *os.File) (io.ReadCloser, error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: no regular file", info.Name())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// tarSource is a bundle: a tar archive without folders, the two notes first.
type tarSource string

func (t tarSource) Open(name string) (io.ReadCloser, error) {
	f, err := os.OpenFile(string(t), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if _, err := regular(f); err != nil {
		return nil, err
	}
	r := tar.NewReader(f)
	for range 1000 {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, errors.Join(&fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}, f.Close())
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errors.Join(refuse(Truncated, "the bundle ends in the middle"), f.Close())
		case err != nil:
			return nil, errors.Join(refuse(Tampered, "no bundle: %v", err), f.Close())
		case h.Name == name && h.Typeflag == tar.TypeReg:
			return tarEntry{r, f}, nil
		}
	}
	return nil, errors.Join(refuse(Tampered, "more than 1,000 files in a bundle"), f.Close())
}

type tarEntry struct {
	io.Reader
	io.Closer
}

// ReadNotes reads the key list and the release of a source.
func ReadNotes(s Source) (keys, release []byte, err error) {
	if keys, err = readNote(s, KeysName); err != nil {
		return nil, nil, err
	}
	release, err = readNote(s, ReleaseName)
	return keys, release, err
}

func readNote(s Source, name string) ([]byte, error) {
	f, err := s.Open(name)
	if err != nil {
		return nil, sourceError(name, err)
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxNoteBytes+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, sourceError(name, err)
	}
	return text, nil
}

// sourceError keeps a Refusal, and makes one of what a source's reader said.
func sourceError(name string, err error) error {
	switch {
	case CodeOf(err) != "":
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(Truncated, "%s ends in the middle", name)
	}
	return refuse(Unavailable, "%s: %v", name, err)
}
