package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
)

// Rebooter makes a camera start again, as ONVIF's SystemReboot does.
type Rebooter interface {
	Reboot(ctx context.Context) error
}

// PowerCycler cuts a camera's power for a while and gives it back, also when
// ctx ends meanwhile.
type PowerCycler interface {
	Cycle(ctx context.Context) error
}

// Memory keeps a few bytes over restarts of the agent. Load returns nil when
// nothing was saved; Save returns once they are durable.
type Memory interface {
	Load() ([]byte, error)
	Save([]byte) error
}

// Recovery is what may be done about a camera that has failed by itself. The
// zero value reconnects and tries the other transport, and touches nothing.
type Recovery struct {
	Reboot Rebooter              // nil is none
	Power  PowerCycler           // nil is none
	After  time.Duration         // of a fault by the camera, before the first of them; 0 is 5 min
	Every  time.Duration         // between two of them, over restarts; 0 is 6 h
	Device string                // what Reboot starts again: streams of one recorder share it; "" is the host of the stream's URL
	Memory Memory                // not nil with Reboot or Power
	Stamp  func() report.Stamp   // our clocks, to count Every over restarts; not nil with Memory
	Tell   func(report.Recovery) // gets each step, in order; must not block; nil is nobody
}

// Limits of recovery.
const (
	defaultAfter  = 5 * time.Minute
	defaultEvery  = 6 * time.Hour
	leastEvery    = 10 * time.Minute // also between two cameras of a site: after a storm they are not all rebooted at once
	stepTimeout   = 2 * time.Minute  // of one reboot or power cycle
	otherWay      = 3                // sessions that failed in one way, before the other transport
	maxActedBytes = 4096

	// A camera that fails and heals all day must not fill the event lane, which
	// others need: so many faults are told at once, then one in mildEvery. What
	// is done to a camera is always told.
	mildBurst = 12
	mildEvery = 5 * time.Minute
)

func (r *Recovery) check() error {
	if r.After == 0 {
		r.After = defaultAfter
	}
	if r.Every == 0 {
		r.Every = defaultEvery
	}
	if r.Tell == nil {
		r.Tell = func(report.Recovery) {}
	}
	switch {
	case r.After < time.Second:
		return fmt.Errorf("recovery: after %v: the least is 1s", r.After)
	case r.Every < leastEvery:
		return fmt.Errorf("recovery: every %v: the least is %v, or a camera would never have started before it is rebooted again", r.Every, leastEvery)
	case (r.Reboot != nil || r.Power != nil) && (r.Memory == nil || r.Stamp == nil):
		return errors.New("recovery: reboot and power need a memory and a clock, or a restart of the agent would forget what was done")
	}
	return nil
}

// acted is the newest reboot or power cycle, as it is saved.
type acted struct {
	V        int          `json:"v"`
	Step     string       `json:"step"`
	Time     time.Time    `json:"time"`
	Clock    report.Clock `json:"clock"`
	Boot     string       `json:"boot"`
	UptimeMS int64        `json:"uptime_ms"`
}

// ago is how long ago it was. Within one boot the time since power on tells;
// over boots the wall clock, where it was set both times and does not claim the
// future. ok is false when nothing tells.
func (a acted) ago(now report.Stamp) (d time.Duration, ok bool) {
	if a.Boot == now.Boot {
		d = now.Uptime - time.Duration(a.UptimeMS)*time.Millisecond
		return max(d, 0), true
	}
	if a.Clock == report.ClockUnset || now.Clock == report.ClockUnset || now.Time.Before(a.Time) {
		return 0, false
	}
	return now.Time.Sub(a.Time), true
}

// ladder climbs from step to step. Used by the watcher's goroutine only.
type ladder struct {
	name string
	r    Recovery
	site *Site

	acted time.Time              // monotonic: the newest reboot or power cycle; zero is never
	last  string                 // what that was
	taken string                 // the last step of this fault; "" is none
	tries int                    // sessions of this fault that failed without another transport
	mild  allowance              // of faults that are told
	mute  bool                   // this one is not
	quiet int                    // steps that were not told, since the last that was
	busy  chan []report.Recovery // of the step that is being taken; nil is none
}

// newLadder reads what was done before. What can't be read or dated counts as
// done just now: that costs one waiting time, and the other mistake a loop. The
// ladder is usable with an error too, which tells what can't be read.
func newLadder(name string, r Recovery, site *Site) (*ladder, error) {
	l := &ladder{name: name, r: r, site: site, mild: allowance{burst: mildBurst, every: mildEvery}}
	if r.Memory == nil {
		return l, nil
	}
	text, err := r.Memory.Load()
	if err != nil {
		l.did("", time.Now())
		return l, fmt.Errorf("load what was done before, which is taken to be done now: %w", err)
	}
	if len(text) == 0 {
		return l, nil
	}
	a, err := parseActed(text)
	since, ok := a.ago(r.Stamp())
	if err != nil || !ok {
		since = 0
	}
	l.did(a.Step, time.Now().Add(-since))
	return l, nil
}

// did notes a reboot or power cycle; one of which nothing is known may be a
// reboot.
func (l *ladder) did(step string, at time.Time) {
	l.acted, l.last = at, step
	if step != report.RecoveryPowerCycle && l.r.Reboot != nil {
		l.site.rebooted(l.r.Device, at)
	}
}

func parseActed(text []byte) (a acted, err error) {
	if len(text) > maxActedBytes {
		return acted{}, fmt.Errorf("%d bytes, more than %d", len(text), maxActedBytes)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return acted{}, err
	}
	if a.V != 1 {
		return acted{}, fmt.Errorf("version %d is not known", a.V)
	}
	return a, nil
}

