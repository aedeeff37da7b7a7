package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// raw is the least that a durable record costs: pwrite and fdatasync in a file
// whose blocks were written before. It has no checksum and can't be recovered
// after a tear, so nobody could use it; it is the measure.
type raw struct {
	f    *os.File
	at   int64
	size int64
	buf  []byte
}

func openRaw(size int64) func(dir string) (Store, error) {
	return func(dir string) (Store, error) {
		f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open raw log: %w", err)
		}
		zero := make([]byte, 1<<20)
		for at := int64(0); at < size && err == nil; at += int64(len(zero)) {
			_, err = f.WriteAt(zero, at)
		}
		if err = errors.Join(err, f.Sync()); err != nil {
			return nil, errors.Join(fmt.Errorf("preallocate raw log: %w", err), f.Close())
		}
		return &raw{f: f, size: size}, nil
	}
}

func (r *raw) Write(recs []Record, atATime int) error {
	return chunks(recs, atATime, func(group []Record) error {
		r.buf = r.buf[:0]
		for _, rec := range group {
			r.buf = binary.LittleEndian.AppendUint32(r.buf, uint32(len(rec.Line)))
			r.buf = append(r.buf, rec.Line...)
		}
		if r.at+int64(len(r.buf)) > r.size {
			return fmt.Errorf("raw log of %d bytes is full; raise its size", r.size)
		}
		if _, err := r.f.WriteAt(r.buf, r.at); err != nil {
			return err
		}
		r.at += int64(len(r.buf))
		return unix.Fdatasync(int(r.f.Fd()))
	})
}

func (r *raw) Read(limit int) ([][]byte, error) {
	var out [][]byte
	for at := int64(0); at < r.at && len(out) < limit; {
		var n [4]byte
		if _, err := r.f.ReadAt(n[:], at); err != nil {
			return nil, err
		}
		line := make([]byte, binary.LittleEndian.Uint32(n[:]))
		if _, err := r.f.ReadAt(line, at+4); err != nil {
			return nil, err
		}
		out = append(out, line)
		at += 4 + int64(len(line))
	}
	return out, nil
}

func (r *raw) Close() error { return r.f.Close() }
