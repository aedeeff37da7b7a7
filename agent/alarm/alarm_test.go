package alarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

// play drives a book with a clock of its own, a look every half second.
type play struct {
	t     *testing.T
	b     *book
	now   time.Time
	said  []report.Alarm
	saved []byte
	ids   int
}

var began = time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC)

func newPlay(t *testing.T, sources []string, groups ...Group) *play {
	t.Helper()
	p := &play{t: t, now: began}
	p.open(sources, groups)
	return p
}

func (p *play) open(sources []string, groups []Group) {
	p.b = newBook(Config{
		Sources: sources, Groups: groups, Saved: p.saved,
		Save:  func(text []byte) error { p.saved = slices.Clone(text); return nil },
		NewID: func() string { p.ids++; return fmt.Sprintf("id%d", p.ids) },
	}, func(a report.Alarm) { p.said = append(p.said, a) }, slog.New(slog.NewTextHandler(io.Discard, nil)))
	p.b.start(p.now)
	p.b.look(p.now)
}

// pass lets time go by.
func (p *play) pass(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); {
		p.now = p.now.Add(tickEvery)
		p.b.look(p.now)
		p.b.take(p.now, nil)
	}
}

func (p *play) find(source, condition string, present bool) {
	p.b.take(p.now, map[key]Finding{{source, condition}: {Source: source, Condition: condition, Present: present, Confidence: 0.9, Cause: "camera", Detail: "seen"}})
}

// tell takes what was said since the last time, as "12s raised stream/a:down".
func (p *play) tell() []string {
	out := []string{}
	for _, a := range p.said {
		text := fmt.Sprintf("%s %s:%s", a.State, a.Source, a.Condition)
		if a.HiddenBy != "" {
			text += " by " + a.HiddenBy
		}
		if a.Hidden > 0 && a.State != report.AlarmCleared {
			text += fmt.Sprintf(" hides %d", a.Hidden)
		}
		out = append(out, text)
	}
	p.said = nil
	return out
}

func (p *play) want(what string, want ...string) {
	p.t.Helper()
	if got := p.tell(); !slices.Equal(got, want) {
		p.t.Errorf("%s: told %q, want %q", what, got, want)
	}
}

func streams(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("stream/c%02d", i))
	}
	return all
}

func TestRaiseAndClearWaitTheirDelays(t *testing.T) {
	p := newPlay(t, streams(1))
	p.find("stream/c00", "down", true)
	p.pass(2 * time.Second)
	p.want("before the raise delay")
	p.pass(time.Second)
	p.want("after it", "raised stream/c00:down")
	p.find("stream/c00", "down", true) // findings repeat
	p.find("stream/c00", "down", false)
	p.pass(9 * time.Second)
	p.find("stream/c00", "down", true) // not absent long enough
	p.find("stream/c00", "down", false)
	p.pass(9 * time.Second)
	p.want("before the clear delay")
	p.pass(time.Second)
	p.want("after it", "cleared stream/c00:down")
	p.find("stream/c00", "down", true)
	p.pass(2 * time.Second)
	p.find("stream/c00", "down", false)
	p.pass(time.Minute)
	p.want("a blip")
}

func TestWorseHidesWhatFollows(t *testing.T) {
	p := newPlay(t, streams(1))
	s := "stream/c00"
	p.find(s, "black", true)
	p.want("black", "raised stream/c00:black")
	p.find(s, "frozen", true)
	p.pass(time.Minute)
	p.want("a black picture does not change")
	p.find(s, "down", true)
	p.pass(6 * time.Second)
	p.want("down", "raised stream/c00:down", "hidden stream/c00:black by stream/c00:down")
	p.find(s, "down", false)
	p.pass(11 * time.Second)
	p.want("back, still black", "cleared stream/c00:down", "raised stream/c00:black")
	p.find(s, "black", false)
	p.pass(11 * time.Second)
	p.want("the frozen one is told by itself", "cleared stream/c00:black", "raised stream/c00:frozen")
}

