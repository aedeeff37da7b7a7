package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/kiosk"
	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/hal"
	"kentongan/hal/sim"
)

// syncs is a disk whose flushes take a time, and that counts those of complaints
// which have returned.
type syncs struct {
	stalling
	done *atomic.Int64
}

type syncsFile struct {
	spool.File
	done *atomic.Int64
}

func (s syncs) Open(name string, write bool) (spool.File, error) {
	f, err := s.stalling.Open(name, write)
	return syncsFile{f, s.done}, err
}

func (f syncsFile) Sync() error {
	err := f.File.Sync()
	f.done.Add(1)
	return err
}

// A disk that takes 30 s for each flush, as a card does that has begun to die. The
// lamps say at work, then fault, and saved for no press whose flush has not
// returned; each press is kept, once; and when the disk is quick again, so is the
// kiosk.
func TestDiskStallsFor30s(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stall, presses = 30 * time.Second, 7
		var late, flushed atomic.Int64
		began := time.Now()
		stamp := func() report.Stamp {
			return report.Stamp{Time: time.Now(), Clock: report.ClockSynced, Boot: "0badcafe", Uptime: time.Since(began)}
		}
		log := slog.New(slog.DiscardHandler)
		s, err := spool.Open(t.TempDir(), spool.Options{Device: "kiosk-7", Stamp: stamp, Log: log, FS: syncs{stalling{spool.OS, &late}, &flushed},
			Quota: map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 1 << 20, report.Telemetry: 1 << 20}})
		if err != nil {
			t.Fatal(err)
		}
		board, err := sim.Open(sim.Options{Now: func() time.Duration { return time.Since(began) }})
		if err != nil {
			t.Fatal(err)
		}
		defer board.Close()
		var mu sync.Mutex
		kept, sum := map[string]bool{}, 0
		var before atomic.Int64 // flushes at the newest press
		k, err := kiosk.New(kiosk.Config{
			Number: 7, Dir: t.TempDir(), Save: saveFile, Epoch: s.Epoch(), Head: func() report.Head { return s.Head(report.Complaint) }, Cooldown: time.Second,
			OnKept: func(p kiosk.Kept) {
				mu.Lock()
				defer mu.Unlock()
				if flushed.Load() <= before.Load() {
					t.Errorf("ticket %s is said to be kept, and no flush has returned since its press", p.Ticket)
				}
				if kept[p.Ticket] {
					t.Errorf("ticket %s is kept twice", p.Ticket)
				}
				kept[p.Ticket] = true
				sum += p.Presses
			},
			Buttons: []kiosk.Button{{Name: "road", Line: hal.LineConfig{Line: "GPIO17"}, ServiceCode: "jalan-rusak"}, {Name: "water", Line: hal.LineConfig{Line: "GPIO27"}, ServiceCode: "air-bersih"}},
			Lamps:   kiosk.Lamps{Saved: &kiosk.Lamp{LineConfig: hal.LineConfig{Name: "saved", Line: "GPIO22"}}, Fault: &kiosk.Lamp{LineConfig: hal.LineConfig{Name: "fault", Line: "GPIO24"}}},
		}, board, s, log)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- k.Run(ctx) }()
		time.Sleep(time.Second)
		press := func(line string) {
			for _, down := range []bool{true, false} {
				if err := board.Set(line, down); err != nil {
					t.Fatal(err)
				}
				time.Sleep(200 * time.Millisecond)
			}
		}
		number := func() int { mu.Lock(); defer mu.Unlock(); return len(kept) }

		before.Store(flushed.Load())
		late.Store(int64(stall))
		press("GPIO17")
		if s := k.Show(); !s.Working || s.Newest != nil {
			t.Errorf("0.4 s after the press it shows %+v, want at work", s)
		}
		time.Sleep(10 * time.Second)
		if st := k.Status(); !st.Fault || number() != 0 {
			t.Errorf("10 s after the press: fault lamp %v, %d kept; want the lamp, and none", st.Fault, number())
		}
		for n := range presses - 2 { // by people who press again, and others
			press([]string{"GPIO17", "GPIO27"}[n%2])
			time.Sleep(2 * time.Second)
		}
		time.Sleep(5 * stall)
		late.Store(0)
		time.Sleep(2 * stall)
		mu.Lock()
		if sum != presses-1 {
			t.Errorf("%d presses are in records, want %d", sum, presses-1)
		}
		mu.Unlock()
		if st := k.Status(); st.Fault {
			t.Error("the disk is quick again, and the fault lamp is on")
		}
		before.Store(flushed.Load())
		press("GPIO17")
		time.Sleep(time.Second)
		if mu.Lock(); sum != presses {
			t.Errorf("%d presses are in records after the stall, want %d", sum, presses)
		}
		mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		counted := 0
		got, err := s.Read(report.Complaint, 1, 100, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got {
			r, err := report.DecodeRecord(e.Line)
			if err != nil {
				t.Fatal(err)
			}
			counted += pressesIn(t, r)
		}
		if counted != presses {
			t.Errorf("the lane holds %d presses, want %d", counted, presses)
		}
		told := ""
		events, err := s.Read(report.Event, 1, 100, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if r, err := report.DecodeRecord(e.Line); err == nil && r.Kind == report.KindLine {
				told += string(r.Body) + "\n"
			}
		}
		if !strings.Contains(told, `"state":"unkept","detail":"the disk takes longer than 5s`) || !strings.Contains(told, "unkept is over") {
			t.Errorf("the events tell of the stall:\n%s", told)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func pressesIn(t *testing.T, r report.Record) int {
	t.Helper()
	if r.Kind != report.KindPress {
		return 0
	}
	var p report.Press
	if err := json.Unmarshal(r.Body, &p); err != nil {
		t.Fatal(err)
	}
	return p.Presses
}
