package agent

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"kentongan/agent/report"
)

const (
	// knownEvery is how often the time is kept: one small file a day wears no
	// flash, and a certificate is made days before it is needed.
	knownEvery = 24 * time.Hour
	// knownAhead is how much later than a synced clock the kept time may be: a
	// time service was wrong then, and the device is not to believe it for ever.
	knownAhead = time.Hour
	// maxKnownFile is the most that is read of the file: one time, RFC 3339.
	maxKnownFile = 64
)

// knownTime keeps the last time that a time service gave, so that a board that
// starts in 1970 takes no certificate for one of the future that was made since
// its program was built. It needs no key: it only ever answers for a clock that
// no service keeps. now may be called from any goroutine.
type knownTime struct {
	file  string
	stamp func() report.Stamp
	log   *slog.Logger

	mu   sync.Mutex // guards the two below
	kept time.Time  // what the file holds; zero for nothing
	at   time.Time  // when it was read or written: true time has gone on since
}

// newKnownTime reads what was kept. A file that can't be read is as none.
func newKnownTime(file string, stamp func() report.Stamp, log *slog.Logger) *knownTime {
	k := &knownTime{file: file, stamp: stamp, log: log.With("part", "clock"), at: time.Now()}
	text, err := loadFile(file, maxKnownFile)
	if err == nil && text != nil {
		k.kept, err = time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	}
	if err != nil {
		k.log.Warn("kept time not read", "err", err)
	}
	return k
}

// now is the wall clock where a time service keeps it. Else it is no earlier
// than this version, and than the kept time and what has passed since.
func (k *knownTime) now() time.Time {
	s := k.stamp()
	if s.Clock == report.ClockSynced {
		return s.Time
	}
	least := released
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.kept.IsZero() {
		if t := k.kept.Add(time.Since(k.at)); t.After(least) {
			least = t
		}
	}
	if s.Time.After(least) {
		return s.Time
	}
	return least
}

// run keeps the time while a service gives it, until ctx ends.
func (k *knownTime) run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	failing := false
	for {
		err := k.keep()
		if err != nil && !failing {
			k.log.Warn("time not kept", "err", err, "retry_in", time.Minute)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// keep writes the time when it is due.
func (k *knownTime) keep() error {
	s := k.stamp()
	if s.Clock != report.ClockSynced {
		return nil
	}
	k.mu.Lock()
	age := s.Time.Sub(k.kept)
	k.mu.Unlock()
	if age < knownEvery && age > -knownAhead {
		return nil
	}
	now := s.Time.UTC().Truncate(time.Second)
	if err := saveFile(k.file, fmt.Appendln(nil, now.Format(time.RFC3339))); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept, k.at = now, time.Now()
	return nil
}
