package store

import (
	"path/filepath"

	"github.com/tidwall/wal"
)

// tidwall is tidwall/wal with its defaults, which sync after each write.
type tidwall struct {
	log  *wal.Log
	next uint64
}

func openTidwall(dir string) (Store, error) {
	log, err := wal.Open(filepath.Join(dir, "wal"), nil)
	if err != nil {
		return nil, err
	}
	last, err := log.LastIndex()
	if err != nil {
		return nil, err
	}
	return &tidwall{log: log, next: last + 1}, nil
}

func (s *tidwall) Write(recs []Record, atATime int) error {
	return chunks(recs, atATime, func(group []Record) error {
		var b wal.Batch
		for _, r := range group {
			b.Write(s.next, r.Line)
			s.next++
		}
		return s.log.WriteBatch(&b)
	})
}

func (s *tidwall) Read(limit int) ([][]byte, error) {
	first, err := s.log.FirstIndex()
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for i := max(first, 1); i < s.next && len(out) < limit; i++ {
		line, err := s.log.Read(i)
		if err != nil {
			return nil, err
		}
		out = append(out, line)
	}
	return out, nil
}

func (s *tidwall) Close() error { return s.log.Close() }
