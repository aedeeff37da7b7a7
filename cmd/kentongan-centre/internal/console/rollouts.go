package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/rollout"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Rollouts starts and steers them; *rollout.Conductor is one.
type Rollouts interface {
	Start(ctx context.Context, v *store.View, s rollout.Spec, who string) (store.Rollout, error)
	Steer(ctx context.Context, v *store.View, id int64, what, who, reason string) (store.Rollout, error)
}

const (
	maxRollouts       = 30  // on the page
	maxRolloutRows    = 200 // devices of a kind, on the page of one
	maxRolloutBody    = 1 << 20
	rolloutForm       = "POST /rollouts"
	maxRolloutDevices = 100_000
)

// stageRow is a stage in figures.
type stageRow struct {
	Stage, Percent, Devices                   int
	Proven, Underway, Waiting, Failed, Missed int
	State                                     string // done, now, later
}

// rolloutRow is a rollout with its figures, over what the viewer may see.
type rolloutRow struct {
	store.Rollout
	Devices, Had int // Had: it ran there before
	All          stageRow
	Stages       []stageRow
	Mine         bool // the viewer may steer it
}

// Tone is the colour of its state.
func (r rolloutRow) Tone() string {
	switch r.State {
	case store.RolloutHalted:
		return "bad"
	case store.RolloutPaused:
		return "warn"
	case store.RolloutDone:
		return "good"
	}
	return "idle"
}

// SoakHours and WaitHours are for people.
func (r rolloutRow) SoakHours() string { return hoursText(r.Soak) }

// WaitHours is how long offline devices are waited for.
func (r rolloutRow) WaitHours() string { return hoursText(r.Wait) }

