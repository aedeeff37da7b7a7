package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

func joinStages(p []int) string {
	var all []string
	for _, n := range p {
		all = append(all, strconv.Itoa(n))
	}
	return strings.Join(all, ",")
}

func splitStages(s string) (p []int, err error) {
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("stages %q: %w", s, err)
		}
		p = append(p, n)
	}
	return p, nil
}

const rolloutColumns = `r.id, r.agency, r.scope, r.scope_of, r.url, r.number, r.stages, r.hours, r.anyhour, r.soak_ms, r.wait_ms, r.share, r.failures, r.at_once, r.who, r.reason, r.left_out,
	r.state, r.why, r.why_text, r.why_who, r.stage, r.stage_at, r.well_at, r.created_at, r.changed_at`

func scanRollout(rows *sql.Rows) (r Rollout, err error) {
	var number, anyhour, soak, wait, stageAt, well, created, changed int64
	var stages string
	err = rows.Scan(&r.ID, &r.Agency, &r.Scope, &r.ScopeOf, &r.URL, &number, &stages, &r.Hours, &anyhour, &soak, &wait, &r.Share, &r.Count, &r.AtOnce, &r.Who, &r.Reason, &r.LeftOut,
		&r.State, &r.Why, &r.WhyText, &r.WhyWho, &r.Stage, &stageAt, &well, &created, &changed)
	if err != nil {
		return r, err
	}
	r.Number, r.AnyHour = uint64(number), anyhour == 1
	r.Soak, r.Wait = time.Duration(soak)*time.Millisecond, time.Duration(wait)*time.Millisecond
	r.StageAt, r.WellAt, r.Created, r.Changed = when(stageAt), whenSet(well), when(created), when(changed)
	r.Stages, err = splitStages(stages)
	return r, err
}

// Rollouts lists those that concern the view, the newest first: those that its
// people started, and those with a device of its own.
func (s *View) Rollouts(ctx context.Context, limit int) ([]Rollout, error) {
	return sqlrows.Collect(ctx, s.read, "rollouts", scanRollout, `SELECT `+rolloutColumns+` FROM rollout r WHERE `+s.ownRollout()+` ORDER BY r.id DESC LIMIT ?`, limit)
}

// ownRollout is true, in SQL, of a rollout r that concerns the view.
func (s *View) ownRollout() string {
	switch {
	case s.scope.all:
		return "1 = 1"
	case s.scope.agency == "":
		return "1 = 0"
	}
	return `(r.agency = '` + s.scope.agency + `' OR r.id IN (SELECT x.rollout FROM rollout_device x WHERE ` + s.own("x.device") + `))`
}

// Rollout finds one of them.
func (s *View) Rollout(ctx context.Context, id int64) (Rollout, error) {
	list, err := sqlrows.Collect(ctx, s.read, "rollout", scanRollout, `SELECT `+rolloutColumns+` FROM rollout r WHERE r.id = ? AND `+s.ownRollout(), id)
	if err != nil {
		return Rollout{}, err
	}
	if len(list) == 0 {
		return Rollout{}, ErrNoRollout
	}
	return list[0], nil
}

// LiveRollouts lists those in which something can still happen.
func (s *Store) LiveRollouts(ctx context.Context) ([]Rollout, error) {
	return sqlrows.Collect(ctx, s.read, "rollouts", scanRollout, `SELECT `+rolloutColumns+` FROM rollout r
		WHERE r.state = 'running' OR r.id IN (SELECT x.rollout FROM rollout_device x WHERE x.live = 1) ORDER BY r.id`)
}

// RolloutSum is how many devices of a stage are in a state.
type RolloutSum struct {
	Stage  int    `json:"stage"`
	State  string `json:"state"`
	N      int    `json:"devices"`
	Counts int    `json:"counted"` // of the failed, those that count
}

// RolloutSums counts the devices of a rollout that the view sees.
func (s *View) RolloutSums(ctx context.Context, id int64) ([]RolloutSum, error) {
	return sqlrows.Collect(ctx, s.read, "devices of a rollout", func(r *sql.Rows) (v RolloutSum, err error) {
		return v, r.Scan(&v.Stage, &v.State, &v.N, &v.Counts)
	}, `SELECT x.stage, x.state, count(*), coalesce(sum(x.counted), 0) FROM rollout_device x WHERE x.rollout = ? AND `+s.own("x.device")+` GROUP BY x.stage, x.state ORDER BY x.stage, x.state`, id)
}

// RolloutDevices lists the devices of a rollout in their order of choice, those
// in one of the states, or all where there is none.
func (s *View) RolloutDevices(ctx context.Context, id int64, states []string, limit int) ([]RolloutDevice, error) {
	which := ""
	if len(states) > 0 {
		which = " AND " + s.read.d.oneOf("x.state", "?2")
	} else {
		which = " AND ?2 = ''"
	}
	var list any = names(states)
	if len(states) == 0 {
		list = ""
	}
	return sqlrows.Collect(ctx, s.read, "devices of a rollout", scanRolloutDevice, rolloutDevices+` WHERE x.rollout = ?1`+which+` AND `+s.own("x.device")+` ORDER BY x.stage, x.place LIMIT ?3`, id, list, limit)
}

// RolloutActive lists the devices of a rollout that have had their turn, or have
// it now.
func (s *Store) RolloutActive(ctx context.Context, r Rollout) ([]RolloutDevice, error) {
	return sqlrows.Collect(ctx, s.read, "devices of a rollout", scanRolloutDevice, rolloutDevices+` WHERE x.rollout = ? AND x.stage BETWEEN 1 AND ? ORDER BY x.stage, x.place`, r.ID, r.Stage)
}

