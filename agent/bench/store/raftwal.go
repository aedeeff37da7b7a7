package store

import (
	"errors"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
)

// raftWAL is hashicorp/raft-wal with its defaults: 64 MiB segments, one fsync
// for each call of StoreLogs.
type raftWAL struct {
	log  *wal.WAL
	meta *metadb.BoltMetaDB
	next uint64
}

func openRaftWAL(dir string) (Store, error) {
	meta := &metadb.BoltMetaDB{} // the default one, but WAL.Close leaves it open and locked
	log, err := wal.Open(dir, wal.WithLogger(hclog.NewNullLogger()), wal.WithMetaStore(meta))
	if err != nil {
		return nil, err
	}
	last, err := log.LastIndex()
	if err != nil {
		return nil, err
	}
	return &raftWAL{log: log, meta: meta, next: last + 1}, nil
}

func (s *raftWAL) Write(recs []Record, atATime int) error {
	return chunks(recs, atATime, func(group []Record) error {
		logs := make([]*raft.Log, len(group))
		for i, r := range group {
			logs[i] = &raft.Log{Index: s.next, Data: r.Line}
			s.next++
		}
		return s.log.StoreLogs(logs)
	})
}

func (s *raftWAL) Read(limit int) ([][]byte, error) {
	first, err := s.log.FirstIndex()
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for i := max(first, 1); i < s.next && len(out) < limit; i++ {
		var l raft.Log
		if err := s.log.GetLog(i, &l); err != nil {
			return nil, err
		}
		out = append(out, l.Data)
	}
	return out, nil
}

func (s *raftWAL) Close() error { return errors.Join(s.log.Close(), s.meta.Close()) }
