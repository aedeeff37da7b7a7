package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

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
// that another account has as well stays there: nobody can tell whose it is. What others
// who are under way write afterwards is taken out again, see lateName. Of SQLite
// all that is overwritten when it returns, or later where somebody reads at the moment,
// see WipeLog; PostgreSQL overwrites it when it uses the space again.
func (s *Store) EraseAccount(ctx context.Context, id, as string, erase func(ctx context.Context, tx Tx) error) error {
	late := lateName{id: id, as: as}
	err := s.edit.Within(ctx, func(tx sqlrows.Tables) (err error) {
		if late.names, err = forgetAccount(ctx, tx, id, as); err != nil {
			return err
		}
		return erase(ctx, tx) // the last: others may wait for the place in the access log
	})
	if err != nil {
		return fmt.Errorf("erase account: %w", err)
	}
	late.at = time.Now()
	s.lateMu.Lock()
	s.late = append(s.late, late)
	s.lateMu.Unlock()
	_ = s.forgetLate(ctx, late.at) // it stays due: the next try says what is wrong
	s.wipe.erased()
	_ = s.wipe.try(ctx, s.edit) // it stays due: the next try says what is wrong
	return nil
}

// lateName is an account that was erased: who had its names in memory at that moment,
// as the conductor of a rollout, may write them afterwards. They are taken out again
// right after the erasure, and by Prune until lateFor is over. This is kept in memory
// alone; of what another process erased, we know nothing.
type lateName struct {
	id, as string
	names  [2]string
	at     time.Time // of the erasure
}

// lateFor is longer than anybody is under way with a name.
const lateFor = 30 * time.Second

// forgetLate takes out what came late.
func (s *Store) forgetLate(ctx context.Context, now time.Time) error {
	s.lateMu.Lock()
	defer s.lateMu.Unlock()
	var due []lateName
	var failed error
	for _, l := range s.late {
		err := s.edit.Within(ctx, func(tx sqlrows.Tables) error { return forgetNames(ctx, tx, l.id, l.as, l.names) })
		if err != nil || now.Sub(l.at) < lateFor {
			due = append(due, l)
		}
		failed = errors.Join(failed, err)
	}
	s.late = due
	return failed
}

func forgetAccount(ctx context.Context, tx Tx, id, as string) (names [2]string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT name, full_name FROM account WHERE id = ?`, id).Scan(&names[0], &names[1])
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // of no row erase says what is wrong
		return names, err
	}
	return names, forgetNames(ctx, tx, id, as, names)
}

func forgetNames(ctx context.Context, tx Tx, id, as string, names [2]string) error {
	for _, shown := range names {
		if err := forgetName(ctx, tx, id, shown, as); err != nil {
			return err
		}
	}
	return nil
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
