package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync/atomic"
	"time"
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

// cutWaits is how long cutting the log waits for who reads: the ingest waits as long,
// for nobody may write meanwhile.
const cutWaits = 200 * time.Millisecond

// try cuts the log, if it is due. Where somebody reads at the moment it can't be
// cut, and the next try does it.
func (w *wiper) try(ctx context.Context, edit *pool) error {
	if edit.d != sqlite || !w.due.Swap(false) {
		return nil
	}
	done, err := cutLog(ctx, edit.db)
	if !done {
		w.due.Store(true)
	}
	if err != nil {
		return fmt.Errorf("cut the database's log: %w", err)
	}
	return nil
}

func cutLog(ctx context.Context, db *sql.DB) (done bool, err error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close() //nolint:errcheck // it goes back
	if err := waitsFor(ctx, c, cutWaits); err != nil {
		return false, err
	}
	defer func() {
		if waitsFor(context.WithoutCancel(ctx), c, busyTimeout) != nil {
			_ = c.Raw(func(any) error { return driver.ErrBadConn }) // nobody gets it like this
		}
	}()
	// First what can be moved while others write: then little is left to wait for.
	for _, how := range []string{"PASSIVE", "TRUNCATE"} {
		var busy, pages, moved int
		if err := c.QueryRowContext(ctx, `PRAGMA wal_checkpoint(`+how+`)`).Scan(&busy, &pages, &moved); err != nil {
			return false, err
		}
		done = busy == 0
	}
	return done, nil
}

// waitsFor sets how long statements of a connection wait for a lock.
func waitsFor(ctx context.Context, c *sql.Conn, d time.Duration) error {
	_, err := c.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", d.Milliseconds()))
	return err
}