// failed notes a session of a fault that ended. The first new session heals
// most faults and is not worth an event; a camera that flaps would make many.
func (l *ladder) failed(f *fault) {
	if l.tries++; l.taken == "" && l.tries == 2 {
		l.tell(report.RecoveryReconnect, report.RecoveryBegun, "", f)
	}
}

// wantsTransport tells whether the other transport is worth a try: the camera
// is there, and sessions over this one fail again and again.
func (l *ladder) wantsTransport(f *fault) bool {
	return l.tries == otherWay && f.now.cause == CauseCamera && f.answered() && helps(f.class)
}

func (l *ladder) transport(detail string, f *fault) {
	l.tell(report.RecoveryTransport, report.RecoveryDone, detail, f)
}

// healed ends a fault.
func (l *ladder) healed(f *fault) {
	l.collect()
	if l.taken != "" {
		l.tell(l.taken, report.RecoveryHealed, "", f)
	}
	if l.taken == report.RecoveryReboot || l.taken == report.RecoveryPowerCycle {
		l.last = "" // the next fault begins with the milder of them
	}
	l.taken, l.tries, l.mute = "", 0, false
}

func (l *ladder) tell(step, result, detail string, f *fault) {
	mild := step == report.RecoveryReconnect || step == report.RecoveryTransport
	if mild && l.taken == "" {
		l.mute = !l.mild.take(time.Now())
	}
	l.taken = step
	if mild && l.mute {
		l.quiet++
		return
	}
	if l.quiet > 0 {
		detail = joinDetail(detail, fmt.Sprintf("flapping: %d steps before this one are not reported", l.quiet))
		l.quiet = 0
	}
	r := report.Recovery{Stream: l.name, Step: step, Result: result, Class: f.class, Cause: f.now.cause, Detail: detail}
	if f.is {
		r.FaultMS = time.Since(f.since).Milliseconds()
	}
	l.r.Tell(r)
}

// helps tells whether a camera with such a failure may be well after it has
// started again. A wrong path, password or certificate is not.
func helps(class string) bool {
	switch class {
	case ClassNoMedia, ClassTimeout, ClassRefused, ClassClosed, ClassProtocol, ClassUnreachable:
		return true
	}
	return false
}

// steps are what may be done now, the first first; none while it must not.
func (l *ladder) steps(f *fault, now time.Time) []string {
	ofCamera := f.now.cause == CauseCamera || f.now.cause == CausePower
	switch {
	case l.busy != nil, !f.is, !ofCamera, f.common > 0, f.starved, !helps(f.class):
		return nil
	case f.ownSince.IsZero() || now.Sub(f.ownSince) < l.r.After:
		return nil
	case !l.acted.IsZero() && now.Sub(l.acted) < l.r.Every:
		return nil
	}
	var all []string
	if l.r.Reboot != nil && f.now.cause == CauseCamera && (l.last != report.RecoveryReboot || l.r.Power == nil) && l.site.rested(l.r.Device, now, l.r.Every) {
		all = append(all, report.RecoveryReboot)
	}
	if l.r.Power != nil {
		all = append(all, report.RecoveryPowerCycle)
	}
	if len(all) == 0 || !l.site.mayAct(now, leastEvery) {
		return nil
	}
	return all
}

// climb takes the next step, when it is time, without waiting for its end. It
// runs in a goroutine of start's.
func (l *ladder) climb(ctx context.Context, f *fault, start func(func())) error {
	l.collect()
	now := time.Now()
	steps := l.steps(f, now)
	if len(steps) == 0 {
		return nil
	}
	if err := l.save(steps[0]); err != nil {
		return fmt.Errorf("no %s, since it could not be noted: %w", steps[0], err)
	}
	l.did(steps[0], now)
	l.tell(steps[0], report.RecoveryBegun, f.now.why, f)
	done := make(chan []report.Recovery, 1) // room for the result, so that nobody has to wait for it
	l.busy = done
	proto := report.Recovery{Stream: l.name, Class: f.class, Cause: f.now.cause}
	since := f.since
	start(func() { done <- l.act(ctx, steps, proto, since) })
	return nil
}

// act reboots the camera or cuts its power. One that could not be rebooted has
// its power cut in the same turn.
func (l *ladder) act(ctx context.Context, steps []string, proto report.Recovery, since time.Time) (all []report.Recovery) {
	for _, step := range steps {
		err := l.take(ctx, step)
		r := proto
		r.Step, r.Result, r.FaultMS = step, report.RecoveryDone, time.Since(since).Milliseconds()
		if err == nil {
			return append(all, r)
		}
		r.Result, r.Detail = report.RecoveryFailed, clip([]byte(err.Error()), 300)
		all = append(all, r)
		if ctx.Err() != nil {
			return all // the agent ends
		}
	}
	return all
}

func (l *ladder) take(ctx context.Context, step string) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if step == report.RecoveryReboot {
		return l.r.Reboot.Reboot(ctx)
	}
	return l.r.Power.Cycle(ctx)
}

// collect tells what came of the step that was being taken.
func (l *ladder) collect() {
	select {
	case all := <-l.busy:
		l.busy = nil
		for _, r := range all {
			l.r.Tell(r)
		}
		l.last = all[len(all)-1].Step
	default:
	}
}

// save notes a step on the disk before it is taken.
func (l *ladder) save(step string) error {
	now := l.r.Stamp()
	text, err := json.Marshal(acted{V: 1, Step: step, Time: now.Time.UTC(), Clock: now.Clock, Boot: now.Boot, UptimeMS: now.Uptime.Milliseconds()})
	if err != nil {
		return err
	}
	return l.r.Memory.Save(text)
}
