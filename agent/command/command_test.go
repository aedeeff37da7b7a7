package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
)

var errPower = errors.New("the power is off")

// rig is a device that can lose its power at any write.
type rig struct {
	t         *testing.T
	signer    note.Signer
	keys      note.Verifiers
	clock     report.Clock
	offset    time.Duration // of the device's clock
	saved     []byte
	forgotten bool // the agent found saved damaged
	results   []report.CommandResult
	did       []string // ids of what was done
	handlers  []Handler
	cutAt     int // the n-th write is the last that happens; 0 is never
	writes    int
	cut       context.CancelFunc

	r    *Runner
	end  context.CancelFunc
	done chan error
}

func newRig(t *testing.T) *rig {
	t.Helper()
	skey, vkey, err := note.GenerateKey(nil, "centre")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, signer: s, keys: note.VerifierList(v), clock: report.ClockSynced}
	do := func(_ context.Context, o report.Order) (string, error) { g.did = append(g.did, o.ID); return "", nil }
	g.handlers = []Handler{{Name: "tell", Limit: time.Minute, Do: do}, {Name: "send", Clock: true, Limit: time.Minute, Do: do}}
	return g
}

// write is one thing that reaches the disk, or not.
func (g *rig) write(do func()) error {
	g.writes++
	if g.cutAt > 0 && g.writes > g.cutAt {
		return errPower
	}
	do()
	if g.writes == g.cutAt {
		g.cut()
	}
	return nil
}

func (g *rig) Keep(_ context.Context, r report.CommandResult) error {
	return g.write(func() { g.results = append(g.results, r) })
}
func (g *rig) Mark() uint64 { return uint64(len(g.results)) }
func (g *rig) Kept(id string, since uint64) bool {
	return slices.ContainsFunc(g.results[since:], func(r report.CommandResult) bool { return r.ID == id })
}

