package store

import (
	"database/sql"
	"errors"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver without C, as the device would need it
)

// sqlite is a table in WAL mode with synchronous=FULL, the mode in which a
// commit survives a power cut.
type sqlite struct {
	db  *sql.DB
	add *sql.Stmt
}

func openSQLite(dir string) (Store, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "records.db")+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	s := &sqlite{db: db}
	if _, err = db.Exec("create table if not exists records (seq integer primary key, line blob not null)"); err == nil {
		s.add, err = db.Prepare("insert into records (line) values (?)")
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s *sqlite) Write(recs []Record, atATime int) error {
	return chunks(recs, atATime, func(group []Record) error {
		if len(group) == 1 {
			_, err := s.add.Exec(group[0].Line)
			return err
		}
		tx, err := s.db.Begin()
		if err != nil {
			return err
		}
		add := tx.Stmt(s.add)
		for _, r := range group {
			if _, err := add.Exec(r.Line); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		return tx.Commit()
	})
}

func (s *sqlite) Read(limit int) ([][]byte, error) {
	rows, err := s.db.Query("select line from records order by seq limit ?", limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]byte
	for rows.Next() {
		var line []byte
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		out = append(out, line)
	}
	return out, rows.Err()
}

func (s *sqlite) Close() error { return errors.Join(s.add.Close(), s.db.Close()) }
