package agent

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

func TestWriting(t *testing.T) {
	began := time.Unix(0, 0)
	var w writing
	for _, step := range []struct {
		at    time.Duration
		syncs int64
		well  bool
	}{{0, 0, true}, {time.Minute, 0, true}, {61 * time.Second, 0, false}, {62 * time.Second, 1, true}, {121 * time.Second, 1, true}, {123 * time.Second, 1, false}} {
		if err := w.check(step.syncs, began.Add(step.at), time.Minute); (err == nil) != step.well {
			t.Errorf("at %v with %d syncs: %v", step.at, step.syncs, err)
		}
	}
}

// TestWritingTakesAnotherTime: who measures oftener from now on has not been
// silent for too long.
func TestWritingTakesAnotherTime(t *testing.T) {
	began := time.Unix(0, 0)
	var w writing
	if err := w.check(1, began, time.Hour); err != nil {
		t.Error(err)
	}
	if err := w.check(1, began.Add(50*time.Minute), time.Minute); err != nil {
		t.Errorf("the old time does not count any more: %v", err)
	}
	if err := w.check(2, began.Add(51*time.Minute), time.Minute); err != nil {
		t.Error(err)
	}
	if err := w.check(2, began.Add(53*time.Minute), time.Minute); err == nil {
		t.Error("the new time does not count")
	}
	if err := w.check(2, began.Add(54*time.Minute), time.Hour); err != nil {
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
