// Package store keeps what devices sent in one SQLite file, and knows of every
// lane which numbers are still missing.
//
// # Durability
//
// The database runs in WAL mode with synchronous=FULL: when Commit returns, its
// records survive a power cut, and only then may anybody be told so.
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
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"runtime"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Store is an open database. The zero value is of no use; see Open.
type Store struct {
	View  // of everything
	write *sql.DB
	conn  *sql.Conn // the only connection of write, for Commit alone
	log   *slog.Logger

	// The fields below belong to the goroutine that calls Commit.
	stmt    statements
	lanes   map[Key]*lane
	devices map[string]*device
}

// Key names one counted log: a lane of one store of one device.
type Key struct {
	Device string
	Epoch  uint64
	Lane   string
}

// busyTimeout is how long a statement waits for a lock; only a tool that opens
// the file beside us can hold one.
const busyTimeout = 5 * time.Second

// Open opens or creates DIR/centre.db and brings its schema up to date.
func Open(dir string, log *slog.Logger) (*Store, error) {
	file := filepath.Join(dir, "centre.db")
	s := &Store{View: View{scope: Everything()}, log: log, lanes: map[Key]*lane{}, devices: map[string]*device{}}
	var err error
	if s.write, err = openDB(file, "journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(2000)", "cache_size(-16000)"); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	if err := migrate(s.write); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", file, err), s.write.Close())
	}
	if s.read, err = openDB(file, "query_only(1)", "cache_size(-4000)"); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	s.read.SetMaxOpenConns(max(2, runtime.NumCPU()))
	s.read.SetConnMaxIdleTime(5 * time.Minute)
	if s.edit, err = openDB(file, "synchronous(FULL)", "cache_size(-1000)", "secure_delete(1)"); err != nil {
		return nil, errors.Join(err, s.read.Close(), s.write.Close())
	}
	s.edit.SetMaxOpenConns(1)
	ctx := context.Background()
	if s.conn, err = s.write.Conn(ctx); err == nil {
		err = s.stmt.prepare(ctx, s.conn)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", file, err), s.Close())
	}
	return s, nil
}

func openDB(file string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}}
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", file, err)
	}
	return db, nil
}

// Close closes the database. Nobody may use the store after it.
func (s *Store) Close() error {
	err := s.stmt.close()
	if s.conn != nil {
		err = errors.Join(err, s.conn.Close())
	}
	return errors.Join(err, s.edit.Close(), s.read.Close(), s.write.Close())
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var version int
	if err := s.read.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&version); err != nil {
		return fmt.Errorf("ask database: %w", err)
	}
	return nil
}
