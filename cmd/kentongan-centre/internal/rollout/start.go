package rollout

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Spec is what somebody wants to be rolled out; Default is where one begins.
type Spec struct {
	URL     string
	Number  uint64
	Scope   string // store.RolloutAll, …
	Agency  string
	Found   string   // part of an id or a site's name
	Devices []string // of the scope list
	Stages  []int    // per cent, cumulative
	Hours   string
	AnyTime bool // no hours, at once; else empty Hours are the default
	AnyHour bool // also outside the devices' own hours
	Soak    time.Duration
	Wait    time.Duration
	Share   int // per cent of a stage
	Count   int
	AtOnce  int
	Reason  string
}

// Default is what a rollout is like when nothing is said.
func Default() Spec {
	return Spec{
		Scope: store.RolloutAll, Stages: []int{1, 10, 100}, Hours: "01:00-04:00", Soak: 12 * time.Hour, Wait: 72 * time.Hour, Share: 5, Count: 10, AtOnce: 200,
	}
}

// Bounds of a Spec.
const (
	maxStages  = 10
	maxSoak    = 30 * 24 * time.Hour
	maxAtOnce  = 5000
	maxFailing = 100_000
)

func (s Spec) check() error {
	bad := func(field string, value any, want string) error {
		return &store.InputError{Field: field, Value: fmt.Sprint(value), Want: want}
	}
	switch {
	case !orders.ReleaseAddress(s.URL):
		return bad("url", s.URL, "https://HOST/PATH of the release, without a name or password in it")
	case s.Number == 0 || s.Number > 1<<62:
		return bad("number", s.Number, "the number of the release; bundle inspect says it")
	case s.Reason == "":
		return bad("reason", "", "why")
	case s.Soak < 0 || s.Soak > maxSoak:
		return bad("soak", s.Soak, "0h to 720h")
	case s.Wait < 0 || s.Wait > maxSoak:
		return bad("wait", s.Wait, "0h to 720h")
	case s.Share < 0 || s.Share > 100:
		return bad("max_failed_percent", s.Share, "0 to 100")
	case s.Count < 0 || s.Count > maxFailing:
		return bad("max_failed", s.Count, "0 to 100000")
	case s.AtOnce < 1 || s.AtOnce > maxAtOnce:
		return bad("at_once", s.AtOnce, "1 to 5000")
	}
	if n := len(s.Stages); n == 0 || n > maxStages || s.Stages[n-1] != 100 || !rises(s.Stages) {
		return bad("stages", strings.Trim(fmt.Sprint(s.Stages), "[]"), "per cent that rise to 100, as 1,10,100")
	}
	if _, err := parseHours(s.Hours); err != nil {
		return bad("hours", s.Hours, "01:00-04:00, 30 minutes or more")
	}
	return nil
}

func rises(list []int) bool {
	before := 0
	for _, n := range list {
		if n <= before {
			return false
		}
		before = n
	}
	return true
}

// ParseStages reads 1,10,100.
func ParseStages(s string) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(part), "%")))
		if err != nil {
			return nil, &store.InputError{Field: "stages", Value: s, Want: "per cent that rise to 100, as 1,10,100"}
		}
		out = append(out, n)
	}
	return out, nil
}

// maxWho and maxReason are those of orders, which carry them.
const (
	maxWho    = orders.MaxWho
	maxReason = orders.MaxReason - 40
)

func words(s string, most int) string {
	return report.Clip(strings.Join(strings.Fields(s), " "), most)
}

// Start begins a rollout for devices of the view. What can't be done is a
// store.InputError, or a store.BusyError.
func (c *Conductor) Start(ctx context.Context, v *store.View, s Spec, who string) (store.Rollout, error) {
	var r store.Rollout
	s.Reason, who = words(s.Reason, maxReason), words(who, maxWho)
	if s.AnyTime {
		s.Hours = ""
	}
	if who == "" {
		return r, orders.ErrWho
	}
	if err := s.check(); err != nil {
		return r, err
	}
	r = store.Rollout{
		Agency: v.Scope().Agency(), Scope: s.Scope, URL: s.URL, Number: s.Number, Hours: s.Hours, AnyHour: s.AnyHour, Soak: s.Soak, Wait: s.Wait,
		Share: s.Share, Count: s.Count, AtOnce: s.AtOnce, Who: who, Reason: s.Reason, Created: c.cfg.Now().UTC().Truncate(time.Millisecond),
	}
	if r.Agency != "" && r.Scope == store.RolloutAll {
		r.Scope, s.Agency = store.RolloutAgency, r.Agency
	}
	list, err := candidates(ctx, v, &r, s)
	if err != nil {
		return r, err
	}
	devices, err := choose(&r, list, s.Stages)
	if err != nil {
		return r, err
	}
	r, err = c.cfg.Store.AddRollout(ctx, r, devices)
	if err != nil {
		return r, err
	}
	c.cfg.Log.Info("rollout started", "rollout", r.ID, "number", r.Number, "devices", len(devices), "stages", r.Stages, "who", who, "reason", r.Reason)
	c.poke()
	return r, nil
}

