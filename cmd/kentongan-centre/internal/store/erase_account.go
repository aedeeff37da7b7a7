package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// besides are the columns that say who did something by the name that pages show. The
// orders' signed text, and what devices recorded of it, are not ours to change.
var besides = []struct{ table, column string }{
	{"complaint_status", "who"},
	{"complaint_agency", "who"},
	{"shelf", "who"},
	{"orders", "who"},
	{"picture", "erased_by"},
	{"rollout", "who"},
	{"rollout", "why_who"},
}

// EraseAccount erases an account: erase takes it out of the tables of the room access
// in this transaction, and as takes the place of its names beside what it did. A name
// that another account has as well stays there: nobody can tell whose it is. Of SQLite
// all that is overwritten when it returns, or later where somebody reads at the moment,
// see WipeLog; PostgreSQL overwrites it when it uses the space again.
func (s *View) EraseAccount(ctx context.Context, id, as string, erase func(ctx context.Context, tx Tx) error) error {
	err := s.edit.Within(ctx, func(tx sqlrows.Tables) error { return forgetAccount(ctx, tx, id, as, erase) })
	if err != nil {
		return fmt.Errorf("erase account: %w", err)
	}
	s.wipe.erased()
	_ = s.wipe.try(ctx, s.edit) // it stays due: the next try says what is wrong
	return nil
}

func forgetAccount(ctx context.Context, tx Tx, id, as string, erase func(ctx context.Context, tx Tx) error) error {
	var name, full string
	err := tx.QueryRowContext(ctx, `SELECT name, full_name FROM account WHERE id = ?`, id).Scan(&name, &full)
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // of no row erase says what is wrong
		return err
	}
	for _, shown := range []string{name, full} {
		if err := forgetName(ctx, tx, id, shown, as); err != nil {
			return err
		}
	}
	return erase(ctx, tx) // the last: others may wait for the place in the access log
}

func forgetName(ctx context.Context, tx Tx, id, shown, as string) error {
	if shown == "" {
		return nil
	}
	for _, b := range besides {
		_, err := tx.ExecContext(ctx, `UPDATE `+b.table+` SET `+b.column+` = ?1 WHERE `+b.column+` = ?2
			AND NOT EXISTS (SELECT 1 FROM account o WHERE o.id <> ?3 AND (o.name = ?2 OR o.full_name = ?2))`, as, shown, id)
		if err != nil {
			return fmt.Errorf("take the name out of %s: %w", b.table, err)
		}
	}
	return nil
}