func (g *rig) start() {
	g.t.Helper()
	var err error
	saved := g.saved
	if g.forgotten {
		saved = nil
	}
	g.r, err = New(Config{
		Forgotten: g.forgotten,
		Device:    "kiosk-7", Keys: g.keys, Handlers: g.handlers, Keeper: g, Saved: saved,
		Now: func() (time.Time, report.Clock) { return time.Now().Add(g.offset), g.clock },
		Save: func(text []byte) error {
			return g.write(func() { g.saved = bytes.Clone(text) })
		},
	}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(g.t.Context())
	g.end, g.cut, g.done = cancel, cancel, make(chan error, 1)
	go func() { g.done <- g.r.Run(ctx) }()
}

func (g *rig) stop() {
	g.t.Helper()
	g.end()
	if err := <-g.done; err != nil {
		g.t.Fatal(err)
	}
}

var counter uint64

func (g *rig) order(name string) report.Order {
	counter++
	now := time.Now().UTC().Truncate(time.Second)
	return report.Order{Device: "kiosk-7", Name: name, ID: fmt.Sprintf("%016x", counter), Counter: counter, NotBefore: now, Expires: now.Add(10 * time.Minute), Arguments: []byte("{}")}
}

func (g *rig) sign(o report.Order) []byte {
	g.t.Helper()
	msg, err := o.Sign(g.signer)
	if err != nil {
		g.t.Fatal(err)
	}
	return msg
}

// deliver brings a message and waits until it is dealt with.
func (g *rig) deliver(name string, msg []byte) {
	g.r.Deliver(name, msg)
	synctest.Wait()
}

func TestOneResultForEachOrder(t *testing.T) {
	tests := map[string]struct {
		change func(g *rig, o *report.Order)
		want   string // state reason
	}{
		"good":                               {func(*rig, *report.Order) {}, "succeeded "},
		"unknown command":                    {func(_ *rig, o *report.Order) { o.Name = "reboot" }, "rejected unknown"},
		"expired":                            {func(g *rig, _ *report.Order) { g.offset = 11 * time.Minute }, "rejected expired"},
		"expired just now":                   {func(g *rig, _ *report.Order) { g.offset = 10 * time.Minute }, "rejected expired"},
		"not yet":                            {func(g *rig, _ *report.Order) { g.offset = -3 * time.Minute }, "rejected early"},
		"not yet, within what clocks differ": {func(g *rig, _ *report.Order) { g.offset = -time.Minute }, "succeeded "},
		"lives too long":                     {func(_ *rig, o *report.Order) { o.Expires = o.NotBefore.Add(25 * time.Hour) }, "rejected life"},
		"ends before it begins":              {func(_ *rig, o *report.Order) { o.Expires = o.NotBefore.Add(-time.Hour) }, "rejected life"},
		"no clock, something that is told":   {func(g *rig, _ *report.Order) { g.clock, g.offset = report.ClockUnset, -50*365*24*time.Hour }, "succeeded "},
		"no clock, something that leaves":    {func(g *rig, o *report.Order) { g.clock, o.Name = report.ClockUnset, "send" }, "rejected clock"},
		"clock a day behind, something told": {func(g *rig, _ *report.Order) { g.clock, g.offset = report.ClockEstimated, -24*time.Hour }, "succeeded "},
		"clock a day behind, something leaves": {func(g *rig, o *report.Order) {
			g.clock, g.offset, o.Name = report.ClockEstimated, -24*time.Hour, "send"
		}, "rejected early"},
		"it fails": {func(g *rig, _ *report.Order) {
			g.handlers[0].Do = func(context.Context, report.Order) (string, error) { return "", errors.New("no camera") }
		}, "failed "},
		"it hangs": {func(g *rig, _ *report.Order) {
			g.handlers[0].Do = func(ctx context.Context, _ report.Order) (string, error) { <-ctx.Done(); return "", ctx.Err() }
		}, "failed "},
		"arguments that make no sense": {func(g *rig, o *report.Order) {
			g.handlers[0].Do = func(_ context.Context, o report.Order) (string, error) { return "", arguments(o, &struct{}{}) }
			o.Arguments = []byte(`{"colour":"red"}`)
		}, "rejected arguments"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t)
				o := g.order("tell")
				tt.change(g, &o)
				g.start()
				msg := g.sign(o)
				for range 20 { // the centre repeats it, or somebody else does
					g.deliver(o.Name, msg)
					time.Sleep(5 * time.Second)
				}
				g.stop()
				g.start() // and after a restart
				g.deliver(o.Name, msg)
				g.stop()
				if len(g.results) != 1 || g.results[0].State+" "+g.results[0].Reason != tt.want || g.results[0].ID != o.ID {
					t.Errorf("results %+v, want one: %s", g.results, tt.want)
				}
				if len(g.did) > 1 {
					t.Errorf("done %d times", len(g.did))
				}
			})
		})
	}
}

// Whatever a hostile broker brings, nothing is done, and it can't fill the
// event lane.
func TestStrangersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.start()
		other := newRig(t)
		theirs := g.order("tell")
		theirs.Device = "kiosk-8"
		good := g.sign(g.order("tell"))
		messages := []struct {
			name, reason string
			msg          []byte
		}{
			{"tell", report.RejectLarge, bytes.Repeat([]byte("x"), report.MaxOrderBytes+1)},
			{"tell", report.RejectMalformed, []byte("please")},
			{"tell", report.RejectForged, bytes.Replace(good, []byte("{}"), []byte("[]"), 1)},
			{"tell", report.RejectKey, other.sign(g.order("tell"))},
			{"tell", report.RejectDevice, g.sign(theirs)},
			{"send", report.RejectDevice, good}, // for another command
		}
		for _, m := range messages {
			g.deliver(m.name, m.msg)
			time.Sleep(2 * time.Minute)
		}
		for i, m := range messages {
			if got := g.results[i]; got.State != report.CommandRejected || got.Reason != m.reason || got.ID != "" {
				t.Errorf("%s: result %+v, want it rejected as %s, without an id", m.reason, got, m.reason)
			}
		}
		before := len(g.results)
		for range 3600 * 10 { // ten a second for an hour
			g.deliver("tell", []byte("noise"))
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(g.results) - before; n < 60 || n > 66 {
			t.Errorf("%d records in an hour of noise, want one a minute and five", n)
		}
		told := 0
		for _, r := range g.results {
			told += 1 + r.More
		}
		if want := len(messages) + 3600*10; told < want-700 || told > want {
			t.Errorf("%d of %d rejections are told or counted", told, want)
		}
		g.deliver("tell", g.sign(g.order("tell")))
		g.stop()
		if len(g.did) != 1 {
			t.Error("a good order behind the noise was not done")
		}
	})
}