func TestFlappingIsToldOnce(t *testing.T) {
	p := newPlay(t, streams(1))
	for range 20 {
		p.find("stream/c00", "silent", true)
		p.pass(2 * time.Second)
		p.find("stream/c00", "silent", false)
		p.pass(12 * time.Second)
	}
	p.want("20 times in 5 min", "raised stream/c00:silent", "cleared stream/c00:silent", "raised stream/c00:silent", "flapping stream/c00:silent")
	p.pass(9 * time.Minute)
	p.want("quiet, but not long enough")
	p.pass(2 * time.Minute)
	p.want("quiet for 10 min", "cleared stream/c00:silent")
	p.find("stream/c00", "silent", true)
	p.want("a new one", "raised stream/c00:silent")
}

func TestDeadSwitchIsOneIncident(t *testing.T) {
	all := streams(15)
	g := Group{Name: "kp3b", Kind: GroupSwitch, Label: "KP3B switch", Members: all[:12]}
	tests := map[string]func(i int) time.Duration{ // when camera i is found silent
		"at once":             func(int) time.Duration { return 0 },
		"over five seconds":   func(i int) time.Duration { return time.Duration(i) * 450 * time.Millisecond },
		"the first is early":  func(i int) time.Duration { return time.Duration(min(i, 1)) * 2500 * time.Millisecond },
		"one every 2 s":       func(i int) time.Duration { return time.Duration(i) * 2 * time.Second },
		"in two bunches":      func(i int) time.Duration { return time.Duration(i/6) * 10 * time.Second },
		"the last very late":  func(i int) time.Duration { return time.Duration(i/11) * 40 * time.Second },
		"in ten seconds, odd": func(i int) time.Duration { return time.Duration(i*i) * 70 * time.Millisecond },
	}
	for name, at := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t, all, g)
			for d := time.Duration(0); d <= 45*time.Second; d += tickEvery {
				for i, s := range g.Members {
					if at(i) <= d && at(i) > d-tickEvery {
						p.find(s, "silent", true)
					}
				}
				p.pass(tickEvery)
			}
			if first := p.said[0]; first.Source != "group/kp3b" || first.Condition != "switch_down" || first.Cause != "power" {
				t.Errorf("the first is %+v, want the switch", first)
			}
			for _, s := range p.tell() {
				if !strings.Contains(s, "group/kp3b:switch_down") {
					t.Errorf("leaked: %s", s)
				}
			}
			p.find("stream/c14", "silent", true) // of no group
			p.want("another camera", "raised stream/c14:silent")
		})
	}
}

func TestGroupThatRecoversLeavesTheRest(t *testing.T) {
	all := streams(12)
	p := newPlay(t, all, Group{Name: "poe1", Kind: GroupPoE, Members: all})
	for _, s := range all {
		p.find(s, "down", true)
	}
	p.pass(5 * time.Second)
	p.want("dead", "raised group/poe1:poe_down hides 12")
	for i, s := range all[:10] { // cameras boot one after the other
		p.pass(time.Duration(i) * time.Second)
		p.find(s, "down", false)
	}
	p.pass(groupSettle - 2*time.Second)
	p.want("two are still booting")
	p.pass(10 * time.Second)
	p.want("they stay dead", "cleared group/poe1:poe_down", "raised stream/c10:down", "raised stream/c11:down")
}

func TestThresholds(t *testing.T) {
	for _, tt := range []struct {
		kind string
		size int
		want int
	}{
		{GroupSwitch, 2, 2}, {GroupSwitch, 3, 3}, {GroupSwitch, 10, 3}, {GroupSwitch, 12, 4}, {GroupSite, 200, 60},
		{GroupAddress, 2, 2}, {GroupAddress, 6, 2}, {GroupAddress, 16, 5}, {GroupApps, 7, 3},
	} {
		g := Group{Kind: tt.kind, Members: streams(tt.size)}
		if got := g.threshold(); got != tt.want {
			t.Errorf("of %d at a %s: %d, want %d", tt.size, tt.kind, got, tt.want)
		}
	}
}

