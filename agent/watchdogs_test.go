package agent

import (
	"context"
	"errors"
	"log/slog"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/agent/spool/memdisk"
	"kentongan/agent/watchdog"
	"kentongan/hal"
	"kentongan/hal/sim"
)

func TestWriting(t *testing.T) {
	began := time.Unix(0, 0)
	var w writing
	for _, step := range []struct {
		at      time.Duration
		syncs   int64
		refuses bool
		well    bool
	}{
		{0, 0, false, true}, {time.Minute, 0, false, true}, {61 * time.Second, 0, false, false},
		{62 * time.Second, 1, false, true}, {121 * time.Second, 1, false, true}, {123 * time.Second, 1, false, false},
		{124 * time.Second, 1, true, true}, {500 * time.Second, 1, true, true}, {560 * time.Second, 1, false, true}, {561 * time.Second, 1, false, false},
	} {
		if err := w.check(step.syncs, step.refuses, began.Add(step.at), time.Minute); (err == nil) != step.well {
			t.Errorf("at %v with %d syncs: %v", step.at, step.syncs, err)
		}
	}
}

// TestWritingTakesAnotherTime: who measures oftener from now on has not been
// silent for too long.
func TestWritingTakesAnotherTime(t *testing.T) {
	began := time.Unix(0, 0)
	var w writing
	if err := w.check(1, false, began, time.Hour); err != nil {
		t.Error(err)
	}
	if err := w.check(1, false, began.Add(50*time.Minute), time.Minute); err != nil {
		t.Errorf("the old time does not count any more: %v", err)
	}
	if err := w.check(2, false, began.Add(51*time.Minute), time.Minute); err != nil {
		t.Error(err)
	}
	if err := w.check(2, false, began.Add(53*time.Minute), time.Minute); err == nil {
		t.Error("the new time does not count")
	}
	if err := w.check(2, false, began.Add(54*time.Minute), time.Hour); err != nil {
		t.Errorf("a longer time comes at once: %v", err)
	}
}

// slowDisk refuses, or hangs until it is freed.
type slowDisk struct {
	hang chan struct{}
}

func (d slowDisk) Append(context.Context, report.Lane, string, any) (uint64, error) {
	if d.hang != nil {
		<-d.hang
	}
	return 0, errors.New("read-only file system")
}

// A journal whose disk refuses answers; one whose disk hangs does not.
func TestJournalAnswers(t *testing.T) {
	for name, hangs := range map[string]bool{"refuses": false, "hangs": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d slowDisk
				if hangs {
					d.hang = make(chan struct{})
				}
				j := newJournal("kiosk-7", d, nil, slog.New(slog.DiscardHandler))
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					j.run()
				}()
				j.add(report.Event, report.KindBoot, report.Boot{})
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := j.pulse.Ask(ctx); (err != nil) != hangs {
					t.Errorf("answer: %v", err)
				}
				if hangs {
					close(d.hang)
				}
				j.close()
				<-ended
			})
		})
	}
}

// ignored is an output for whom nothing matters.
type ignored struct{}

func (ignored) WatchdogChanged(report.WatchdogState) {}

// TestRefusedDiskIsBorne: a disk that refuses every write does not have the board
// reset before its patience is over, though nothing is written meanwhile.
func TestRefusedDiskIsBorne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, err := sim.Open(sim.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer board.Close()
		disk, log := memdisk.New(), slog.New(slog.DiscardHandler)
		cfg := &config.Config{StatsEvery: 10 * time.Second, Spool: config.Spool{TelemetryDelay: 10 * time.Second}}
		a := &Agent{cfg: cfg}
		a.now.Store(cfg)
		if a.spool, err = spool.Open("/s", spool.Options{Device: "kiosk-7", Stamp: (&clock{}).stamp, FS: disk, Log: log}); err != nil {
			t.Fatal(err)
		}
		defer a.spool.Close()
		disk.Mu.Lock()
		disk.Fault = func(op, _ string, _ int64) error {
			if op == "read" || op == "open" {
				return nil
			}
			return syscall.EROFS
		}
		disk.Mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		store := a.storeChecks()
		guard := watchdog.New(watchdog.Config{
			WatchdogConfig: hal.WatchdogConfig{Device: "/dev/watchdog0", Timeout: 15 * time.Second},
			Checks:         func() []watchdog.Check { return store },
		}, board, ignored{}, log)
		go func() { _ = guard.Run(ctx) }()
		measure := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(cfg.StatsEvery) {
				_, _ = a.spool.Append(ctx, report.Event, "test", "refused")
			}
		}
		measure(diskPatience - 30*time.Second)
		if n := board.Watchdog().Resets; n != 0 {
			t.Errorf("%d resets before the patience with the disk is over", n)
		}
		measure(2 * time.Minute)
		if n := board.Watchdog().Resets; n == 0 {
			t.Error("a disk that refuses for longer is borne for ever")
		}
		cancel()
		synctest.Wait()
	})
}

// TestRefusalThatIsOverResetsNothing: a disk that refused for some minutes, while
// nobody pressed, is no reason for a reset once it takes again; nor is a lane that is
// full because the centre is away.
func TestRefusalThatIsOverResetsNothing(t *testing.T) {
	for name, full := range map[string]bool{"refused for minutes": false, "lane is full": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, disk := new(Agent), memdisk.New()
				refuses := func(err error) {
					disk.Mu.Lock()
					defer disk.Mu.Unlock()
					disk.Fault = func(op, _ string, _ int64) error {
						if op == "sync" {
							return err
						}
						return nil
					}
				}
				if !full {
					refuses(syscall.EIO)
				}
				o := spool.Options{Device: "kiosk-7", Stamp: (&clock{}).stamp, FS: disk, Log: slog.New(slog.DiscardHandler), Quota: map[report.Lane]int64{report.Complaint: 64 << 10}}
				var err error
				if a.spool, err = spool.Open("/s", o); err != nil {
					t.Fatal(err)
				}
				defer a.spool.Close()
				for full && err == nil {
					_, err = a.spool.Append(t.Context(), report.Complaint, "test", "press")
				}
				if full && !errors.Is(err, spool.ErrFull) {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Minute)
				refuses(nil)
				time.Sleep(time.Minute) // in which nobody presses, and nothing is measured
				if err := a.diskTakes(); err != nil {
					t.Errorf("a minute after the disk takes again: %v", err)
				}
			})
		})
	}
}
