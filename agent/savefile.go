package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// saveFile writes a small file whole or not at all: it returns when the new
// content is on the disk, and until then a power cut leaves the old one. A file
// that is there keeps its owner and mode. A new one is for its owner alone; when
// root writes it, that is who owns the directory: a technician enrols with sudo,
// and the agent that reads it has a user of its own.
func saveFile(file string, text []byte) error {
	err := func() error {
		f, err := os.OpenFile(file+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		err = errors.Join(err, dressLike(f, file))
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
		if err := os.Rename(file+".new", file); err != nil {
			return err
		}
		return syncDir(filepath.Dir(file))
	}()
	if err != nil {
		return fmt.Errorf("save %s: %w", filepath.Base(file), err)
	}
	return nil
}

// syncDir makes durable which files a directory has.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// loadFile reads what saveFile wrote; nil when there is none.
func loadFile(file string, most int64) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.Size() > most:
		return nil, fmt.Errorf("load %s: %d bytes, more than %d", filepath.Base(file), info.Size(), most)
	}
	return os.ReadFile(file)
}

// saveJSON is saveFile of a value as JSON.
func saveJSON(file string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return saveFile(file, text)
}

// loadJSON reads what saveJSON wrote; without a file the value stays as it is.
func loadJSON(file string, most int64, into any) error {
	text, err := loadFile(file, most)
	if err != nil || text == nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// putAside takes a damaged file out of the way and returns its new name. The
// newest damaged one is kept, for who wants to know.
func putAside(file string) (string, error) {
	aside := file + ".damaged"
	if err := os.Rename(file, aside); err != nil {
		return "", fmt.Errorf("set %s aside: %w", filepath.Base(file), err)
	}
	return filepath.Base(aside), nil
}

// dressLike gives f the owner and the mode of file, or the owner of its directory
// where there is no such file.
func dressLike(f *os.File, file string) error {
	info, err := os.Stat(file)
	if err == nil {
		if err := f.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	} else if info, err = os.Stat(filepath.Dir(file)); err != nil {
		return err
	}
	return chownLike(f.Name(), info)
}

// chownLike gives a file the owner that info tells, where we are root.
func chownLike(file string, info fs.FileInfo) error {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(file, int(owner.Uid), int(owner.Gid))
}

// SaveFile is saveFile for the program's other commands.
func SaveFile(file string, text []byte) error { return saveFile(file, text) }
