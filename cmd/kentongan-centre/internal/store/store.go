// Package store keeps what devices sent in a database, SQLite's or PostgreSQL's,
// and knows of every lane which numbers are still missing.
//
// # Durability
//
// When Commit returns, its records survive a power cut, and only then may anybody
// be told so: SQLite runs in WAL mode with synchronous=FULL, PostgreSQL with
// synchronous_commit=on, and a server without fsync is refused.
//
// # Databases
//
// Queries are written once, in SQL that both databases understand; what differs
// (parameters, words of a table's definition, lists) is in dialect. So: ON
// CONFLICT with its columns, count(*) FILTER, CASE for the lesser of two, RETURNING
// id, coalesce(…, false) for a truth; no sum of truths, no functions of one of them.
// The type of a parameter is fixed by its first place in the query, and a column of
// type INTEGER takes 0 and 1, not a bool. Times are made in Go, as Unix milliseconds.
//
// # Concurrency
//
// Commit belongs to one goroutine (the ingest loop), which owns the lanes'
// state in memory. All other methods use connections of their own and can be
// called from anywhere: most only read, those of orders and pictures write what
// people of the centre do.
//
// # Accounting
//
// Every number of a lane is held (its record is here), explained (a gap record
// says that it never comes), a hole (below the highest number known, neither),
// or not sent yet. A hole at or above the device's First is still in its
// backlog and can be asked for again; a hole below First is missing: the device
// doesn't have it any more, and nobody said why. Missing is the figure that has
// to be zero.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// Store is an open database. The zero value is of no use; see Open.
type Store struct {
	View // of everything
	d    dialect
	conn conn // for Commit alone
	log  *slog.Logger

	lateMu sync.Mutex // guards late
	late   []lateName

	// The fields below belong to the goroutine that calls Commit.
	lanes   map[Key]*lane
	devices map[string]*device
	sets    map[string]lastSet // by device
}

// Key names one counted log: a lane of one store of one device.
type Key struct {
	Device string
	Epoch  uint64
	Lane   string
}

// newStore is a store without its database.
func newStore(d dialect, log *slog.Logger) *Store {
	return &Store{View: View{scope: Everything(), wipe: &wiper{}}, d: d, log: log, lanes: map[Key]*lane{}, devices: map[string]*device{}, sets: map[string]lastSet{}}
}

// Close closes the database. Nobody may use the store after it.
func (s *Store) Close() error {
	// Commit's connection last: SQLite then clears its log away, and PostgreSQL's
	// lock outlives whatever else was under way.
	return errors.Join(s.edit.Close(), s.read.Close(), s.conn.close())
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var n int
	if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM device LIMIT 1) x").Scan(&n); err != nil {
		return fmt.Errorf("ask database: %w", err)
	}
	return nil
}
