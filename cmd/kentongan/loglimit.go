package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// A message of one thing (a camera, a line, a lane) may come limitBurst times in
// limitWindow; what comes beyond that is counted, and the last of it is logged with
// the count when the window is over. A flood of one line so becomes two lines a
// minute and does not push everything else out of the ring, the journal and the
// card.
const (
	limitBurst  = 10
	limitWindow = time.Minute
	maxLimited  = 512 // messages that are counted at one time
)

// limited is a slog.Handler in front of all others.
type limited struct {
	next  slog.Handler
	bound string // what of With tells messages apart
	state *limits
}

// limits is shared by all handlers made of one.
type limits struct {
	mu  sync.Mutex // guards all
	all map[string]*flood
}

// flood is one message.
type flood struct {
	began time.Time
	count int
	last  slog.Record
	by    slog.Handler
}

func newLimited(next slog.Handler) *limited {
	return &limited{next: next, state: &limits{all: map[string]*flood{}}}
}

// apart are the attributes that make one message two. Each ticket is a citizen's: its
// press is never only counted, and the kiosk's cool-down bounds how many there are.
var apart = map[string]bool{"part": true, "ticket": true, "stream": true, "app": true, "line": true, "lane": true, "kind": true, "broker": true, "sensor": true, "id": true, "value": true}

// Enabled implements slog.Handler.
func (l *limited) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (l *limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *l
	c.next = l.next.WithAttrs(attrs)
	for _, a := range attrs {
		c.bound += key(a)
	}
	return &c
}

// WithGroup implements slog.Handler.
func (l *limited) WithGroup(name string) slog.Handler {
	c := *l
	c.next = l.next.WithGroup(name)
	return &c
}

func key(a slog.Attr) string {
	if !apart[a.Key] {
		return ""
	}
	return "\x00" + a.Key + "\x00" + a.Value.String()
}

// Handle implements slog.Handler. Debug is for who looks for a fault, and not
// counted.
func (l *limited) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return l.next.Handle(ctx, r)
	}
	var b strings.Builder
	b.WriteString(r.Level.String() + r.Message + l.bound)
	r.Attrs(func(a slog.Attr) bool { b.WriteString(key(a)); return true })
	over := l.state.over(r.Time)
	if l.state.takes(b.String(), r, l.next) {
		over = append(over, owed{r, l.next, 0})
	}
	return say(ctx, over)
}

// owed is a record that is to be logged.
type owed struct {
	slog.Record
	by    slog.Handler
	count int // of those that were not logged, itself included
}

func say(ctx context.Context, all []owed) (err error) {
	for _, o := range all {
		r := o.Record
		if o.count > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("repeated", o.count))
		}
		if e := o.by.Handle(ctx, r); e != nil {
			err = e
		}
	}
	return err
}

// takes tells whether a record is logged now.
func (s *limits) takes(key string, r slog.Record, by slog.Handler) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.all[key]
	if f == nil {
		if len(s.all) >= maxLimited {
			return true // a flood of different messages; nothing here tells them apart
		}
		f = &flood{began: r.Time}
		s.all[key] = f
	}
	if f.count++; f.count <= limitBurst {
		return true
	}
	f.last, f.by = r.Clone(), by
	return false
}

// over takes what is owed of windows that are over.
func (s *limits) over(now time.Time) (all []owed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, f := range s.all {
		if now.Sub(f.began) < limitWindow && now.After(f.began.Add(-limitWindow)) {
			continue
		}
		delete(s.all, key)
		if n := f.count - limitBurst; n > 0 {
			all = append(all, owed{f.last, f.by, n})
		}
	}
	return all
}

// flush logs what is owed; with all, also of windows that are not over.
func (l *limited) flush(now time.Time, all bool) {
	if all {
		now = now.Add(2 * limitWindow)
	}
	_ = say(context.Background(), l.state.over(now))
}

// run flushes until ctx ends, and then all.
func (l *limited) run(ctx context.Context) {
	tick := time.NewTicker(limitWindow / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.flush(time.Now(), true)
			return
		case now := <-tick.C:
			l.flush(now, false)
		}
	}
}