func hoursText(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', -1, 64) }

// SoakEnds is when the stage has been well for long enough.
func (r rolloutRow) SoakEnds() *time.Time {
	if r.WellAt == nil || r.State != store.RolloutRunning {
		return nil
	}
	end := r.WellAt.Add(r.Soak)
	return &end
}

// CanPause, CanResume and CanCancel tell what can be done to it.
func (r rolloutRow) CanPause() bool { return r.Mine && r.State == store.RolloutRunning }

// CanResume is of one that stands.
func (r rolloutRow) CanResume() bool {
	return r.Mine && (r.State == store.RolloutPaused || r.State == store.RolloutHalted)
}

// CanCancel is of one that is not over.
func (r rolloutRow) CanCancel() bool { return r.CanPause() || r.CanResume() }

// For is what it is for, shown only to its own people: the text may name others' sites.
func (r rolloutRow) For() string {
	if r.Mine || r.Scope != store.RolloutFound {
		return r.ScopeOf
	}
	return ""
}

func (c *Console) rolloutRow(req *http.Request, r store.Rollout) (rolloutRow, error) {
	sums, err := c.view(req).RolloutSums(req.Context(), r.ID)
	row := rolloutRow{Rollout: r, Mine: may(req, access.Approver) && rollout.May(scopeOf(session(req)), r)}
	for i, p := range r.Stages {
		s := stageRow{Stage: i + 1, Percent: p, State: "later"}
		switch {
		case i+1 < r.Stage || r.State == store.RolloutDone:
			s.State = "done"
		case i+1 == r.Stage:
			s.State = "now"
		}
		row.Stages = append(row.Stages, s)
	}
	for _, s := range sums {
		row.Devices += s.N
		if s.Stage == 0 {
			row.Had += s.N
		}
		row.All.add(s)
		if s.Stage >= 1 && s.Stage <= len(row.Stages) {
			row.Stages[s.Stage-1].add(s)
		}
	}
	return row, err
}

func (r *stageRow) add(s store.RolloutSum) {
	r.Devices += s.N
	into := map[string]*int{"waiting": &r.Waiting, "underway": &r.Underway, "proven": &r.Proven, "failed": &r.Failed, "missed": &r.Missed}
	*into[store.RolloutGroup(s.State)] += s.N
}

type rolloutsPage struct {
	List     []rolloutRow
	May      bool
	Province bool
	Agencies []store.Agency
	Form     url.Values // what was written, or the defaults
	Err      string
	Detail   string
}

// Scopes are those to choose from.
func (p rolloutsPage) Scopes() []string {
	if !p.Province {
		return []string{store.RolloutAll, store.RolloutFound, store.RolloutList}
	}
	return []string{store.RolloutAll, store.RolloutAgency, store.RolloutFound, store.RolloutList}
}

func (c *Console) rollouts(w http.ResponseWriter, r *http.Request) {
	form := formOfSpec(rollout.Default())
	if list := r.URL.Query().Get("devices"); list != "" { // those that another rollout left
		form.Set("scope", store.RolloutList)
		form.Set("devices", list)
	}
	c.showRollouts(w, r, http.StatusOK, rolloutsPage{Form: form})
}

func formOfSpec(s rollout.Spec) url.Values {
	var stages []string
	for _, p := range s.Stages {
		stages = append(stages, strconv.Itoa(p))
	}
	return url.Values{
		"scope": {s.Scope}, "stages": {strings.Join(stages, ", ")}, "hours": {s.Hours}, "soak_hours": {hoursText(s.Soak)}, "wait_hours": {hoursText(s.Wait)},
		"max_failed_percent": {strconv.Itoa(s.Share)}, "max_failed": {strconv.Itoa(s.Count)}, "at_once": {strconv.Itoa(s.AtOnce)},
	}
}

func (c *Console) showRollouts(w http.ResponseWriter, r *http.Request, status int, p rolloutsPage) {
	p.May, p.Province = may(r, access.Approver), scopeOf(session(r)).All()
	list, err := c.view(r).Rollouts(r.Context(), maxRollouts)
	for _, one := range list {
		var row rolloutRow
		if row, err = c.rolloutRow(r, one); err != nil {
			break
		}
		p.List = append(p.List, row)
	}
	if err == nil {
		p.Agencies, err = c.view(r).Agencies(r.Context())
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.show(w, r, status, "rollouts.html", "rollouts", "rollouts", p)
}

// specOf reads a form.
func specOf(f url.Values) (s rollout.Spec, err error) {
	s = rollout.Default()
	get := func(key string) string { return strings.TrimSpace(f.Get(key)) }
	s.URL, s.Scope, s.Agency, s.Found, s.Reason = get("url"), get("scope"), get("agency"), get("found"), get("reason")
	s.Hours, s.AnyTime, s.AnyHour = get("hours"), get("hours") == "", get("now") == "1"
	s.Devices = strings.FieldsFunc(f.Get("devices"), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' || r == ';' })
	if s.Number, err = strconv.ParseUint(get("number"), 10, 63); err != nil {
		return s, &store.InputError{Field: "number", Value: get("number"), Want: "the number of the release"}
	}
	if s.Stages, err = rollout.ParseStages(get("stages")); err != nil {
		return s, err
	}
	for key, into := range map[string]*int{"max_failed_percent": &s.Share, "max_failed": &s.Count, "at_once": &s.AtOnce} {
		if *into, err = strconv.Atoi(get(key)); err != nil {
			return s, &store.InputError{Field: key, Value: get(key), Want: "a whole number"}
		}
	}
	for key, into := range map[string]*time.Duration{"soak": &s.Soak, "wait": &s.Wait} {
		n, err := strconv.ParseFloat(strings.ReplaceAll(get(key+"_hours"), ",", "."), 64)
		if err != nil || !(n >= 0 && n <= 1000) {
			return s, &store.InputError{Field: key, Value: get(key + "_hours"), Want: "hours"}
		}
		*into = time.Duration(n * float64(time.Hour))
	}
	return s, nil
}

func (c *Console) doRollout(w http.ResponseWriter, r *http.Request) {
	s, err := specOf(r.PostForm)
	var made store.Rollout
	if err == nil {
		made, err = c.cfg.Rollouts.Start(r.Context(), c.view(r), s, who(r))
	}
	bad, isBad := errors.AsType[*store.InputError](err)
	busy, isBusy := errors.AsType[*store.BusyError](err)
	switch p := (rolloutsPage{Form: r.PostForm}); {
	case err == nil:
		c.did(r)
		http.Redirect(w, r, "/rollouts/"+strconv.FormatInt(made.ID, 10), http.StatusSeeOther)
	case isBad:
		p.Err, p.Detail = "err.rollout."+bad.Field, bad.Value
		c.showRollouts(w, r, http.StatusBadRequest, p)
	case isBusy:
		p.Err, p.Detail = "err.rollout.busy", busy.Device
		c.showRollouts(w, r, http.StatusConflict, p)
	default:
		c.refused(w, r, err)
	}
}

type rolloutPage struct {
	rolloutRow
	Failing, Underway, Missed []store.RolloutDevice
	Left                      string // ids of those that were left, for another one
}

// More tells how many of a kind are not listed.
func (p rolloutPage) More(n int, list []store.RolloutDevice) int { return n - len(list) }

var (
	failing  = []string{store.DeviceWentBack, store.DeviceRefused, store.DeviceFailed, store.DeviceLost}
	underway = []string{store.DeviceOrdered, store.DeviceFetching, store.DeviceFetched, store.DeviceTrying}
	missed   = []string{store.DeviceMissed, store.DeviceStopped}
)

// rolloutAt finds the one that the path names; what was not found is answered.
func (c *Console) rolloutAt(w http.ResponseWriter, r *http.Request) (store.Rollout, bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	var one store.Rollout
	if err != nil {
		err = store.ErrNoRollout
	} else {
		one, err = c.view(r).Rollout(r.Context(), id)
	}
	switch {
	case err == nil:
		return one, true
	case errors.Is(err, store.ErrNoRollout) && program(r):
		refuse(w, http.StatusNotFound, err.Error())
	case errors.Is(err, store.ErrNoRollout):
		c.show(w, r, http.StatusNotFound, "message.html", "rollouts", "notfound", "err.norollout")
	case program(r):
		c.answer(w, "", nil, err)
	default:
		c.fail(w, r, err)
	}
	return one, false
}

func (c *Console) rollout(w http.ResponseWriter, r *http.Request) {
	one, ok := c.rolloutAt(w, r)
	if !ok {
		return
	}
	var p rolloutPage
	var err error
	if p.rolloutRow, err = c.rolloutRow(r, one); err == nil {
		for states, into := range map[*[]string]*[]store.RolloutDevice{&failing: &p.Failing, &underway: &p.Underway, &missed: &p.Missed} {
			if *into, err = c.view(r).RolloutDevices(r.Context(), one.ID, *states, maxRolloutRows); err != nil {
				break
			}
		}
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if one.State == store.RolloutDone || one.State == store.RolloutCancelled {
		var ids []string
		for _, d := range slices.Concat(p.Missed, p.Failing) {
			ids = append(ids, d.Device)
		}
		p.Left = strings.Join(ids, " ")
	}
	c.show(w, r, http.StatusOK, "rollout.html", "rollouts", say(language(w, r), "rollout")+" "+strconv.FormatInt(one.ID, 10), p)
}

func (c *Console) doSteer(w http.ResponseWriter, r *http.Request) {
	one, ok := c.rolloutAt(w, r)
	if !ok {
		return
	}
	if !slices.Contains(steering, r.PathValue("do")) {
		c.notFound(w, r)
		return
	}
	_, err := c.cfg.Rollouts.Steer(r.Context(), c.view(r), one.ID, r.PathValue("do"), who(r), r.PostForm.Get("reason"))
	switch {
	case err == nil:
		c.did(r)
		http.Redirect(w, r, "/rollouts/"+strconv.FormatInt(one.ID, 10), http.StatusSeeOther)
	case errors.Is(err, store.ErrNoRollout): // it may be seen, and is another's
		c.show(w, r, http.StatusForbidden, "message.html", "rollouts", "notdone", "err.rollout.foreign")
	case errors.Is(err, store.ErrNotNow):
		c.show(w, r, http.StatusConflict, "message.html", "rollouts", "notdone", "err.rollout.state")
	default:
		c.refused(w, r, err)
	}
}

var steering = []string{rollout.Pause, rollout.Resume, rollout.Cancel}

// rolloutDoc is a rollout for programs.
type rolloutDoc struct {
	store.Rollout
	SoakHours float64            `json:"soak_hours"`
	WaitHours float64            `json:"wait_hours"`
	Sums      []store.RolloutSum `json:"devices_by_state"`
}

func (c *Console) rolloutDoc(r *http.Request, one store.Rollout) (rolloutDoc, error) {
	sums, err := c.view(r).RolloutSums(r.Context(), one.ID)
	row, err2 := c.rolloutRow(r, one)
	one.ScopeOf = row.For()
	return rolloutDoc{one, one.Soak.Hours(), one.Wait.Hours(), sums}, errors.Join(err, err2)
}

func (c *Console) apiRollouts(w http.ResponseWriter, r *http.Request) {
	list, err := c.view(r).Rollouts(r.Context(), maxAPI)
	docs := []rolloutDoc{}
	for _, one := range list {
		var d rolloutDoc
		if d, err = c.rolloutDoc(r, one); err != nil {
			break
		}
		docs = append(docs, d)
	}
	c.answer(w, "rollouts", docs, err)
}

func (c *Console) apiRolloutOne(w http.ResponseWriter, r *http.Request) {
	one, ok := c.rolloutAt(w, r)
	if !ok {
		return
	}
	doc, err := c.rolloutDoc(r, one)
	var list []store.RolloutDevice
	if err == nil {
		list, err = c.view(r).RolloutDevices(r.Context(), one.ID, nil, maxRolloutDevices)
	}
	if err != nil {
		c.answer(w, "", nil, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"rollout": doc, "devices": list, "now": c.cfg.Now().UTC()})
}

// apiRollout starts one: the fields of the form in JSON; what is left out has its
// default.
func (c *Console) apiRollout(w http.ResponseWriter, r *http.Request) {
	s := rollout.Default()
	q := struct {
		URL, Scope, Agency, Found, Reason string
		Number                            uint64
		Devices                           []string
		Stages                            []int    `json:"stages_percent"`
		Hours                             *string  `json:"hours"`
		AnyHour                           bool     `json:"any_hour"`
		Soak                              *float64 `json:"soak_hours"`
		Wait                              *float64 `json:"wait_hours"`
		Share                             *int     `json:"max_failed_percent"`
		Count                             *int     `json:"max_failed"`
		AtOnce                            *int     `json:"at_once"`
	}{Scope: s.Scope, Stages: s.Stages}
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRolloutBody))
	in.DisallowUnknownFields()
	if err := in.Decode(&q); err != nil {
		refuse(w, http.StatusBadRequest, `write JSON, as {"url": "https://…", "number": 41, "reason": "…"}: `+err.Error())
		return
	}
	s.URL, s.Scope, s.Agency, s.Found, s.Reason, s.Number, s.Devices, s.Stages, s.AnyHour = q.URL, q.Scope, q.Agency, q.Found, q.Reason, q.Number, q.Devices, q.Stages, q.AnyHour
	if q.Hours != nil {
		s.Hours, s.AnyTime = *q.Hours, *q.Hours == ""
	}
	for from, into := range map[**float64]*time.Duration{&q.Soak: &s.Soak, &q.Wait: &s.Wait} {
		if *from != nil {
			*into = time.Duration(min(**from, 1000) * float64(time.Hour))
		}
	}
	for from, into := range map[**int]*int{&q.Share: &s.Share, &q.Count: &s.Count, &q.AtOnce: &s.AtOnce} {
		if *from != nil {
			*into = **from
		}
	}
	made, err := c.cfg.Rollouts.Start(r.Context(), c.view(r), s, who(r))
	c.rolloutAnswer(w, r, http.StatusCreated, made, err)
}

func (c *Console) apiSteer(w http.ResponseWriter, r *http.Request) {
	one, ok := c.rolloutAt(w, r)
	if !ok {
		return
	}
	var q struct{ Reason string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm)).Decode(&q); err != nil || !slices.Contains(steering, r.PathValue("do")) {
		refuse(w, http.StatusBadRequest, `write {"reason": "…"} to …/pause, …/resume or …/cancel`)
		return
	}
	made, err := c.cfg.Rollouts.Steer(r.Context(), c.view(r), one.ID, r.PathValue("do"), who(r), q.Reason)
	c.rolloutAnswer(w, r, http.StatusOK, made, err)
}

func (c *Console) rolloutAnswer(w http.ResponseWriter, r *http.Request, status int, made store.Rollout, err error) {
	_, isBad := errors.AsType[*store.InputError](err)
	_, isBusy := errors.AsType[*store.BusyError](err)
	switch {
	case err == nil:
		c.did(r)
		doc, err := c.rolloutDoc(r, made)
		if err != nil {
			c.answer(w, "", nil, err)
			return
		}
		writeJSON(w, status, map[string]any{"rollout": doc, "now": c.cfg.Now().UTC()})
	case isBad, errors.Is(err, orders.ErrWho):
		refuse(w, http.StatusBadRequest, err.Error())
	case isBusy, errors.Is(err, store.ErrNotNow):
		refuse(w, http.StatusConflict, err.Error())
	case errors.Is(err, store.ErrNoRollout):
		refuse(w, http.StatusForbidden, "another agency's, or the province's")
	default:
		c.answer(w, "", nil, err)
	}
}
