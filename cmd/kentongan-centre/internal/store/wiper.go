package store

import (
	"context"
	"fmt"
	"sync/atomic"
)

// wiper takes out of SQLite's log (the file centre.db-wal) what was erased from
// the database. secure_delete overwrites it there, but the log goes on holding
// the pages of before until it is cut. Its methods may be called from anywhere.
type wiper struct {
	due atomic.Bool
}

// erased says that something was.
func (w *wiper) erased() { w.due.Store(true) }

// WipeLog takes out of SQLite's log what was erased, and tells whether it did:
// where somebody reads at the moment, it can't.
func (s *View) WipeLog(ctx context.Context) (bool, error) {
	if err := s.wipe.try(ctx, s.edit); err != nil {
		return false, err
	}
	return s.edit.d != sqlite || !s.wipe.due.Load(), nil
}

// try cuts the log, if it is due. Where somebody reads at the moment it can't be
// cut, and the next try does it.
func (w *wiper) try(ctx context.Context, edit *pool) error {
	if edit.d != sqlite || !w.due.Swap(false) {
		return nil
	}
	var busy, pages, moved int
	err := edit.db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	if err != nil || busy != 0 {
		w.due.Store(true)
	}
	if err != nil {
		return fmt.Errorf("cut the database's log: %w", err)
	}
	return nil
}
