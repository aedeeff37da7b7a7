package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// States of a rollout.
const (
	RolloutRunning   = "running"
	RolloutPaused    = "paused" // by hand
	RolloutHalted    = "halted" // by itself: too many failures
	RolloutCancelled = "cancelled"
	RolloutDone      = "done"
)

// Whom a rollout is for.
const (
	RolloutAll    = "all"    // every device
	RolloutAgency = "agency" // those of one
	RolloutFound  = "found"  // those whose id or site contains a text
	RolloutList   = "list"   // those that were named
)

// States of a device in a rollout.
const (
	DeviceWaiting   = "waiting"   // no order is on its way
	DeviceOrdered   = "ordered"   // the device has not answered yet
	DeviceFetching  = "fetching"  // it has the order
	DeviceFetched   = "fetched"   // it has the release, and is about to start it
	DeviceTrying    = "trying"    // the release runs, on trial
	DeviceCommitted = "committed" // it is proven
	DeviceAlready   = "already"   // it ran there before the rollout came to it
	DeviceWentBack  = "went-back" // the version before runs again
	DeviceRefused   = "refused"   // the device says why
	DeviceFailed    = "failed"    // it was not brought, several times
	DeviceLost      = "lost"      // not heard of since it has the release
	DeviceMissed    = "missed"    // it was not reached before the end
	DeviceStopped   = "stopped"   // the rollout was cancelled, or the device went to another agency, before its turn
)

// Rollout is a release for many devices.
type Rollout struct {
	ID      int64         `json:"id"`
	Agency  string        `json:"agency,omitempty"` // of who started it
	Scope   string        `json:"scope"`
	ScopeOf string        `json:"scope_of,omitempty"`
	URL     string        `json:"url"`
	Number  uint64        `json:"number"`
	Stages  []int         `json:"stages_percent"` // cumulative; the last is 100
	Hours   string        `json:"hours,omitempty"`
	AnyHour bool          `json:"any_hour,omitempty"`
	Soak    time.Duration `json:"-"`
	Wait    time.Duration `json:"-"`
	Share   int           `json:"max_failed_percent"`
	Count   int           `json:"max_failed"`
	AtOnce  int           `json:"at_once"`
	Who     string        `json:"who"`
	Reason  string        `json:"reason"`
	LeftOut int           `json:"left_out"`

	State   string     `json:"state"`
	Why     string     `json:"why,omitempty"`
	WhyText string     `json:"why_text,omitempty"`
	WhyWho  string     `json:"why_who,omitempty"`
	Stage   int        `json:"stage"`
	StageAt time.Time  `json:"stage_since"`
	WellAt  *time.Time `json:"well_since,omitempty"`
	Created time.Time  `json:"created"`
	Changed time.Time  `json:"changed"`
}