// candidates are the devices that it is for.
func candidates(ctx context.Context, v *store.View, r *store.Rollout, s Spec) ([]store.Candidate, error) {
	switch s.Scope {
	case store.RolloutAgency, store.RolloutAll:
		if s.Scope == store.RolloutAgency && !store.ValidAgency(s.Agency) {
			return nil, &store.InputError{Field: "agency", Value: s.Agency, Want: "the id of an agency"}
		}
		if r.Scope == store.RolloutAgency {
			r.ScopeOf = s.Agency
		}
		return v.Candidates(ctx, r.ScopeOf, "")
	case store.RolloutFound:
		if r.ScopeOf = words(s.Found, 80); r.ScopeOf == "" {
			return nil, &store.InputError{Field: "found", Value: "", Want: "a part of the devices' ids or of their sites' names"}
		}
		return v.Candidates(ctx, "", r.ScopeOf)
	case store.RolloutList:
		all, err := v.Candidates(ctx, "", "")
		if err != nil {
			return nil, err
		}
		return listed(all, s.Devices)
	}
	return nil, &store.InputError{Field: "scope", Value: s.Scope, Want: "all, agency, found or list"}
}

// listed are the devices that were named, each of which has to be there.
func listed(all []store.Candidate, devices []string) ([]store.Candidate, error) {
	by := make(map[string]store.Candidate, len(all))
	for _, c := range all {
		by[c.Device] = c
	}
	var out []store.Candidate
	named := make(map[string]bool, len(devices))
	for _, id := range devices {
		c, ok := by[id]
		switch {
		case !ok:
			return nil, &store.InputError{Field: "devices", Value: id, Want: "ids of devices that are known here"}
		case !c.Managed:
			return nil, &store.InputError{Field: "devices", Value: id, Want: "devices that have an update directory; this one says nothing of its versions"}
		case !named[id]:
			named[id] = true
			out = append(out, c)
		}
	}
	return out, nil
}

// choose puts the devices into stages.
func choose(r *store.Rollout, list []store.Candidate, percent []int) ([]store.RolloutDevice, error) {
	var due []store.Candidate
	var rows []store.RolloutDevice
	for _, c := range list {
		switch {
		case !c.Managed:
			r.LeftOut++
		case runs(c.Runs, c.Trial, r.Number):
			rows = append(rows, store.RolloutDevice{Device: c.Device, State: store.DeviceAlready})
		default:
			due = append(due, c)
		}
	}
	if len(due) == 0 {
		return nil, &store.InputError{Field: "devices", Value: fmt.Sprintf("%d devices", len(list)), Want: fmt.Sprintf("at least one that can be updated and does not run release %d or a newer one already; %d say nothing of their versions", r.Number, r.LeftOut)}
	}
	stage := stageOf(len(due), percent)
	r.Stages = stagesOf(percent, stage)
	for i, c := range spread(due, r.Number) {
		rows = append(rows, store.RolloutDevice{Device: c.Device, State: store.DeviceWaiting, Stage: stage[i], Place: i + 1})
	}
	return rows, nil
}

// owned finds a rollout that the view's people may steer: their own agency's, or
// any for the province's.
func owned(ctx context.Context, v *store.View, id int64) (store.Rollout, error) {
	r, err := v.Rollout(ctx, id)
	if err == nil && !May(v.Scope(), r) {
		return r, store.ErrNoRollout
	}
	return r, err
}

// May tells whether people of a scope may steer a rollout.
func May(s store.Scope, r store.Rollout) bool {
	return s.All() || s.Agency() != "" && s.Agency() == r.Agency
}

// The things that people do to a rollout.
const (
	Pause  = "pause"
	Resume = "resume"
	Cancel = "cancel"
)

// Steer pauses, resumes or cancels a rollout. store.ErrNotNow: it is not in a state
// for that.
func (c *Conductor) Steer(ctx context.Context, v *store.View, id int64, what, who, reason string) (store.Rollout, error) {
	r, err := owned(ctx, v, id)
	if err != nil {
		return r, err
	}
	by := store.By{Who: words(who, maxWho), Text: words(reason, maxReason), At: c.cfg.Now()}
	if by.Who == "" {
		return r, orders.ErrWho
	}
	do, known := map[string]func(context.Context, store.Rollout, store.By) error{
		Pause: c.cfg.Store.PauseRollout, Resume: c.cfg.Store.ResumeRollout, Cancel: c.cfg.Store.CancelRollout,
	}[what]
	if !known {
		return r, fmt.Errorf("no such thing to do with a rollout: %q", what)
	}
	if err := do(ctx, r, by); err != nil {
		return r, err
	}
	c.cfg.Log.Info("rollout steered", "rollout", r.ID, "what", what, "who", by.Who, "reason", by.Text)
	c.poke()
	return v.Rollout(ctx, id)
}
