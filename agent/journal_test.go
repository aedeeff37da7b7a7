package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

// disk is a keeper that refuses while it is broken, and remembers in order what
// it took and what was announced.
type disk struct {
	mu     sync.Mutex
	broken bool
	did    []string
}

func (d *disk) Append(_ context.Context, _ report.Lane, kind string, body any) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return 0, errors.New("no space left on device")
	}
	if s, ok := body.(report.StreamState); ok {
		kind += " " + s.State
	}
	if a, ok := body.(report.Alarm); ok {
		kind += " " + a.State + " " + a.Condition
	}
	if r, ok := body.(report.Recovery); ok {
		kind += " " + r.Step + " " + r.Result
	}
	d.did = append(d.did, "kept "+kind)
	return uint64(len(d.did)), nil
}

func (d *disk) SetState(topic string, _ []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.did = append(d.did, "said "+topic)
}

func (d *disk) set(broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = broken
}

func TestJournalKeepsEventsThroughAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{broken: true}
		j := newJournal("kiosk-7", d, d, slog.New(slog.NewTextHandler(io.Discard, nil)))
		ended := make(chan struct{})
		go func() { defer close(ended); j.run() }()
		j.StreamMeasured(report.StreamStats{Name: "gate"})
		j.StreamChanged(report.StreamState{Name: "gate", State: "failed"})
		j.StreamChanged(report.StreamState{Name: "gate", State: "playing"})
		time.Sleep(time.Minute)
		d.set(false)
		time.Sleep(journalRetry)
		j.close()
		<-ended
		topic := "said kentongan/v1/kiosk-7/state/stream/gate"
		want := []string{"kept stream failed", topic, "kept stream playing", topic}
		if !slices.Equal(d.did, want) {
			t.Errorf("did %q, want %q", d.did, want)
		}
	})
}

func TestJournalEndsWhileTheDiskRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{broken: true}
		j := newJournal("kiosk-7", d, d, slog.New(slog.NewTextHandler(io.Discard, nil)))
		ended := make(chan struct{})
		go func() { defer close(ended); j.run() }()
		for range 2 * journalSize { // more than fit: nobody waits
			j.add(report.Event, report.KindBoot, nil)
		}
		time.Sleep(time.Hour)
		began := time.Now()
		j.close()
		<-ended
		if took := time.Since(began); took > journalRetry {
			t.Errorf("the end took %v", took)
		}
		j.add(report.Event, report.KindBoot, nil) // too late, and no panic
	})
}

// TestJournalAnswersBetweenEntries: a journal with much to say to a slow disk took
// one entry after another before it answered, and the watchdog reset the board.
func TestJournalAnswersBetweenEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = 25 * time.Second
		j := newJournal("kiosk-7", laggard(each), &disk{}, slog.New(slog.DiscardHandler))
		for range 40 {
			j.StreamChanged(report.StreamState{Name: "gate", State: "failed"})
		}
		var running sync.WaitGroup
		running.Go(j.run)
		for range 30 {
			time.Sleep(time.Second) // one is under way
			began := time.Now()
			if err := j.pulse.Ask(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > each {
				t.Errorf("an answer after %v, and one entry takes %v", took, each)
			}
		}
		j.close()
		running.Wait()
	})
}

// laggard is a keeper that takes so long.
type laggard time.Duration

func (d laggard) Append(context.Context, report.Lane, string, any) (uint64, error) {
	time.Sleep(time.Duration(d))
	return 1, nil
}
