package agent

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/kiosk"
	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/hal"
	"kentongan/hal/sim"
)

// honest is how soon a press is to be answered: what feels immediate (Nielsen,
// Usability Engineering, 1993, chapter 5).
const honest = 100 * time.Millisecond

// BenchmarkPressToLamp measures from the edge to the lamp, over a real spool in
// $TMPDIR, and after each press one write and fdatasync of 4 KiB in the same
// place, which is the least that a durable press can cost there and then.
func BenchmarkPressToLamp(b *testing.B) {
	raw := rawSync(b)
	var bare []time.Duration
	answered, saved := pressToLamp(b, spool.OS, max(b.N, 100), func(*kiosk.Kiosk) { bare = append(bare, raw()) })
	slices.Sort(answered)
	slices.Sort(saved)
	slices.Sort(bare)
	late := 0
	for _, d := range saved {
		if d > honest {
			late++
		}
	}
	b.ReportMetric(0, "ns/op")
	for name, of := range map[string][]time.Duration{"lamp": answered, "saved": saved, "fdatasync": bare} {
		b.ReportMetric(float64(of[len(of)/2].Microseconds()), "µs-p50-"+name)
		b.ReportMetric(float64(of[len(of)*99/100].Microseconds()), "µs-p99-"+name)
		b.ReportMetric(float64(of[len(of)-1].Microseconds()), "µs-worst-"+name)
	}
	b.ReportMetric(float64(late), "saved-over-100ms")
}

// rawSync writes the next 4 KiB of a file that was written before, as the spool's
// are, and syncs it.
func rawSync(b *testing.B) func() time.Duration {
	b.Helper()
	const size, page = 8 << 20, 4 << 10
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err == nil {
		_, err = f.Write(make([]byte, size))
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	text, at := bytes.Repeat([]byte("x"), page), int64(0)
	return func() time.Duration {
		began := time.Now()
		if _, err := f.WriteAt(text, at); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		at = (at + page) % size
		return time.Since(began)
	}
}

// stalling is a file system whose disk hangs for a while at a sync.
type stalling struct {
	spool.FS
	stall *atomic.Int64 // nanoseconds
}

type stallingFile struct {
	spool.File
	stall *atomic.Int64
}

func (s stalling) Create(name string) (spool.File, error) {
	f, err := s.FS.Create(name)
	return stallingFile{f, s.stall}, err
}

func (s stalling) Open(name string, write bool) (spool.File, error) {
	f, err := s.FS.Open(name, write)
	return stallingFile{f, s.stall}, err
}

func (f stallingFile) Sync() error {
	time.Sleep(time.Duration(f.stall.Load()))
	return f.File.Sync()
}

// A disk that stalls is seen to work while it does, on the lamp and the screen, and
// nothing says saved before it is. The spool and its files are real; the disk's
// stall is played.
func TestStalledDiskIsSeenToWork(t *testing.T) {
	t.Parallel()
	var stall atomic.Int64
	working := 0
	answered, saved := pressToLamp(t, stalling{spool.OS, &stall}, 2, func(k *kiosk.Kiosk) {
		s := k.Show()
		if s.Working {
			working++
			if s.Newest != nil && s.Newest.Seq > 1 {
				t.Errorf("at work and saved: %+v", s)
			}
		}
		stall.Store(int64(3 * time.Second)) // of the next press
	})
	if answered[1] >= saved[1] || saved[1] < time.Second {
		t.Errorf("the lamp answers after %v and it is saved after %v, want the answer while the disk stalls", answered, saved)
	}
	if working == 0 {
		t.Error("not shown at work at the press whose disk stalls")
	}
}

// pressToLamp returns the times of n presses until the lamp answers, steady or not,
// and until each is saved; it calls look at each answer.
func pressToLamp(t testing.TB, fsys spool.FS, n int, look func(*kiosk.Kiosk)) (answered, saved []time.Duration) {
	t.Helper()
	clock, err := newClock()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s, err := spool.Open(t.TempDir(), spool.Options{Device: "kiosk-7", Stamp: clock.stamp, Log: log, FS: fsys,
		Quota: map[report.Lane]int64{report.Complaint: 8 << 20, report.Event: 1 << 20, report.Telemetry: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	board, err := sim.Open(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	lit, kept := make(chan time.Time, 256), make(chan time.Time, 1)
	k, err := kiosk.New(kiosk.Config{
		Number: 7, Dir: t.TempDir(), Save: saveFile, Epoch: s.Epoch(), Head: func() report.Head { return s.Head(report.Complaint) },
		Cooldown: time.Nanosecond, Debounce: time.Nanosecond, OnKept: func(kiosk.Kept) { kept <- time.Now() },
		Buttons: []kiosk.Button{{Name: "road", Line: hal.LineConfig{Line: "GPIO17"}, ServiceCode: "jalan-rusak"}},
		Lamps:   kiosk.Lamps{Saved: &kiosk.Lamp{LineConfig: hal.LineConfig{Name: "saved", Line: "GPIO22"}}},
	}, litBoard{board, lit}, s, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	for k.Status().Fault {
		time.Sleep(time.Millisecond) // until it has opened its lines
	}
	for range n {
		for len(lit) > 0 {
			<-lit // the end of the press before
		}
		began := time.Now()
		if err := board.Set("GPIO17", true); err != nil {
			t.Fatal(err)
		}
		answered = append(answered, (<-lit).Sub(began))
		look(k)
		saved = append(saved, (<-kept).Sub(began))
		if err := board.Set("GPIO17", false); err != nil {
			t.Fatal(err)
		}
		if seq := s.Head(report.Complaint).Next - 1; seq%100 == 0 { // as the centre would, or the lane is full
			if err := s.Ack(report.Complaint, seq); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return answered, saved
}

// litBoard tells when its lamp is lit, also when it was.
type litBoard struct {
	*sim.Board
	lit chan time.Time
}

func (w litBoard) OpenOutput(c hal.LineConfig) (hal.Output, error) {
	o, err := w.Board.OpenOutput(c)
	return litLamp{o, w.lit}, err
}

type litLamp struct {
	hal.Output
	lit chan time.Time
}

func (l litLamp) Out(v gpio.Level) error {
	err := l.Output.Out(v)
	if v == gpio.High {
		select {
		case l.lit <- time.Now():
		default: // it blinks, and nobody looks
		}
	}
	return err
}

// TestEndWithinAChange: the agent ends between the end of one kiosk and the beginning
// of the next. A press that waits in the open line is kept all the same.
func TestEndWithinAChange(t *testing.T) {
	t.Parallel()
	l := goLive(t, liveHead+`board: {driver: sim, socket: board.sock}
kiosk:
  number: 7
  buttons: [{name: road, line: GPIO17, service_code: x, category: y, label: {id: a, en: b}}]
`)
	l.hasItsLine()
	l.a.kiosk.Load().Leave(l.a.living, kioskConfig(l.a.current().Kiosk))
	l.a.crew.stop([]string{"kiosk"})
	l.press()
	l.end()
	err := <-l.ended
	l.ended <- err
	s, err := spool.Open(filepath.Join(l.a.cfg.Data, "spool"), l.a.spoolOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := len(records(t, s, report.Complaint)); n != 1 {
		t.Errorf("%d presses kept, want 1:\n%s", n, l.log)
	}
}
