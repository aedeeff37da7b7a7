package enrol

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"kentongan/cmd/kentongan-centre/internal/ca"
)

// Book is who may enrol, who did, with what certificate, and what was refused.
//
// It is a small database of its own, DIR/ca/enrol.db, and not a part of the
// centre's: the command line writes into it beside a running centre, and an
// older copy of the records that is put back must not make a used token good
// again. A write is on the disk when its method returns. All methods may be
// called from any goroutine, and by several processes at once.
type Book struct {
	db        *sql.DB
	authority *ca.Authority
	now       func() time.Time
}

// Dir is where a centre keeps its authority and the book.
func Dir(data string) string { return filepath.Join(data, "ca") }

const schema = `
CREATE TABLE token (
	hash       BLOB PRIMARY KEY,  -- SHA-256 of the secret: who reads this book can't enrol with it
	id         TEXT NOT NULL UNIQUE, -- for people: 8 hex digits of the hash
	device     TEXT NOT NULL,
	made_at    INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	replaces   INTEGER NOT NULL,  -- 1: it may take the id from the device that holds it
	who        TEXT NOT NULL,
	used_at    INTEGER NOT NULL DEFAULT 0,
	serial     TEXT NOT NULL DEFAULT '', -- of the certificate that it brought
	revoked_at INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE certificate (
	serial     TEXT PRIMARY KEY,  -- hex
	kind       TEXT NOT NULL,     -- device, server, client
	subject    TEXT NOT NULL,
	spki       BLOB NOT NULL,     -- SHA-256 of the public key
	record_key BLOB NOT NULL,     -- Ed25519; empty without one
	not_before INTEGER NOT NULL,
	not_after  INTEGER NOT NULL,
	renewed_by TEXT NOT NULL DEFAULT '', -- serial of its successor
	revoked_at INTEGER NOT NULL DEFAULT 0,
	reason     TEXT NOT NULL DEFAULT '',
	der        BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX certificate_subject ON certificate (subject, kind);

-- What happened, the refusals too.
CREATE TABLE audit (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	at      INTEGER NOT NULL,
	what    TEXT NOT NULL,
	reason  TEXT NOT NULL,
	device  TEXT NOT NULL,
	address TEXT NOT NULL,
	serial  TEXT NOT NULL,
	detail  TEXT NOT NULL,
	more    INTEGER NOT NULL      -- refusals before this one that were only counted
);

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
`

const schemaVersion = 1

// OpenBook opens the book in dir, which holds the authority too.
func OpenBook(dir string, a *ca.Authority) (*Book, error) {
	file := filepath.Join(dir, "enrol.db")
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(1)"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(4)
	b := &Book{db: db, authority: a, now: time.Now}
	if err := b.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), db.Close())
	}
	return b, nil
}

func (b *Book) prepare() error {
	return b.change(context.Background(), func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		switch {
		case version > schemaVersion:
			return fmt.Errorf("version %d is newer than this program, which knows %d", version, schemaVersion)
		case version == schemaVersion:
			return nil
		}
		_, err := tx.Exec(schema)
		return err
	})
}

// Close closes the book.
func (b *Book) Close() error { return b.db.Close() }

// change runs do in a transaction, which is on the disk when it returns nil.
func (b *Book) change(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := b.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// SetMeta keeps a fact about the centre that the command line needs.
func (b *Book) SetMeta(ctx context.Context, name, value string) error {
	_, err := b.db.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

// Meta reads what SetMeta kept; "" for nothing.
func (b *Book) Meta(ctx context.Context, name string) (value string, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = ?`, name).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return value, nil
}

// MetaURL is where devices reach the enrolment.
const MetaURL = "enrol_url"

func when(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func whenSet(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := when(ms)
	return &t
}
