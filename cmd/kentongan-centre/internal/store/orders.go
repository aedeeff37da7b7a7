package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// States of an Order beyond those of report.CommandResult.
const (
	OrderOpen       = "open"       // no result yet
	OrderUnanswered = "unanswered" // it has expired; a late result still counts
)

// Order is what somebody here ordered a device to do.
type Order struct {
	ID      string                `json:"id"`
	Device  string                `json:"device"`
	Name    string                `json:"name"`
	Subject string                `json:"subject"` // stream or alarm
	Who     string                `json:"who"`
	Reason  string                `json:"reason,omitempty"`
	Counter uint64                `json:"counter"`
	Expires time.Time             `json:"expires"`
	Asked   time.Time             `json:"asked"`
	Sent    *time.Time            `json:"sent,omitempty"` // the newest time
	Sends   int                   `json:"sends"`
	State   string                `json:"state"`
	Result  *report.CommandResult `json:"result,omitempty"`
	Done    *time.Time            `json:"done,omitempty"`

	Note []byte `json:"-"` // signed
}

// maxOpenOrders is how many orders may wait for one device.
const maxOpenOrders = 100

// ErrTooManyOrders is a device for which too many orders wait already.
var ErrTooManyOrders = fmt.Errorf("%d orders wait for this device already", maxOpenOrders)

// AddOrder gives an order its counter, has it signed, and keeps it. The counter
// is the time in milliseconds, so that a database that was set back does not
// count what devices have seen.
func (s *Store) AddOrder(ctx context.Context, o Order, sign func(counter uint64) ([]byte, error)) (Order, error) {
	return s.addOrder(ctx, o, sign, nil)
}

