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
	"strings"
	"time"

	modernc "modernc.org/sqlite" // registers itself as "sqlite"
	code "modernc.org/sqlite/lib"
)

// busyTimeout is how long a statement waits for a lock; only a tool that opens
// the file beside us can hold one.
const busyTimeout = 5 * time.Second

// Open opens or creates DIR/centre.db and brings its schema up to date.
//
// The database runs in WAL mode with synchronous=FULL. What is deleted is
// overwritten, and what was erased leaves the log as well, see wiper.
func Open(dir string, log *slog.Logger) (*Store, error) {
	file := filepath.Join(dir, "centre.db")
	s := newStore(sqlite, log)
	write, err := openSQLite(file, "journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(2000)", "cache_size(-16000)", "secure_delete(1)")
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	if s.conn, err = newSQLiteConn(write); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", file, err), write.Close())
	}
	read, err := openSQLite(file, "query_only(1)", "cache_size(-4000)")
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	read.SetMaxOpenConns(max(2, runtime.NumCPU()))
	read.SetConnMaxIdleTime(5 * time.Minute)
	s.read = newPool(read, sqlite)
	edit, err := openSQLite(file, "synchronous(FULL)", "cache_size(-1000)", "secure_delete(1)")
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	edit.SetMaxOpenConns(1)
	s.edit = newPool(edit, sqlite)
	s.wipe.erased() // by a process before this one, which may have ended in between
	return s, nil
}

func openSQLite(file string, pragmas ...string) (*sql.DB, error) {
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

// sqliteConn is a conn on SQLite.
type sqliteConn struct {
	db       *sql.DB
	c        *sql.Conn
	prepared map[string]*sql.Stmt // by text: there are a few dozen
}

func newSQLiteConn(db *sql.DB) (*sqliteConn, error) {
	c, err := db.Conn(context.Background())
	if err != nil {
		return nil, err
	}
	s := &sqliteConn{db: db, c: c, prepared: map[string]*sql.Stmt{}}
	if err := migrate(s, sqlite); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return s, nil
}

func (s *sqliteConn) begin(ctx context.Context) (anew bool, err error) {
	_, err = s.c.ExecContext(ctx, "BEGIN IMMEDIATE")
	return false, err
}

func (s *sqliteConn) commit(ctx context.Context) error {
	_, err := s.c.ExecContext(ctx, "COMMIT")
	return err
}

func (s *sqliteConn) rollback(ctx context.Context) error {
	_, err := s.c.ExecContext(ctx, "ROLLBACK")
	return err
}

func (s *sqliteConn) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := s.prepared[query]; st != nil {
		return st, nil
	}
	st, err := s.c.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	s.prepared[query] = st
	return st, nil
}

func (s *sqliteConn) exec(ctx context.Context, query string, args ...any) error {
	st, err := s.stmt(ctx, query)
	if err == nil {
		_, err = st.ExecContext(ctx, args...)
	}
	return err
}

func (s *sqliteConn) query(ctx context.Context, query string, args ...any) (rows, error) {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := st.QueryContext(ctx, args...)
	return sqliteRows{r}, err
}

type sqliteRows struct{ *sql.Rows }

func (r sqliteRows) Close() { _ = r.Rows.Close() } // Err tells

// addAtOnce is how many records one INSERT holds: each call of the driver costs
// as much as some rows.
const addAtOnce = 32

// OR FAIL is what it says of a record that is there: the same error, but SQLite
// need not note how to undo the statement alone. Commit rolls all of it back.
var (
	addOne  = `INSERT OR FAIL INTO record (lane_id, seq, received_at, kind, line) VALUES (?, ?, ?, ?, ?)`
	addMany = addOne + strings.Repeat(`, (?, ?, ?, ?, ?)`, addAtOnce-1)
)

func (s *sqliteConn) addRecords(ctx context.Context, rs []recordRow) error {
	args := make([]any, 0, 5*addAtOnce)
	for len(rs) > 0 {
		n, query := 1, addOne
		if len(rs) >= addAtOnce {
			n, query = addAtOnce, addMany
		}
		args = args[:0]
		for _, r := range rs[:n] {
			args = append(args, r.lane, r.seq, r.at, r.kind, r.line)
		}
		if err := s.exec(ctx, query, args...); err != nil {
			return err
		}
		rs = rs[n:]
	}
	return nil
}

func (s *sqliteConn) doubled(err error) bool {
	var e *modernc.Error
	return errors.As(err, &e) && e.Code() == code.SQLITE_CONSTRAINT_PRIMARYKEY
}

func (s *sqliteConn) passing(error) bool { return false } // one writes at a time

func (s *sqliteConn) close() error {
	var errs []error
	for _, st := range s.prepared {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, s.c.Close(), s.db.Close())...)
}

// version and setVersion are for migrate.
func (s *sqliteConn) version(ctx context.Context) (v int, err error) {
	return v, s.c.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v)
}

func (s *sqliteConn) setVersion(ctx context.Context, v int) error {
	_, err := s.c.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", v))
	return err
}

func (s *sqliteConn) script(ctx context.Context, text string) error {
	_, err := s.c.ExecContext(ctx, text)
	return err
}