func TestFewOrSlowFailuresAreTheirOwn(t *testing.T) {
	all := streams(12)
	p := newPlay(t, all, Group{Name: "sw", Kind: GroupSwitch, Members: all})
	for _, s := range all[:4] {
		p.find(s, "silent", true)
		p.pass(25 * time.Second)
	}
	p.want("four in 100 s", "raised stream/c00:silent", "raised stream/c01:silent", "raised stream/c02:silent", "raised stream/c03:silent")
}

// A single dead camera of a group must be told soon: the centre has 15 s from
// the last picture, and 9 of them go to find the silence.
func TestSingleInAGroupIsToldSoon(t *testing.T) {
	all := streams(12)
	p := newPlay(t, all, Group{Name: "sw", Kind: GroupSwitch, Members: all})
	p.find(all[0], "silent", true)
	p.pass(3 * time.Second)
	p.want("after 3 s", "raised stream/c00:silent")
}

func TestDeclaredGroupHidesTheAddresses(t *testing.T) {
	all := streams(8)
	p := newPlay(t, all,
		Group{Name: "sw", Kind: GroupSwitch, Members: all},
		Group{Name: "address-a", Kind: GroupAddress, Members: all[:2], Auto: true},
		Group{Name: "address-b", Kind: GroupAddress, Members: all[2:4], Auto: true})
	for _, s := range all {
		p.find(s, "down", true)
	}
	p.pass(time.Minute)
	p.want("all", "raised group/sw:switch_down hides 8")
	p = newPlay(t, all, Group{Name: "sw", Kind: GroupSwitch, Members: all}, Group{Name: "address-a", Kind: GroupAddress, Members: all[:2], Auto: true})
	p.find(all[0], "down", true)
	p.find(all[1], "down", true)
	p.pass(time.Minute)
	p.want("one recorder", "raised group/address-a:address_down hides 2")
}

func TestOwnStallHoldsVerdicts(t *testing.T) {
	all := streams(3)
	p := newPlay(t, all)
	p.pass(10 * time.Second)
	p.now = p.now.Add(30 * time.Second) // nobody ran us
	p.b.look(p.now)
	for _, s := range all {
		p.find(s, "silent", true)
	}
	p.want("at waking up", "raised device:stall")
	p.pass(2 * time.Second)
	p.find(all[0], "silent", false) // their packets were waiting
	p.find(all[1], "silent", false)
	p.pass(4 * time.Second)
	p.want("the one that is really dead", "raised stream/c02:silent")
	p.pass(time.Minute)
	p.want("awake for a minute", "cleared device:stall")
}

func TestOperatorSays(t *testing.T) {
	p := newPlay(t, streams(2))
	p.find("stream/c00", "covered", true)
	p.want("raised", "raised stream/c00:covered")
	if err := p.b.act(p.now, Action{ID: "id2", By: "Sari", Note: "tim berangkat"}); err != nil {
		t.Fatal(err)
	}
	if a := p.said[0]; a.By != "Sari" || a.Note != "tim berangkat" {
		t.Errorf("acknowledged as %+v", a)
	}
	p.want("taken", "acknowledged stream/c00:covered")
	if err := p.b.act(p.now, Action{ID: "id2", By: "Sari", False: true}); err != nil {
		t.Fatal(err)
	}
	if a := p.said[0]; !a.False || p.b.False != 1 {
		t.Errorf("false alarm as %+v, counted %d", a, p.b.False)
	}
	p.want("called false", "cleared stream/c00:covered")
	p.pass(23 * time.Hour)
	p.find("stream/c00", "covered", true)
	p.want("still found: his word holds")
	p.find("stream/c00", "covered", false)
	p.pass(time.Minute)
	p.find("stream/c00", "covered", true)
	p.want("found anew", "raised stream/c00:covered")
	p.find("stream/c00", "covered", false)
	p.pass(time.Minute)
	p.tell()
	for range 2 { // an alarm that is over, and twice
		if err := p.b.act(p.now, Action{ID: "id3", By: "Sari", False: true}); err != nil {
			t.Fatal(err)
		}
	}
	if p.b.False != 2 {
		t.Errorf("%d false alarms, want 2", p.b.False)
	}
	if err := p.b.act(p.now, Action{ID: "nobody"}); !errors.As(err, new(UnknownError)) {
		t.Errorf("an alarm that there is not: %v", err)
	}
	c, _ := p.b.account()
	if c.FalseRate != nil && c.CameraDays < 1 || c.Raised != 2 || c.CameraDays < 1.9 || *c.FalseRate < 2/c.CameraDays*999 {
		t.Errorf("account %+v, want 2 raised and the rate over 2 cameras times 23 h", c)
	}
}

