package fetch

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"kentongan/firmware"
)

// Copy brings what the board needs of a bundle that lies here (on a stick) into
// the directory.
func (f *Fetcher) Copy(s firmware.Source, b Board) (firmware.Release, error) {
	keys, release, err := firmware.ReadNotes(s)
	if err != nil {
		return firmware.Release{}, err
	}
	_, r, p, err := firmware.Check(keys, release, b.Keys, b.Floor, b.Running, b.Device)
	if err != nil {
		return r, err
	}
	if err := f.begin(p.Packed.Name); err != nil {
		return r, fmt.Errorf("copy release %d: %w", r.Number, err)
	}
	if err := f.room(p.Packed.Size); err != nil {
		return r, err
	}
	if err := f.copy(s, p.Packed); err != nil {
		return r, fmt.Errorf("copy release %d: %w", r.Number, err)
	}
	return r, f.finish(keys, release)
}

func (f *Fetcher) copy(s firmware.Source, want firmware.File) error {
	in, err := s.Open(want.Name)
	if err != nil {
		return err
	}
	defer in.Close()
	place := filepath.Join(f.Dir, want.Name)
	out, err := os.OpenFile(place+".part", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(&told{out, f, want, 0}, io.LimitReader(in, want.Size+1))
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	ok, err := holds(place+".part", want)
	if err != nil {
		return err
	}
	if !ok {
		return errors.Join(notTheFile(want), os.Remove(place+".part"))
	}
	return os.Rename(place+".part", place)
}

// told passes bytes on and says how far they are.
type told struct {
	w    io.Writer
	f    *Fetcher
	want firmware.File
	done int64
}

func (t *told) Write(b []byte) (int, error) {
	n, err := t.w.Write(b)
	t.done += int64(n)
	t.f.tell(t.want, t.done)
	return n, err
}