// RolloutDevice is a device in a rollout, with what is known of it now.
type RolloutDevice struct {
	Device  string     `json:"device"`
	Stage   int        `json:"stage"`
	Place   int        `json:"-"`
	State   string     `json:"state"`
	Code    string     `json:"code,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	OrderID string     `json:"order,omitempty"`
	Ordered *time.Time `json:"ordered,omitempty"`
	Expires *time.Time `json:"-"`
	Tries   int        `json:"tries"`
	Changed time.Time  `json:"changed"`
	Counted bool       `json:"counted"`

	Online bool   `json:"online"`
	Since  int64  `json:"-"` // of that, Unix ms
	Site   string `json:"site,omitempty"`
	Agency string `json:"agency,omitempty"`
	Runs   uint64 `json:"runs,omitempty"` // the release that it said at its newest connection
	Trial  string `json:"-"`
	RunsAt int64  `json:"-"` // when it said so

	Step, StepCode, StepDetail string `json:"-"` // the newest event of it about the release
	StepAt                     int64  `json:"-"`
	Bare                       string `json:"-"` // and about one without a number
	BareCode, BareDetail       string `json:"-"`
	BareAt                     int64  `json:"-"`
	OrderState                 string `json:"-"`
	OrderReason, OrderDetail   string `json:"-"`
}

// Candidate is a device that a rollout may be for.
type Candidate struct {
	Device, Site, Agency string
	Managed              bool // it says which release it runs
	Runs                 uint64
	Trial                string
}

// Errors of rollouts.
var (
	ErrNoRollout = errors.New("no such rollout")
	ErrNotNow    = errors.New("the rollout is not in a state in which that can be done")
)

// BusyError is a device that is in another rollout.
type BusyError struct {
	Device  string
	Rollout int64
	More    int // further ones
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("device %s and %d others are in rollout %d or another one that is not over; wait for it, cancel it, or leave them out", e.Device, e.More, e.Rollout)
}

// addRolloutsAtOnce is how many rows one INSERT holds.
const addRolloutsAtOnce = 50

// AddRollout keeps a new rollout with its devices, all or nothing, and gives it a
// number. A device that is in another one is a BusyError.
func (s *Store) AddRollout(ctx context.Context, r Rollout, devices []RolloutDevice) (Rollout, error) {
	fail := func(err error) (Rollout, error) { return r, fmt.Errorf("add rollout: %w", err) }
	tx, err := s.edit.BeginTx(ctx, nil)
	if err != nil {
		return fail(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	taken, err := takenDevices(ctx, tx)
	if err != nil {
		return fail(err)
	}
	var busy *BusyError
	for _, d := range devices {
		if in, ok := taken[d.Device]; ok && d.State == DeviceWaiting {
			if busy == nil {
				busy = &BusyError{Device: d.Device, Rollout: in, More: -1}
			}
			busy.More++
		}
	}
	if busy != nil {
		return r, busy
	}
	at := r.Created.UnixMilli()
	err = tx.QueryRowContext(ctx, `INSERT INTO rollout (agency, scope, scope_of, url, number, stages, hours, anyhour, soak_ms, wait_ms, share, failures, at_once, who, reason, left_out,
			state, why, why_text, why_who, stage, stage_at, well_at, created_at, changed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '', 1, ?, 0, ?, ?) RETURNING id`,
		r.Agency, r.Scope, r.ScopeOf, r.URL, int64(r.Number), joinStages(r.Stages), r.Hours, flag(r.AnyHour), r.Soak.Milliseconds(), r.Wait.Milliseconds(), r.Share, r.Count, r.AtOnce, r.Who, r.Reason, r.LeftOut,
		RolloutRunning, at, at, at).Scan(&r.ID)
	if err != nil {
		return fail(err)
	}
	for len(devices) > 0 {
		n := min(len(devices), addRolloutsAtOnce)
		var args []any
		for _, d := range devices[:n] {
			args = append(args, r.ID, d.Device, d.Stage, d.Place, d.State, at, flag(d.State == DeviceWaiting))
		}
		rows := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, '', '', '', 0, 0, 0, ?, 1, ?),", n), ",")
		if _, err := tx.ExecContext(ctx, `INSERT INTO rollout_device (rollout, device, stage, place, state, code, detail, order_id, ordered_at, expires_at, tries, changed_at, counted, live) VALUES `+rows, args...); err != nil {
			return fail(err)
		}
		devices = devices[n:]
	}
	if err := tx.Commit(); err != nil {
		return fail(err)
	}
	r.State, r.Stage, r.StageAt, r.Changed = RolloutRunning, 1, r.Created, r.Created
	return r, nil
}

func takenDevices(ctx context.Context, tx *poolTx) (map[string]int64, error) {
	rows, err := tx.QueryContext(ctx, `SELECT device, rollout FROM rollout_device WHERE live = 1`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	taken := map[string]int64{}
	for rows.Next() {
		var device string
		var id int64
		if err := rows.Scan(&device, &id); err != nil {
			return nil, err
		}
		taken[device] = id
	}
	return taken, rows.Err()
}

// AddRolloutOrder is AddOrder for a device of a rollout whose turn it is. The
// order and the word that it was given are one transaction, so that a centre that
// ends in between neither forgets it nor gives it again. ErrNotNow is a device
// whose turn it is not (any more).
func (s *Store) AddRolloutOrder(ctx context.Context, rollout int64, o Order, sign func(counter uint64) ([]byte, error)) (Order, error) {
	return s.addOrder(ctx, o, sign, func(tx *poolTx) error {
		return one(tx.ExecContext(ctx, `UPDATE rollout_device SET state = 'ordered', code = '', detail = '', order_id = ?1, ordered_at = ?2, expires_at = ?3, tries = tries + 1, changed_at = ?2
			WHERE rollout = ?4 AND device = ?5 AND state = 'waiting' AND live = 1 AND EXISTS (SELECT 1 FROM rollout r WHERE r.id = ?4 AND r.state = 'running')`,
			o.ID, o.Asked.UnixMilli(), o.Expires.UnixMilli(), rollout, o.Device))
	})
}

// one is ErrNotNow where a statement did not change its row.
func one(res sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(ErrNotNow, err)
	}
	return nil
}

// over are the states of a device to which nothing happens any more.
const over = `('committed', 'already', 'went-back', 'refused', 'failed', 'lost', 'missed', 'stopped')`

// MoveRolloutDevice says where a device stands now; from is where it stood, and
// when it is not there any more nothing happens. free lets other rollouts have it.
func (s *Store) MoveRolloutDevice(ctx context.Context, rollout int64, from string, d RolloutDevice, free bool) error {
	return s.change(ctx, "move device "+d.Device+" of a rollout", `UPDATE rollout_device SET state = ?, code = ?, detail = ?, tries = ?, stage = ?, changed_at = ?, live = CASE WHEN CAST(? AS BIGINT) = 1 THEN 0 ELSE live END
		WHERE rollout = ? AND device = ? AND state = ?`, d.State, d.Code, d.Detail, d.Tries, d.Stage, d.Changed.UnixMilli(), flag(free), rollout, d.Device, from)
}

// WellSince says since when a stage has been complete and well; nil: it is not.
func (s *Store) WellSince(ctx context.Context, r Rollout, at *time.Time) error {
	var ms int64
	if at != nil {
		ms = at.UnixMilli()
	}
	return s.change(ctx, "note how a stage is", `UPDATE rollout SET well_at = ? WHERE id = ? AND stage = ? AND state = 'running'`, ms, r.ID, r.Stage)
}

// NextStage goes on from the stage that r is in.
func (s *Store) NextStage(ctx context.Context, r Rollout, now time.Time) error {
	return s.change(ctx, "go on to the next stage", `UPDATE rollout SET stage = stage + 1, stage_at = ?, well_at = 0 WHERE id = ? AND stage = ? AND state = 'running'`, now.UnixMilli(), r.ID, r.Stage)
}

// EndRollout is the end of one that runs: who was not reached is missed.
func (s *Store) EndRollout(ctx context.Context, r Rollout, now time.Time) error {
	return s.turn(ctx, r, turn{from: []string{RolloutRunning}, to: RolloutDone, at: now, left: DeviceMissed})
}

// HaltRollout stops one that runs: why, and the figures.
func (s *Store) HaltRollout(ctx context.Context, r Rollout, why, figures string, now time.Time) error {
	return s.turn(ctx, r, turn{from: []string{RolloutRunning}, to: RolloutHalted, why: why, text: figures, at: now})
}

// By is what a person does to a rollout, and why.
type By struct {
	Who, Text string
	At        time.Time
}

// PauseRollout stops one that runs.
func (s *Store) PauseRollout(ctx context.Context, r Rollout, by By) error {
	return s.turn(ctx, r, turn{from: []string{RolloutRunning}, to: RolloutPaused, why: "hand", text: by.Text, who: by.Who, at: by.At})
}

// ResumeRollout lets one go on that was paused or halted itself. The failures so
// far were looked at and don't count again.
func (s *Store) ResumeRollout(ctx context.Context, r Rollout, by By) error {
	return s.turn(ctx, r, turn{from: []string{RolloutPaused, RolloutHalted}, to: RolloutRunning, why: "hand", text: by.Text, who: by.Who, at: by.At, forgive: true})
}

// CancelRollout ends one for good. What is under way on devices goes on to its
// end, and until then no other rollout has them.
func (s *Store) CancelRollout(ctx context.Context, r Rollout, by By) error {
	return s.turn(ctx, r, turn{from: []string{RolloutRunning, RolloutPaused, RolloutHalted}, to: RolloutCancelled, why: "hand", text: by.Text, who: by.Who, at: by.At, left: DeviceStopped})
}

// turn is a change of a rollout's state.
type turn struct {
	from           []string
	to             string
	why, text, who string
	at             time.Time
	left           string // state of devices that wait; "" = they go on waiting
	forgive        bool
}

func (s *Store) turn(ctx context.Context, r Rollout, t turn) error {
	fail := func(err error) error { return fmt.Errorf("rollout %d: %s: %w", r.ID, t.to, err) }
	tx, err := s.edit.BeginTx(ctx, nil)
	if err != nil {
		return fail(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back
	at := t.at.UnixMilli()
	err = one(tx.ExecContext(ctx, `UPDATE rollout SET state = ?1, why = ?2, why_text = ?3, why_who = ?4, changed_at = ?5, well_at = 0 WHERE id = ?6 AND `+s.d.oneOf("state", "?7"), t.to, t.why, t.text, t.who, at, r.ID, names(t.from)))
	if err != nil {
		return fail(err)
	}
	if t.to != RolloutRunning {
		// Orders that devices have not answered are sent no more. An answer to one
		// that was sent still counts.
		_, err = tx.ExecContext(ctx, `UPDATE orders SET state = 'unanswered' WHERE state = 'open' AND id IN (SELECT order_id FROM rollout_device WHERE rollout = ? AND state = 'ordered')`, r.ID)
	}
	if err == nil && t.left != "" {
		_, err = tx.ExecContext(ctx, `UPDATE rollout_device SET state = ?, live = 0, changed_at = ? WHERE rollout = ? AND state = 'waiting'`, t.left, at, r.ID)
	}
	if err == nil && t.left != "" {
		_, err = tx.ExecContext(ctx, `UPDATE rollout_device SET live = 0 WHERE rollout = ? AND live = 1 AND state IN `+over, r.ID)
	}
	if err == nil && t.forgive {
		_, err = tx.ExecContext(ctx, `UPDATE rollout_device SET counted = 0 WHERE rollout = ? AND state IN ('went-back', 'refused', 'failed', 'lost')`, r.ID)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fail(err)
	}
	return nil
}