func TestFalseWordEndsAfterADay(t *testing.T) {
	p := newPlay(t, streams(1))
	p.find("stream/c00", "frozen", true)
	if err := p.b.act(p.now, Action{ID: "id2", False: true}); err != nil {
		t.Fatal(err)
	}
	p.tell()
	p.pass(falseFor + time.Second)
	p.want("a day later", "raised stream/c00:frozen")
}

func TestRestart(t *testing.T) {
	all := streams(14)
	g := Group{Name: "sw", Kind: GroupSwitch, Members: all[:12]}
	p := newPlay(t, all, g)
	for _, s := range g.Members {
		p.find(s, "down", true)
	}
	p.find(all[12], "black", true)
	p.find(all[13], "covered", true)
	p.pass(10 * time.Second)
	if err := p.b.act(p.now, Action{ID: p.said[0].ID, By: "Sari"}); err != nil {
		t.Fatal(err)
	}
	kept := map[string]uint64{}
	for _, a := range p.said {
		kept[a.ID] = max(kept[a.ID], a.N)
	}
	n := p.b.N
	p.b.keptUp(kept)
	p.b.save()
	p.tell()

	p.open(all, []Group{g})
	p.pass(8 * time.Second) // the cameras are dialled
	for _, s := range g.Members {
		p.find(s, "down", true)
	}
	p.find(all[12], "black", true)
	p.find(all[13], "covered", false)
	p.pass(time.Minute)
	p.want("nothing twice; the one that ended meanwhile ends", "cleared stream/c13:covered")
	if p.b.N != n+1 {
		t.Errorf("number %d, want it to go on from %d", p.b.N, n)
	}
	if a := p.b.tracks[key{"stream/c12", "black"}].alarm; a == nil || a.Text.ID == "" {
		t.Errorf("restored %+v, want its text", a)
	}

	// The power goes before the disk had the event: it is told again, as it was.
	p.find(all[13], "black", true)
	id := p.said[0].ID
	p.tell()
	p.open(all, []Group{g})
	if len(p.said) < 1 || p.said[len(p.said)-1].ID != id {
		t.Errorf("told again %+v, want %s", p.said, id)
	}
	p.tell()
	// A camera that is taken out of the configuration, and one that nobody finds.
	p.open(all[:13], []Group{g})
	p.pass(restoredFor + time.Minute)
	got := p.tell()
	for _, w := range []string{"cleared stream/c13:black", "cleared stream/c12:black", "cleared group/sw:switch_down"} {
		if !slices.Contains(got, w) {
			t.Errorf("told %q, want also %q", got, w)
		}
	}
	if s, _ := p.b.set(); s.Count != 0 {
		t.Errorf("still there: %+v", s)
	}
}

func TestDamagedMemoryIsLeft(t *testing.T) {
	for _, text := range []string{"", "{", `{"v":2}`, `{"v":1,"ledger":"x","n":1,"active":[{"alarm":{"id":"a","n":9}}]}`} {
		p := &play{t: t, now: began, saved: []byte(text)}
		p.open(streams(1), nil)
		p.find("stream/c00", "black", true)
		p.want(text, "raised stream/c00:black")
	}
}

