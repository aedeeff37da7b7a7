package store

import (
	"context"
	"database/sql"
)

// conn is the one connection that Commit writes on. It belongs to Commit's
// goroutine. Parameters are written as dialect says.
type conn interface {
	// begin opens a transaction. A connection that is gone is made anew, and then
	// there may be another copy of the database behind it, also where begin fails.
	begin(ctx context.Context) (anew bool, err error)
	commit(ctx context.Context) error
	// rollback also puts the connection right again after a commit that failed.
	rollback(ctx context.Context) error

	// exec runs a statement in its order, at the latest when commit does, and so
	// does its error come.
	exec(ctx context.Context, query string, args ...any) error
	query(ctx context.Context, query string, args ...any) (rows, error)
	// addRecords inserts records, none of which is there.
	addRecords(ctx context.Context, rs []recordRow) error

	// doubled tells whether err is of addRecords and says that one is there.
	doubled(err error) bool
	// passing tells whether err came of another transaction at the same time, so
	// that the same again may succeed.
	passing(err error) bool

	close() error
}

// rows is what a query finds; those of sql.Rows and pgx.Rows in common.
type rows interface {
	Next() bool
	Scan(to ...any) error
	Err() error
	Close()
}

// recordRow is a row of the table record.
type recordRow struct {
	lane, seq, at int64
	kind          string
	line          []byte
}

// row is the only row of a query.
type row struct {
	rows rows
	err  error
}

// Scan reads it, as sql.Row does; without one it is sql.ErrNoRows.
func (r row) Scan(to ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := r.rows.Scan(to...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
