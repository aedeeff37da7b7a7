package store

import (
	"context"
	"database/sql"
)

// pool is connections to the database, for everything but Commit. Its methods
// are those of sql.DB; queries are written as dialect says.
type pool struct {
	db *sql.DB
	d  dialect
}

func (p *pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return p.db.QueryContext(ctx, p.d.query(query), p.d.args(args)...)
}

func (p *pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return p.db.QueryRowContext(ctx, p.d.query(query), p.d.args(args)...)
}

func (p *pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return p.db.ExecContext(ctx, p.d.query(query), p.d.args(args)...)
}

func (p *pool) BeginTx(ctx context.Context, opts *sql.TxOptions) (*poolTx, error) {
	tx, err := p.db.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	return &poolTx{tx, p.d}, nil
}

func (p *pool) Close() error {
	if p == nil {
		return nil
	}
	return p.db.Close()
}

// poolTx is a transaction of a pool. Its methods are those of sql.Tx.
type poolTx struct {
	tx *sql.Tx
	d  dialect
}

func (t *poolTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.tx.QueryContext(ctx, t.d.query(query), t.d.args(args)...)
}

func (t *poolTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(ctx, t.d.query(query), t.d.args(args)...)
}

func (t *poolTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.tx.ExecContext(ctx, t.d.query(query), t.d.args(args)...)
}

func (t *poolTx) Commit() error   { return t.tx.Commit() }
func (t *poolTx) Rollback() error { return t.tx.Rollback() }