func FuzzDecode(f *testing.F) {
	p := newPlay(&testing.T{}, streams(2))
	p.find("stream/c00", "black", true)
	f.Add(p.saved)
	f.Add([]byte(`{"v":1,"ledger":"x","n":3,"denied":[{"alarm":{"source":"stream/c00","condition":"down"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p := &play{t: t, now: began, saved: text}
		p.open(streams(2), []Group{{Name: "g", Kind: GroupSite, Members: streams(2)}})
		p.find("stream/c01", "down", true)
		p.pass(10 * time.Second)
		if _, err := decode(p.saved); err != nil {
			t.Errorf("what was saved can't be read: %v", err)
		}
	})
}

// heard is an Output.
type heard struct {
	mu   sync.Mutex
	said []report.Alarm
	sets []report.AlarmSet
}

func (h *heard) AlarmChanged(a report.Alarm) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, a)
}

func (h *heard) AlarmsNow(s report.AlarmSet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sets = append(h.sets, s)
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heard{}
		var saved []byte
		e := New(Config{Sources: streams(2), Save: func(b []byte) error { saved = b; return nil }}, h, slog.New(slog.NewTextHandler(io.Discard, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		for range 3 {
			e.Found(Finding{Source: "stream/c00", Condition: "down", Present: true})
			e.Found(Finding{Source: "stream/nobody", Condition: "down", Present: true})
			e.Found(Finding{Source: "stream/c00", Condition: "nothing", Present: true})
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if len(h.said) != 1 || h.said[0].State != report.AlarmRaised || len(saved) == 0 {
			t.Fatalf("told %+v", h.said)
		}
		if last := h.sets[len(h.sets)-1]; last.Count != 1 || last.N != 1 || last.Alarms[0].ID != h.said[0].ID || len(h.sets) != 2 {
			t.Errorf("sets %+v, want one at the start and one with the alarm", h.sets)
		}
		if err := e.Act(ctx, Action{ID: h.said[0].ID, By: "Sari"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if c, by := e.Status(); c.Raised != 1 || c.Active != 1 || by[report.Major] != 1 || h.said[1].State != report.AlarmAcknowledged {
			t.Errorf("status %+v %v, told %+v", c, by, h.said)
		}
		e.Kept(h.said[1].ID, h.said[1].N)
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		f, err := decode(saved)
		if err != nil || len(f.Active) != 1 || f.Active[0].Kept != 2 {
			t.Errorf("saved %s: %v", saved, err)
		}
	})
}

// TestFlappingCauseTellsLittle: a camera that comes and goes all day, and fails
// in another way each time, has its other alarms hidden and shown and its cause
// told anew with each turn. That must not fill the event lane, and the last word
// must be true.
func TestFlappingCauseTellsLittle(t *testing.T) {
	p := newPlay(t, streams(1))
	for _, c := range []string{"codec", "size", "fps"} {
		p.find("stream/c00", c, true)
	}
	p.pass(5 * time.Minute)
	p.tell()
	const day = 24 * time.Hour
	for i := range int(day / (28 * time.Second)) {
		cause := []string{"camera", "credentials"}[i%2]
		p.b.take(p.now, map[key]Finding{{"stream/c00", "down"}: {Source: "stream/c00", Condition: "down", Present: true, Confidence: 0.9, Cause: cause}})
		p.pass(16 * time.Second)
		p.find("stream/c00", "down", false)
		p.pass(12 * time.Second)
	}
	const turns = turnBurst + int(day/turnEvery)
	if n, most := len(p.tell()), 3*2*turns+turns+10; n > most || n < most/2 {
		t.Errorf("%d changes in a day, want at most %d, and half of them", n, most)
	}
	p.pass(time.Hour)
	for _, a := range p.b.tracks {
		if a.alarm != nil && (a.alarm.HiddenBy != "" || a.alarm.State != report.AlarmRaised) {
			t.Errorf("an hour later %s is %s, hidden by %q", a.name(), a.alarm.State, a.alarm.HiddenBy)
		}
	}
}
