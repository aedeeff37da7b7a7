package store

import (
	"encoding/binary"
	"errors"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// boltStore is a bucket by sequence number, one transaction for each group.
type boltStore struct{ db *bolt.DB }

var bucket = []byte("records")

func openBolt(dir string) (Store, error) {
	db, err := bolt.Open(filepath.Join(dir, "bolt.db"), 0o600, nil)
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &boltStore{db}, nil
}

func (s *boltStore) Write(recs []Record, atATime int) error {
	return chunks(recs, atATime, func(group []Record) error {
		return s.db.Update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucket)
			b.FillPercent = 1 // its documentation's advice for keys that only grow
			for _, r := range group {
				seq, err := b.NextSequence()
				if err != nil {
					return err
				}
				if err := b.Put(binary.BigEndian.AppendUint64(nil, seq), r.Line); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (s *boltStore) Read(limit int) (out [][]byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucket).Cursor()
		for k, v := c.First(); k != nil && len(out) < limit; k, v = c.Next() {
			out = append(out, append([]byte(nil), v...))
		}
		return nil
	})
	return out, err
}

func (s *boltStore) Close() error { return s.db.Close() }
