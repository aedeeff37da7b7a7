package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// databaseOptions say which database the centre keeps what it receives in.
type databaseOptions struct {
	url, passwordFile string
}

func (o *databaseOptions) flags(fs *flag.FlagSet) {
	fs.StringVar(&o.url, "database", "", "`url` of a PostgreSQL database to use instead of SQLite in --data: postgres://USER@HOST:PORT/NAME?sslmode=verify-full, or postgres:///NAME?host=/var/run/postgresql; no password in it")
	fs.StringVar(&o.passwordFile, "database-password-file", "", "`file` whose first line is the password for the database (else PGPASSWORD, PGPASSFILE or PGSERVICEFILE, as libpq has them)")
}

func (o *databaseOptions) check() error {
	if o.url == "" {
		if o.passwordFile != "" {
			return errors.New("--database-password-file is for --database, which is missing")
		}
		return nil
	}
	u, err := url.Parse(o.url)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("--database: write postgres://USER@HOST:PORT/NAME")
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		return errors.New("--database: no password in the URL, where other users of this machine can read it; use --database-password-file or PGPASSFILE")
	}
	return nil
}

// open opens the database that was asked for, of the centre whose data is in dir.
func (o *databaseOptions) open(dir string, log *slog.Logger) (*store.Store, error) {
	return o.with(dir, log, store.OpenPostgres)
}

// openBeside opens it for a tool that works beside a running centre.
func (o *databaseOptions) openBeside(dir string, log *slog.Logger) (*store.Store, error) {
	return o.with(dir, log, store.OpenPostgresBeside)
}

func (o *databaseOptions) with(dir string, log *slog.Logger, open func(url, password string, log *slog.Logger) (*store.Store, error)) (*store.Store, error) {
	if o.url == "" {
		return store.Open(dir, log)
	}
	password, err := firstLine(o.passwordFile)
	if err != nil {
		return nil, fmt.Errorf("--database-password-file: %w", err)
	}
	return open(o.url, password, log)
}

// openRoom opens a centre's database beside it, and the accounts and the access log in
// it. Whoever gets the store closes it.
func (o *databaseOptions) openRoom(e env, dir string) (*store.Store, *access.Room, error) {
	log := slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := o.openBeside(dir, log)
	if err != nil {
		return nil, nil, err
	}
	read, edit := st.Tables()
	room, err := access.New(access.Config{Read: read, Edit: edit, Log: log})
	if err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return st, room, nil
}