// The power goes at each write in turn: every order is done at most once, and
// has exactly one result when the device is back.
func TestPowerCutAtEachWrite(t *testing.T) {
	for cut := 1; cut <= 8; cut++ {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRig(t)
				g.cutAt = cut
				g.start()
				a, b := g.order("tell"), g.order("tell")
				orders := [][]byte{g.sign(a), g.sign(b)}
				for _, msg := range orders {
					g.deliver("tell", msg)
				}
				g.stop()
				g.cutAt = 0
				g.start()
				for range 3 {
					for _, msg := range orders {
						g.deliver("tell", msg)
					}
				}
				g.stop()
				for _, o := range []report.Order{a, b} {
					var results []report.CommandResult
					for _, r := range g.results {
						if r.ID == o.ID {
							results = append(results, r)
						}
					}
					done := 0
					for _, id := range g.did {
						if id == o.ID {
							done++
						}
					}
					if len(results) != 1 || done > 1 || results[0].State == report.CommandSucceeded && done != 1 {
						t.Errorf("order %s: done %d times, results %+v", o.ID, done, results)
					}
				}
			})
		})
	}
}

func TestDiskThatRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.start()
		g.cutAt, g.writes, g.cut = 1, 1, func() {} // every write fails
		msg := g.sign(g.order("tell"))
		g.deliver("tell", msg)
		if len(g.did) != 0 {
			t.Fatal("done without a memory of it")
		}
		g.cutAt = 0
		g.deliver("tell", msg) // the centre repeats it
		g.stop()
		if len(g.did) != 1 || len(g.results) != 1 {
			t.Errorf("done %d times, results %+v", len(g.did), g.results)
		}
	})
}

// An old order that the device has forgotten is no new one.
func TestReplayOfAForgottenOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.start()
		first := g.sign(g.order("tell"))
		g.deliver("tell", first)
		late := g.order("tell") // held back by the broker for a while
		for range maxSeen + 5 {
			g.deliver("tell", g.sign(g.order("tell")))
		}
		g.results = nil
		g.deliver("tell", first)
		g.deliver("tell", g.sign(late))
		g.stop()
		if len(g.did) != maxSeen+6 || len(g.results) != 2 || g.results[0].Reason != report.RejectReplay || g.results[1].Reason != report.RejectReplay {
			t.Errorf("done %d, results %+v", len(g.did), g.results)
		}
		if n := len(g.saved); n > 64<<10 {
			t.Errorf("memory of %d bytes", n)
		}
	})
}

// A damaged memory does not let what was signed before the damage happen again,
// and is remembered over a restart.
func TestLostMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.start()
		before := g.sign(g.order("tell"))
		g.deliver("tell", before)
		g.stop()
		time.Sleep(time.Minute)
		g.saved, g.forgotten = []byte(`{"v":1,"fl`), true
		g.start()
		g.deliver("tell", before)
		time.Sleep(time.Minute)
		g.deliver("tell", g.sign(g.order("tell")))
		g.stop()
		g.forgotten = false
		g.start()
		g.deliver("tell", before)
		g.stop()
		if len(g.did) != 2 {
			t.Errorf("done %d orders, want one before the damage and one after", len(g.did))
		}
		if len(g.results) != 4 || g.results[1].Reason != report.RejectReplay || g.results[3].Reason != report.RejectReplay {
			t.Errorf("results %+v", g.results)
		}
	})
}

