package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/jackc/pgx/v5/stdlib"
)

// OpenRead opens the SQLite database FILE for reading alone, also while a centre
// runs on it, or a copy of it that stands somewhere else. Close it with the
// function that comes with it.
func OpenRead(file string) (*View, func() error, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("open database %s: there is none", file)
	case err != nil:
		return nil, nil, fmt.Errorf("open database: %w", err)
	case info.IsDir():
		return nil, nil, fmt.Errorf("open database %s: that is a directory, not a database", file)
	}
	db, err := openSQLite(file, "query_only(1)", "cache_size(-16000)")
	if err != nil {
		return nil, nil, err
	}
	return readOnly(newPool(db, sqlite), "PRAGMA user_version", file)
}

// OpenReadPostgres is OpenRead of a PostgreSQL database, with the URL and the
// password of OpenPostgres.
func OpenReadPostgres(url, password string) (*View, func() error, error) {
	cfg, err := parsePostgres(url, password)
	if err != nil {
		return nil, nil, err
	}
	cfg.RuntimeParams["default_transaction_read_only"] = "on"
	return readOnly(newPool(stdlib.OpenDB(*cfg), postgres), "SELECT version FROM schema_version", postgresName(cfg))
}

// readOnly is a view of a database that this program understands.
func readOnly(p *pool, version, name string) (*View, func() error, error) {
	var v int
	err := p.QueryRowContext(context.Background(), version).Scan(&v)
	switch {
	case err != nil:
		err = fmt.Errorf("open database %s: %w", name, err)
	case v != len(migrations):
		err = fmt.Errorf("open database %s: its schema has version %d and this program reads %d; use the kentongan-centre that wrote it, or let this one run on a copy once", name, v, len(migrations))
	}
	if err != nil {
		return nil, nil, errors.Join(err, p.Close())
	}
	return &View{read: p, edit: p, scope: Everything()}, p.Close, nil
}
