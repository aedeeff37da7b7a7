package alarm

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

func (p *play) change(c Change) {
	p.b.reconfigure(p.now, c)
	p.b.tell(p.now)
}

func TestChangeEndsWhatIsNoMoreAndDisturbsNothingElse(t *testing.T) {
	p := newPlay(t, streams(3))
	for _, s := range streams(3) {
		p.find(s, "black", true)
	}
	p.find("stream/c00", "down", true)
	p.pass(3 * time.Second) // due, but not told before the member's delay is over
	p.want("three", "raised stream/c00:black", "raised stream/c01:black", "raised stream/c02:black", "raised stream/c00:down", "hidden stream/c00:black by stream/c00:down")
	p.change(Change{Sources: []string{"stream/c00", "stream/c02", "stream/new"}})
	p.want("one is taken out", "cleared stream/c01:black")
	p.pass(time.Hour)
	p.want("the others stay")
	p.find("stream/c00", "down", false)
	p.pass(11 * time.Second)
	p.want("and go on", "cleared stream/c00:down", "raised stream/c00:black")
	p.find("stream/new", "black", true)
	p.want("a new one is known", "raised stream/new:black")
}

func TestChangeOfAGroup(t *testing.T) {
	g := Group{Name: "sw", Kind: GroupSwitch, Members: streams(4)}
	p := newPlay(t, streams(4), g)
	for _, s := range streams(4) {
		p.find(s, "down", true)
	}
	p.pass(10 * time.Second)
	p.want("all at once", "raised group/sw:switch_down hides 4")
	g.Members = streams(5)
	p.change(Change{Sources: streams(5), Groups: []Group{g}})
	p.pass(time.Minute)
	p.want("a member more")
	p.change(Change{Sources: streams(5)})
	p.want("the group is no more", "cleared group/sw:switch_down")
	p.pass(10 * time.Second)
	p.want("each for itself", "raised stream/c00:down", "raised stream/c01:down", "raised stream/c02:down", "raised stream/c03:down")
}

// TestChangeLooksAnew: of a camera that is watched anew, an alarm that nobody
// finds again is over after a while, as after a restart.
func TestChangeLooksAnew(t *testing.T) {
	p := newPlay(t, streams(2))
	for _, s := range streams(2) {
		p.find(s, "black", true)
	}
	p.want("two", "raised stream/c00:black", "raised stream/c01:black")
	p.change(Change{Sources: streams(2), Anew: []string{"stream/c00"}})
	p.pass(restoredFor + time.Minute)
	p.want("not found again", "cleared stream/c00:black")
}

type toldAlarms struct {
	mu  sync.Mutex // guards all
	all []report.Alarm
}

func (o *toldAlarms) AlarmChanged(a report.Alarm) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, a)
}
func (o *toldAlarms) AlarmsNow(report.AlarmSet) {}

// TestChangeOfARunningEngine: findings come from other goroutines meanwhile.
func TestChangeOfARunningEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &toldAlarms{}
		e := New(Config{Sources: streams(2)}, out, slog.New(slog.NewTextHandler(io.Discard, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = e.Run(ctx) })
		wg.Go(func() {
			for range 100 {
				e.Found(Finding{Source: "stream/c01", Condition: "black", Present: true})
				e.Found(Finding{Source: "stream/c02", Condition: "black", Present: true})
				time.Sleep(10 * time.Millisecond)
			}
		})
		time.Sleep(300 * time.Millisecond)
		if err := e.Change(ctx, Change{Sources: []string{"stream/c00", "stream/c02"}}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		cancel()
		wg.Wait()
		var got []string
		for _, a := range out.all {
			got = append(got, a.State+" "+a.Source)
		}
		if len(got) != 3 || got[0] != "raised stream/c01" || got[1] != "cleared stream/c01" || got[2] != "raised stream/c02" {
			t.Errorf("told %q", got)
		}
		if err := e.Change(ctx, Change{}); err == nil {
			t.Error("an engine that has ended took a change")
		}
	})
}
