package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kentongan/agent/alarm"
	"kentongan/agent/command"
	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/update"
	"kentongan/agent/watchdog"
	"kentongan/firmware"
)

// When a version on trial is well: when it does what the one before did.

// condition is how things stood before a change of versions.
type condition struct {
	Broker  bool     `json:"broker"`  // the centre was reached
	Reason  string   `json:"reason"`  // why not
	Streams []string `json:"streams"` // that played
	Kiosk   string   `json:"kiosk"`   // what was wrong with buttons and lamps
}

func (a *Agent) condition() condition {
	up := a.uplink.Status()
	c := condition{Broker: up.Connected, Reason: up.LastError}
	for name, w := range a.allWatchers() {
		if w.Status().State.State == "playing" {
			c.Streams = append(c.Streams, name)
		}
	}
	slices.Sort(c.Streams)
	if k := a.kiosk.Load(); k != nil {
		c.Kiosk = k.Troubles()
	}
	return c
}

// gate holds a version on trial against the condition before it.
type gate struct {
	agent  *Agent
	before condition
	checks func() []watchdog.Check
}

// well is nil when every loop answers and the store writes, buttons and lamps
// are as before, the cameras that played play, and the centre has acknowledged
// what this version kept, or was out of reach before as well.
func (g gate) well(ctx context.Context) error {
	for _, c := range g.checks() {
		if err := c.Run(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	now := g.agent.condition()
	if now.Kiosk != "" && now.Kiosk != g.before.Kiosk {
		return fmt.Errorf("kiosk: %s", now.Kiosk)
	}
	if g.before.Broker {
		if !now.Broker {
			return fmt.Errorf("broker: %s", now.Reason)
		}
		if head := g.agent.spool.Head(report.Event); head.First <= g.agent.bootSeq {
			return errors.New("centre: it has not acknowledged this start yet")
		}
	}
	return g.streams(now)
}

// outside are classes of failures that lie beyond this device: a camera that
// was switched off in these minutes is no fault of a version.
var outside = []string{"dns", "refused", "timeout", "auth", "not_found", "unreachable"}

func (g gate) streams(now condition) error {
	playing := 0
	for _, name := range g.before.Streams {
		w := g.agent.watcher(name)
		if w == nil {
			continue // taken out of the configuration
		}
		s := w.Status().State
		switch {
		case s.State == "playing":
			playing++
		case !slices.Contains(outside, s.Class):
			return fmt.Errorf("stream %s: %s %s", name, s.State, s.Class)
		}
	}
	if playing == 0 && len(g.before.Streams) > 0 {
		return fmt.Errorf("streams: none of %d that played before plays", len(g.before.Streams))
	}
	return nil
}

const (
	maxConditionFile = 64 << 10
)

// buildUpdate makes the part that brings new versions, if the configuration
// names an update directory.
func (a *Agent) buildUpdate() error {
	c := a.cfg.Update
	if c.Dir == "" {
		return nil
	}
	hours, err := update.ParseHours(c.Hours)
	if err != nil {
		return err
	}
	conditionFile := filepath.Join(a.cfg.Data, "update-before.json")
	memoryFile := filepath.Join(a.cfg.Data, "update.json")
	g := gate{agent: a, checks: a.checks()}
	var memory update.Memory
	for file, into := range map[string]any{conditionFile: &g.before, memoryFile: &memory} {
		// Hints: without them a trial is held against less, or told twice.
		if err := loadJSON(file, maxConditionFile, into); err != nil {
			a.o.Log.Warn("file not read", "part", "update", "file", filepath.Base(file), "err", err)
		}
	}
	board := &updateBoard{
		dir: c.Dir, incoming: incoming(a.cfg), healthy: c.Healthy,
		boot: firmware.BootID(), rate: int(c.BytesPerSecond), now: a.updateTime,
		before: func() error { return saveJSON(conditionFile, a.condition()) },
	}
	a.updater = update.New(update.Config{
		URL: c.URL, Every: c.Every, Hold: c.Hold, Hours: hours, Quiet: a.quiet, Well: g.well,
		Now:    func() (time.Time, bool) { t := a.updateTime(); return t.Local(), !t.IsZero() },
		Stale:  staleAfter(c),
		Found:  a.journal.staleFound,
		Memory: memory, Remember: func(m update.Memory) error { return saveJSON(memoryFile, m) },
	}, board, updated{a}, a.o.Log)
	a.beating = append(a.beating, a.updater)
	a.parts = append(a.parts, part{"update", a.updater.Run})
	return nil
}

// updateSource is what alarms about new versions are of.
const updateSource = "update"

// staleAfter is when it is an alarm that nothing new was seen; 0 where nothing is
// looked at, and an order brings what is new.
func staleAfter(c config.Update) time.Duration {
	if c.Dir == "" || c.URL == "" {
		return 0
	}
	return c.StaleAfter
}

func updateSources(c *config.Config) []string {
	if staleAfter(c.Update) == 0 {
		return nil
	}
	return []string{updateSource}
}

func (j *journal) staleFound(stale bool, detail string) {
	if j.alarms != nil {
		j.alarms.Found(alarm.Finding{Source: updateSource, Condition: "update_stale", Present: stale, Confidence: 1, Detail: detail})
	}
}

// updateTime is the time where a service keeps it, and zero where it is a guess.
func (a *Agent) updateTime() time.Time {
	if s := a.clock.stamp(); s.Clock == report.ClockSynced {
		return s.Time
	}
	return time.Time{}
}

// pressPause is how long after a press somebody may still stand at the kiosk.
const pressPause = 30 * time.Second

// quiet tells whether nobody stands at the kiosk and no complaint is on its way.
func (a *Agent) quiet() bool {
	if a.spool.Head(report.Complaint).Backlog() > 0 && a.uplink.Status().Connected {
		return false
	}
	k := a.kiosk.Load()
	if k == nil {
		return true
	}
	newest := k.Show().Newest
	return newest == nil || time.Since(newest.At) > pressPause
}

// updated keeps what the updater says.
type updated struct{ agent *Agent }

func (u updated) Updated(ctx context.Context, s report.Update) error {
	_, err := u.agent.spool.Append(ctx, report.Event, report.KindUpdate, s)
	return err
}

// versions brings update orders to the updater, which is made after the orders.
type versions struct{ agent *Agent }

func (v versions) Order(ctx context.Context, url string, number uint64, now bool, until time.Time) (string, error) {
	if v.agent.updater == nil {
		return "", errors.New("this device has no update directory (update.dir in its configuration)")
	}
	r, err := v.agent.updater.Order(ctx, url, number, now, until)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(fmt.Sprintf("release %d %s is being fetched", r.Number, r.Version)), nil
}

var _ command.Versions = versions{}

// firmwareState is what a birth says of versions; nil where none are managed.
func (a *Agent) firmwareState() *report.Firmware {
	if a.cfg.Update.Dir == "" {
		return nil
	}
	s, err := NewUpdates(a.cfg, nil).Status()
	if err != nil {
		return nil
	}
	f := report.Firmware{Number: s.Running, Keys: s.Keys}
	if t, err := time.Parse(time.RFC3339, s.Issued); err == nil {
		f.Issued = &t
	}
	if s.Trial != nil {
		f.Trial = string(s.Trial.State)
	}
	return &f
}
