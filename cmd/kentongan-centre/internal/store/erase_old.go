package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Tx is a transaction, for a room whose queries are its own.
type Tx = sqlrows.Tables

// Age is how complaints are erased by their age.
type Age struct {
	Before time.Time     // of the last word on a complaint
	For    time.Duration // after which it stops, at the earliest after one; 0 does all
	// Note writes down that a complaint is erased: in the same transaction, so that
	// there is neither without the other.
	Note func(ctx context.Context, tx Tx, id int64) error
}

// isOver is a complaint c that its status t closes. Where a kiosk began to count
// anew, the status may be of somebody else's complaint with the same ticket: it
// closes none that came after it, and where more than one had come, nobody can tell
// which it closes. An empty ticket is of all that can't be read.
const isOver = `(t.state IN ('` + report.TicketDone + `', '` + report.TicketRejected + `', '` + report.TicketWithdrawn + `')
	AND t.ticket <> '' AND t.at_ms >= c.received_at AND NOT EXISTS (
		SELECT 1 FROM complaint o WHERE o.ticket = t.ticket AND o.device = t.device AND o.erased = '' AND o.id <> c.id AND o.received_at <= t.at_ms))`

// eraseAtOnce is how many complaints are looked up at a time. Each is erased in a
// transaction of its own: the ingest waits for one.
const eraseAtOnce = 1000

// leastRest is the least that others have the database after each erasure.
const leastRest = 20 * time.Millisecond

// rest leaves the database to others for as long as an erasure took: who waits for
// SQLite's lock stands in no queue, but asks now and then.
func rest(ctx context.Context, took time.Duration) {
	select {
	case <-time.After(max(took, leastRest)):
	case <-ctx.Done():
	}
}

// EraseOld erases complaints that are over and whose last word is older, as
// EraseComplaint does, and tells how many it erased, and how many that are as old
// stay because nobody has closed them, or nobody can tell, see isOver. One that can't
// be erased keeps no other from it, and is for the next time, as is what age.For left
// no time for. It may be called from any goroutine, and beside a command that erases.
// SQLite's log is due to be cut after it, see wiper.
func (s *Store) EraseOld(ctx context.Context, age Age) (erased, open int64, err error) {
	before, began := age.Before.UnixMilli(), time.Now()
pass:
	for last := int64(0); ; {
		ids, e := sqlrows.Collect(ctx, s.read, "old complaints", func(r *sql.Rows) (id int64, err error) { return id, r.Scan(&id) },
			`SELECT c.id FROM complaint_status t JOIN complaint c ON c.ticket = t.ticket AND c.device = t.device
				WHERE c.erased = '' AND c.id > ? AND t.at_ms < ? AND `+isOver+` ORDER BY c.id LIMIT ?`, last, before, eraseAtOnce)
		if e != nil {
			return erased, 0, errors.Join(err, e)
		}
		if len(ids) == 0 {
			break
		}
		for _, id := range ids {
			at := time.Now()
			_, e := s.eraseComplaint(ctx, id, &age)
			switch {
			case e == nil:
				erased++
			case ctx.Err() != nil:
				return erased, 0, ctx.Err()
			case !errors.Is(e, ErrNoComplaint) && err == nil: // else somebody was faster, or said a word
				err = fmt.Errorf("complaint %d: %w", id, e)
			}
			if age.For > 0 && time.Since(began) >= age.For {
				break pass
			}
			rest(ctx, time.Since(at))
		}
		last = ids[len(ids)-1]
	}
	e := s.read.QueryRowContext(ctx, `SELECT count(*) FROM complaint c LEFT JOIN complaint_status t ON t.device = c.device AND t.ticket = c.ticket
		WHERE c.erased = '' AND c.received_at < ? AND NOT coalesce(`+isOver+`, FALSE)`, before).Scan(&open)
	if e != nil {
		return erased, 0, errors.Join(err, fmt.Errorf("count open complaints: %w", e))
	}
	return erased, open, err
}

// stillOver tells whether nobody has said a word since the complaint was looked up;
// from here on nobody can, see holdTicket. Its own row names the ticket no more.
func (a *Age) stillOver(ctx context.Context, tx *poolTx, t *trace) error {
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM complaint_status t JOIN complaint c ON c.device = t.device WHERE c.id = ? AND t.device = ? AND t.ticket = ? AND t.at_ms < ? AND `+isOver,
		t.id, t.device, t.ticket, a.Before.UnixMilli()).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoComplaint // none of those that are asked for
	}
	if err != nil {
		return fmt.Errorf("see that it is over: %w", err)
	}
	return nil
}
