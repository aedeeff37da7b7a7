package audit

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// AuditorConfig says how a running centre audits itself.
type AuditorConfig struct {
	Centre note.Verifiers
	Roots  string        // file of the log of roots
	Every  time.Duration // between two looks for what is new, e.g. 1 min
	Full   time.Duration // between two times that everything is read, e.g. 24 h
}

// rest is how much longer the auditor rests after a page of records than it took
// to read: what comes in and who looks at a page go first.
const rest = 3

// Auditor keeps the proofs of a running centre up to date. It reads what is new
// of each lane, and everything once in AuditorConfig.Full, because what was
// altered is old. Run belongs to one goroutine; the other methods answer from
// memory and may be called from anywhere.
type Auditor struct {
	cfg  AuditorConfig
	view *store.View
	log  *slog.Logger

	mu     sync.RWMutex // guards the two below
	proofs map[string]Device
	status Status

	// Owned by the goroutine of Run.
	examiners map[string]*examiner
	roots     *rootLog
	since     time.Time // lanes that nothing came of since then have been read
	ids       []string  // devices that are left of a full reading
	whole     time.Time // when the last one began
}

// Status is how the auditing stands.
type Status struct {
	Devices  int       `json:"devices"` // with a proof
	Green    int       `json:"green"`
	Red      int       `json:"red"`
	Unsigned int       `json:"unsigned"` // green devices of which nothing is signed
	Findings []Finding `json:"findings"` // of the database as a whole
	Root     uint64    `json:"root"`     // number of the newest root that was read
	Whole    time.Time `json:"whole"`    // when everything had been read last; zero is never yet
	Left     int       `json:"left"`     // devices that are left to be read of the present time
}

// NewAuditor makes an auditor; it reads nothing yet.
func NewAuditor(cfg AuditorConfig, view *store.View, log *slog.Logger) *Auditor {
	return &Auditor{cfg: cfg, view: view, log: log, proofs: map[string]Device{}, examiners: map[string]*examiner{}}
}

// Run audits until ctx ends. A database that does not answer is tried again at
// the next time.
func (a *Auditor) Run(ctx context.Context) error {
	tick := time.NewTicker(a.cfg.Every)
	defer tick.Stop()
	for {
		if err := a.Round(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.log.Warn("not audited", "err", err, "retry_in", a.cfg.Every)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Round brings all proofs up to date, for the goroutine of Run or instead of it.
func (a *Auditor) Round(ctx context.Context, now time.Time) error {
	if len(a.ids) == 0 && now.Sub(a.whole) >= a.cfg.Full {
		if err := a.begin(ctx, now); err != nil {
			return err
		}
	}
	for len(a.ids) > 0 {
		x := a.examiner(a.ids[0])
		if err := a.prove(ctx, x, now); err != nil {
			return err
		}
		a.examiners[x.device] = x
		if a.ids = a.ids[1:]; len(a.ids) == 0 {
			a.note(func(s *Status) { s.Whole = now })
		}
	}
	return a.fresh(ctx, now)
}

// begin starts to read everything.
func (a *Auditor) begin(ctx context.Context, now time.Time) error {
	var found Report
	roots, err := readRoots(a.cfg.Roots, a.cfg.Centre, func(number uint64, why string) {
		found.Findings = append(found.Findings, laneName{}.finding(Roots, 0, "root %d: %s", number, why))
	})
	if err != nil {
		return err
	}
	if err := found.database(ctx, a.view, roots, a.cfg.Roots); err != nil {
		return err
	}
	lanes, err := a.view.AuditLanes(ctx, "", time.Time{})
	if err != nil {
		return err
	}
	if a.ids, _, err = devicesOf(ctx, a.view, lanes, roots); err != nil {
		return err
	}
	a.roots, a.whole, a.since = roots, now, now.Add(-time.Minute)
	for _, f := range found.Findings {
		a.log.Error("database is not as it was", "fault", f.Fault, "detail", f.Detail)
	}
	a.note(func(s *Status) { s.Findings, s.Root = found.Findings, roots.last.Number })
	return nil
}

// fresh reads what has come since the last round.
func (a *Auditor) fresh(ctx context.Context, now time.Time) error {
	lanes, err := a.view.AuditLanes(ctx, "", a.since)
	if err != nil {
		return err
	}
	moved := map[string]bool{}
	for _, l := range lanes {
		moved[l.Device] = true
	}
	for _, id := range slices.Sorted(maps.Keys(moved)) {
		x := a.examiners[id]
		if x == nil {
			x = a.examiner(id)
			a.examiners[id] = x
		}
		if err := a.prove(ctx, x, now); err != nil {
			delete(a.examiners, id) // what it has read may be half of it
			return err
		}
	}
	a.since = now.Add(-time.Minute)
	return nil
}

func (a *Auditor) examiner(id string) *examiner {
	x := newExaminer(a.view, id, a.cfg.Centre, a.roots)
	began := time.Now()
	x.read = func(int) {}
	x.pause = func(ctx context.Context) error {
		took := time.Since(began)
		select {
		case <-time.After(rest * min(took, time.Second)):
		case <-ctx.Done():
			return ctx.Err()
		}
		began = time.Now()
		return nil
	}
	return x
}

// prove examines a device, tells of the first fault once, and keeps the proof.
func (a *Auditor) prove(ctx context.Context, x *examiner, now time.Time) error {
	d, err := x.examine(ctx, now)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.proofs[d.Device]
	a.proofs[d.Device] = d
	if f, was := d.First(), old.First(); f != nil && (was == nil || *f != *was) {
		a.log.Error("records are not as they were", "device", d.Device, "lane", f.Lane, "epoch", f.Epoch, "seq", f.Seq, "fault", f.Fault, "detail", f.Detail)
	}
	return nil
}

func (a *Auditor) note(change func(*Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.status)
	a.status.Left = len(a.ids)
}

// Status is how the auditing stands, over all devices.
func (a *Auditor) Status() Status {
	a.mu.RLock()
	defer a.mu.RUnlock()
	s := a.status
	s.Devices = len(a.proofs)
	for _, d := range a.proofs {
		switch {
		case !d.OK():
			s.Red++
		case d.Keys == 0:
			s.Green++
			s.Unsigned++
		default:
			s.Green++
		}
	}
	return s
}

// Proof is the newest proof of a device; false when it was not read yet. What it
// holds is not to be changed.
func (a *Auditor) Proof(device string) (Device, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	d, ok := a.proofs[device]
	return d, ok
}

// Proofs lists the proofs of the devices that a view may see, the red ones first.
func (a *Auditor) Proofs(ctx context.Context, v *store.View) ([]Device, error) {
	ids, err := v.DeviceIDs(ctx)
	if err != nil {
		return nil, err
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	out := make([]Device, 0, len(ids))
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if d, ok := a.proofs[id]; ok {
			out, seen[id] = append(out, d), true
		}
	}
	if v.Scope().All() { // also what was taken out of the table of devices
		for id, d := range a.proofs {
			if !seen[id] {
				out = append(out, d)
			}
		}
	}
	slices.SortFunc(out, func(a, b Device) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.Device, b.Device))
	})
	return out, nil
}

func order(d Device) int {
	if d.OK() {
		return 1
	}
	return 0
}