// What the centre signed later than an order's end is a clock good enough to
// refuse it, on a board whose own says 1970.
func TestOrderHeldBackOnABoardWithoutAClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.clock = report.ClockUnset
		g.offset = -50 * 365 * 24 * time.Hour
		g.start()
		held := g.sign(g.order("tell"))
		time.Sleep(time.Hour)
		g.deliver("tell", g.sign(g.order("tell")))
		g.deliver("tell", held)
		g.stop()
		if len(g.did) != 1 || g.results[1].Reason != report.RejectExpired {
			t.Errorf("done %d, results %+v", len(g.did), g.results)
		}
	})
}

// shelf is Records, and a camera.
type shelf struct {
	kept []any
	full bool
	pic  Picture
}

func (s *shelf) Append(_ context.Context, lane report.Lane, kind string, body any) (uint64, error) {
	if s.full {
		return 0, errors.New("no space left on device")
	}
	s.kept = append(s.kept, body)
	if want := map[report.Lane]string{report.Event: report.KindSnapshot, report.Telemetry: report.KindSnapshotPiece}[lane]; want != kind {
		return 0, fmt.Errorf("kind %s in lane %s", kind, lane)
	}
	return uint64(len(s.kept)), nil
}

func (s *shelf) Snapshot(_ context.Context, stream string) (Picture, error) {
	if stream != "gate" {
		return Picture{}, errors.New("no such stream")
	}
	return s.pic, nil
}

func TestSnapshot(t *testing.T) {
	good := `{"stream":"gate","who":"Sari","reason":"laporan warga"}`
	tests := map[string]struct {
		args string
		pic  int
		full bool
		kept int
		want string // in the error
		bad  bool
	}{
		"three pieces":           {good, 2*report.PieceBytes + 1, false, 4, "", false},
		"no reason":              {`{"stream":"gate","who":"Sari","reason":" "}`, 10, false, 0, "reason", true},
		"nobody":                 {`{"stream":"gate","reason":"x"}`, 10, false, 0, "who", true},
		"another argument":       {`{"stream":"gate","who":"S","reason":"x","unmasked":true}`, 10, false, 0, "unmasked", true},
		"no such stream":         {strings.Replace(good, "gate", "yard", 1), 10, false, 0, "no such stream", false},
		"empty":                  {good, 0, false, 0, "empty", false},
		"too large":              {good, report.MaxSnapshotBytes + 1, false, 0, "more than", false},
		"its record is not kept": {good, 10, true, 0, "does not leave", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &shelf{full: tt.full, pic: Picture{Format: "jpeg", Bytes: bytes.Repeat([]byte{7}, tt.pic), Width: 640, Height: 360, TakenAt: time.Now()}}
			_, err := Snapshot(s, s).Do(t.Context(), report.Order{ID: "5f0c9a1d2e4b5a67", Arguments: json.RawMessage(tt.args)})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || errors.As(err, new(BadArguments)) != tt.bad {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if len(s.kept) != tt.kept {
				t.Fatalf("%d records, want %d", len(s.kept), tt.kept)
			}
			if tt.kept == 0 {
				return
			}
			rec := s.kept[0].(report.Snapshot)
			var all []byte
			for _, p := range s.kept[1:] {
				all = append(all, p.(report.SnapshotPiece).Data...)
			}
			if rec.Who != "Sari" || rec.Reason != "laporan warga" || rec.Pieces != 3 || rec.Size != len(all) || rec.SHA256 != report.HashLine(all) || !bytes.Equal(all, s.pic.Bytes) {
				t.Errorf("record %+v of %d bytes", rec, len(all))
			}
		})
	}
}

func FuzzMemory(f *testing.F) {
	f.Add([]byte(`{"v":1,"floor":3,"known":"2026-11-26T10:00:00Z","seen":[{"id":"5f0c9a1d2e4b5a67","name":"tell","counter":4,"done":true}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var m memory
		if m.decode(text) == nil {
			m.add(entry{ID: "5f0c9a1d2e4b5a68", Counter: 9})
			_ = m.open()
			if len(m.Seen) > maxSeen {
				t.Errorf("%d orders", len(m.Seen))
			}
		}
	})
}