// addOrder runs also, unless it is nil, in the same transaction.
func (s *Store) addOrder(ctx context.Context, o Order, sign func(counter uint64) ([]byte, error), also func(*poolTx) error) (Order, error) {
	tx, err := s.edit.BeginTx(ctx, nil)
	if err != nil {
		return o, fmt.Errorf("add order: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	var last int64
	var open int
	err = tx.QueryRowContext(ctx, `SELECT coalesce(max(counter), 0), (SELECT count(*) FROM orders WHERE device = ? AND state = 'open') FROM orders`, o.Device).Scan(&last, &open)
	if err != nil {
		return o, fmt.Errorf("add order: %w", err)
	}
	if open >= maxOpenOrders {
		return o, ErrTooManyOrders
	}
	o.Counter, o.State = uint64(max(last+1, o.Asked.UnixMilli())), OrderOpen
	if o.Note, err = sign(o.Counter); err != nil {
		return o, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO orders (id, device, name, subject, who, reason, counter, expires_at, note, asked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		o.ID, o.Device, o.Name, o.Subject, o.Who, o.Reason, int64(o.Counter), o.Expires.UnixMilli(), o.Note, o.Asked.UnixMilli())
	if err == nil && also != nil {
		err = also(tx)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return o, fmt.Errorf("add order: %w", err)
	}
	return o, nil
}

// OrderFilter says which orders; empty fields don't restrict.
type OrderFilter struct {
	Device, Name, Subject string
	Open                  bool
	Limit                 int
}

const orderColumns = `o.id, o.device, name, subject, who, reason, counter, expires_at, asked_at, sent_at, sends, o.state, result, done_at, note`

// Orders lists orders, the newest first.
func (s *View) Orders(ctx context.Context, f OrderFilter) ([]Order, error) {
	open := ""
	if f.Open {
		open = OrderOpen
	}
	return sqlrows.Collect(ctx, s.read, "orders", scanOrder, `SELECT `+orderColumns+` FROM orders o
		WHERE `+only(f.Device, "o.device", "?1")+` AND (?2 = '' OR name = ?2) AND (?3 = '' OR subject = ?3) AND (o.state = 'open' OR ?4 = '') AND `+s.own("o.device")+`
		ORDER BY asked_at DESC, o.id LIMIT ?5`, f.Device, f.Name, f.Subject, open, f.Limit)
}

func scanOrder(r *sql.Rows) (Order, error) {
	var o Order
	var counter, expires, asked, sent, done int64
	var result string
	err := r.Scan(&o.ID, &o.Device, &o.Name, &o.Subject, &o.Who, &o.Reason, &counter, &expires, &asked, &sent, &o.Sends, &o.State, &result, &done, &o.Note)
	if err != nil {
		return o, err
	}
	o.Counter, o.Expires, o.Asked, o.Sent, o.Done = uint64(counter), when(expires), when(asked), whenSet(sent), whenSet(done)
	if result != "" {
		o.Result, err = readResult(result)
	}
	return o, err
}

func readResult(doc string) (*report.CommandResult, error) {
	c := new(report.CommandResult)
	err := json.Unmarshal([]byte(doc), c)
	return c, err
}

// maxDue is how many orders are sent at a time.
const maxDue = 200

// DueOrders lists the open orders that should be sent now: those of devices that
// are online, at first at once, then after 3, 6, 12 … 60 s, and again when the
// device came online since.
func (s *Store) DueOrders(ctx context.Context, now time.Time) ([]Order, error) {
	return sqlrows.Collect(ctx, s.read, "due orders", scanOrder, `SELECT `+orderColumns+` FROM orders o JOIN device d ON d.id = o.device
		WHERE o.state = 'open' AND d.state = 'online' AND o.expires_at > ?1
			AND (o.sends = 0 OR d.since_at > o.sent_at OR o.sent_at + CASE WHEN o.sends > 5 THEN 60000 ELSE 3000 * (1 << CAST(o.sends - 1 AS INTEGER)) END <= ?1)
		ORDER BY o.counter LIMIT ?2`, now.UnixMilli(), maxDue)
}

// OrderSent notes that an order was published.
func (s *Store) OrderSent(ctx context.Context, id string, now time.Time) error {
	if _, err := s.edit.ExecContext(ctx, `UPDATE orders SET sent_at = ?, sends = sends + 1 WHERE id = ?`, now.UnixMilli(), id); err != nil {
		return fmt.Errorf("note that order %s was sent: %w", id, err)
	}
	return nil
}

// Upkeep ends what has had its time: orders that nobody answered, pictures whose
// pieces don't come, and pictures that are older than keep, whose bytes it erases
// as ErasePicture does. It tells whether anything changed.
func (s *Store) Upkeep(ctx context.Context, now time.Time, keep time.Duration) (changed bool, err error) {
	ms := now.UnixMilli()
	for _, do := range []struct {
		sql    string
		args   []any
		erases bool
	}{
		{`UPDATE orders SET state = 'unanswered' WHERE state = 'open' AND expires_at <= ?`, []any{ms}, false},
		{`UPDATE picture SET state = 'missing' WHERE state = 'waiting' AND changed_at <= ?`, []any{now.Add(-MissingAfter).UnixMilli()}, false},
		{`UPDATE picture SET state = 'expired', data = NULL, changed_at = ? WHERE state IN ('waiting', 'missing', 'whole', 'damaged') AND told_at <= ?`, []any{ms, now.Add(-keep).UnixMilli()}, true},
		{`DELETE FROM picture_piece WHERE at <= ?`, []any{now.Add(-keep).UnixMilli()}, true},
	} {
		res, err := s.edit.ExecContext(ctx, do.sql, do.args...)
		if err != nil {
			return changed, fmt.Errorf("end what had its time: %w", err)
		}
		if n, err := res.RowsAffected(); err == nil && n > 0 {
			changed = true
			if do.erases {
				s.wipe.erased()
			}
		}
	}
	return changed, s.wipe.try(ctx, s.edit)
}

// ErrNoPicture is a picture that is not here, or not any more.
var ErrNoPicture = errors.New("no such picture")
