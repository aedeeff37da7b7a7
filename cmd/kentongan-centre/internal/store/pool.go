package store

import (
	"context"
	"database/sql"

	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// spoken is a database or a transaction that is asked as its dialect wants it.
type spoken struct {
	r sqlrows.Tables
	d dialect
}

func (s spoken) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return s.r.QueryContext(ctx, s.d.query(query), s.d.args(args)...)
}

func (s spoken) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return s.r.QueryRowContext(ctx, s.d.query(query), s.d.args(args)...)
}

func (s spoken) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return s.r.ExecContext(ctx, s.d.query(query), s.d.args(args)...)
}

// pool is connections to the database, for everything but Commit. Its methods
// are those of sql.DB; queries are written as dialect says.
type pool struct {
	spoken
	db *sql.DB
}

func newPool(db *sql.DB, d dialect) *pool { return &pool{spoken{db, d}, db} }

func (p *pool) BeginTx(ctx context.Context, opts *sql.TxOptions) (*poolTx, error) {
	tx, err := p.db.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &poolTx{spoken{tx, p.d}, tx}, nil
}

// tries is how often a transaction is begun that others are in the way of.
const tries = 5

// Within runs do in a transaction, once more where another one was in its way.
func (p *pool) Within(ctx context.Context, do func(tx sqlrows.Tables) error) error {
	var err error
	for range tries {
		if err = p.within(ctx, do); !passing(err) {
			break
		}
	}
	return err
}

func (p *pool) within(ctx context.Context, do func(tx sqlrows.Tables) error) error {
	tx, err := p.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func (p *pool) Close() error {
	if p == nil {
		return nil
	}
	return p.db.Close()
}

// poolTx is a transaction of a pool. Its methods are those of sql.Tx.
type poolTx struct {
	spoken
	tx *sql.Tx
}

func (t *poolTx) Commit() error   { return t.tx.Commit() }
func (t *poolTx) Rollback() error { return t.tx.Rollback() }