// RolloutLater lists devices of later stages that the rollout may still order, those
// that are online first, in their order.
func (s *Store) RolloutLater(ctx context.Context, r Rollout, limit int) ([]RolloutDevice, error) {
	return sqlrows.Collect(ctx, s.read, "devices of a rollout", scanRolloutDevice, rolloutDevices+` WHERE x.rollout = ? AND x.stage > ? AND x.state = 'waiting' AND (r.agency = '' OR r.agency = g.agency)
		ORDER BY CASE WHEN d.state = 'online' THEN 0 ELSE 1 END, x.stage, x.place LIMIT ?`, r.ID, r.Stage, limit)
}

const rolloutDevices = `SELECT x.device, x.stage, x.place, x.state, x.code, x.detail, x.order_id, x.ordered_at, x.expires_at, x.tries, x.changed_at, x.counted,
		coalesce(d.state = 'online', false), coalesce(d.since_at, 0), coalesce(d.site, ''), coalesce(g.agency, ''), coalesce(f.number, 0), coalesce(f.trial, ''), coalesce(f.told_at, 0),
		coalesce(u.state, ''), coalesce(u.code, ''), coalesce(u.detail, ''), coalesce(u.told_at, 0),
		coalesce(b.state, ''), coalesce(b.code, ''), coalesce(b.detail, ''), coalesce(b.told_at, 0), coalesce(o.state, ''), coalesce(o.result, '')
	FROM rollout_device x JOIN rollout r ON r.id = x.rollout
		LEFT JOIN device d ON d.id = x.device
		LEFT JOIN device_agency g ON g.device = x.device
		LEFT JOIN device_firmware f ON f.device = x.device
		LEFT JOIN device_update u ON u.device = x.device AND u.number = r.number
		LEFT JOIN device_update b ON b.device = x.device AND b.number = 0
		LEFT JOIN orders o ON o.id = x.order_id`

func scanRolloutDevice(rows *sql.Rows) (d RolloutDevice, err error) {
	var ordered, expires, changed, counted, runs int64
	var result string
	err = rows.Scan(&d.Device, &d.Stage, &d.Place, &d.State, &d.Code, &d.Detail, &d.OrderID, &ordered, &expires, &d.Tries, &changed, &counted,
		&d.Online, &d.Since, &d.Site, &d.Agency, &runs, &d.Trial, &d.RunsAt,
		&d.Step, &d.StepCode, &d.StepDetail, &d.StepAt, &d.Bare, &d.BareCode, &d.BareDetail, &d.BareAt, &d.OrderState, &result)
	if err != nil {
		return d, err
	}
	d.Ordered, d.Expires, d.Changed, d.Counted, d.Runs = whenSet(ordered), whenSet(expires), when(changed), counted == 1, uint64(runs)
	if result == "" {
		return d, nil
	}
	c, err := readResult(result)
	if err == nil {
		d.OrderReason, d.OrderDetail = c.Reason, c.Detail
	}
	return d, err
}

// Candidates lists the devices of the view that a rollout may be for: all, of one
// agency, or those that contain a text.
func (s *View) Candidates(ctx context.Context, agency, query string) ([]Candidate, error) {
	where, args := s.fleet(FleetFilter{Agency: agency, Query: query})
	return sqlrows.Collect(ctx, s.read, "devices for a rollout", func(r *sql.Rows) (c Candidate, err error) {
		var runs int64
		err = r.Scan(&c.Device, &c.Site, &c.Agency, &c.Managed, &runs, &c.Trial)
		c.Runs = uint64(runs)
		return c, err
	}, `SELECT d.id, d.site, coalesce(g.agency, ''), CASE WHEN f.device IS NULL THEN 0 ELSE 1 END, coalesce(f.number, 0), coalesce(f.trial, '')
		FROM device d LEFT JOIN device_agency g ON g.device = d.id LEFT JOIN device_firmware f ON f.device = d.id WHERE `+where+` ORDER BY d.id`, args...)
}

// RolloutFigures counts rollouts by state, and the devices of those that are not
// over by how far they are.
func (s *View) RolloutFigures(ctx context.Context) (rollouts, devices map[string]int64, err error) {
	rollouts = map[string]int64{RolloutRunning: 0, RolloutPaused: 0, RolloutHalted: 0, RolloutCancelled: 0, RolloutDone: 0}
	devices = map[string]int64{"waiting": 0, "underway": 0, "proven": 0, "failed": 0}
	type row struct {
		name string
		n    int64
	}
	scan := func(r *sql.Rows) (v row, err error) { return v, r.Scan(&v.name, &v.n) }
	list, err := sqlrows.Collect(ctx, s.read, "rollouts", scan, `SELECT r.state, count(*) FROM rollout r WHERE `+s.ownRollout()+` GROUP BY r.state`)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range list {
		rollouts[v.name] = v.n
	}
	list, err = sqlrows.Collect(ctx, s.read, "devices of rollouts", scan, `SELECT x.state, count(*) FROM rollout_device x JOIN rollout r ON r.id = x.rollout
		WHERE r.state IN ('running', 'paused', 'halted') AND `+s.own("x.device")+` GROUP BY x.state`)
	for _, v := range list {
		devices[RolloutGroup(v.name)] += v.n
	}
	return rollouts, devices, err
}

// RolloutGroup is how far a state is: waiting, underway, proven, failed, or
// missed, which also those are that were stopped.
func RolloutGroup(state string) string {
	switch state {
	case DeviceWaiting:
		return "waiting"
	case DeviceOrdered, DeviceFetching, DeviceFetched, DeviceTrying:
		return "underway"
	case DeviceCommitted, DeviceAlready:
		return "proven"
	case DeviceMissed, DeviceStopped:
		return "missed"
	}
	return "failed"
}
