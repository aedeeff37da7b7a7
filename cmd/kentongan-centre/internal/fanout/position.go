package fanout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// position is how far it has come: all that came in before Passed has been
// published.
type position struct {
	Passed time.Time `json:"passed"`
}

const (
	// margin is how long a record may be under way between its coming in and its
	// being offered: a commit takes 30 s at most.
	margin    = time.Minute
	saveEvery = 5 * time.Second
	// aheadFor is how far a clock is set back without harm: a correction of a clock
	// that drifted.
	aheadFor = 5 * time.Minute
)

// catchUp publishes what came in since the position, device by device.
func (s *session) catchUp(ctx context.Context) error {
	p, err := s.position()
	if err != nil {
		return err
	}
	devices, err := s.cfg.Source.Devices(ctx, "")
	if err != nil {
		return err
	}
	for _, d := range devices {
		if d.LastSeen.Before(p.Passed) {
			continue
		}
		all, err := s.cfg.Source.RecentRecords(ctx, d.ID, p.Passed)
		if err != nil {
			return err
		}
		if err := s.records(ctx, all); err != nil {
			return err
		}
	}
	return nil
}

// position reads where we are; at the first start that is now, since agencies are
// passed what happens and no history.
func (f *Fanout) position() (p position, err error) {
	text, err := os.ReadFile(f.cfg.File)
	if errors.Is(err, fs.ErrNotExist) {
		return position{Passed: time.Now().Add(-margin)}, nil
	}
	if err != nil {
		return p, fmt.Errorf("read how far the fan-out has come: %w", err)
	}
	now := time.Now()
	if err = json.Unmarshal(text, &p); err == nil && p.Passed.After(now.Add(aheadFor)) {
		err = fmt.Errorf("it says %s: the clock was ahead", p.Passed.Format(time.RFC3339))
	}
	if err != nil {
		f.cfg.Log.Warn("position is of no use", "file", f.cfg.File, "err", err, "why", "an hour is passed on again")
		return position{Passed: now.Add(-time.Hour)}, nil
	}
	if p.Passed.After(now) {
		p.Passed = now.Add(-margin)
	}
	return p, nil
}

// savePosition keeps, now and then, that all that waited at a time is published.
// It is a hint: losing it costs doubles.
func (s *session) savePosition(drained time.Time) error {
	if drained.Sub(s.saved) < saveEvery && !s.saved.IsZero() {
		return nil
	}
	text, err := json.Marshal(position{Passed: drained.Add(-margin).UTC()})
	if err != nil {
		return fmt.Errorf("keep how far the fan-out has come: %w", err)
	}
	tmp := filepath.Join(filepath.Dir(s.cfg.File), "."+filepath.Base(s.cfg.File)+".new")
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("keep how far the fan-out has come: %w", err)
	}
	if err := os.Rename(tmp, s.cfg.File); err != nil {
		return fmt.Errorf("keep how far the fan-out has come: %w", err)
	}
	s.saved = drained
	return nil
}
