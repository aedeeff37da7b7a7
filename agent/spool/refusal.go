package spool

import (
	"sync"
	"sync/atomic"
	"time"

	"kentongan/agent/report"
)

// Places of a refusal that are no lane.
const (
	placeCursor = "cursor"
	placeMirror = "mirror"
)

// refusals are what the disk refuses at the moment, by place, so that an event
// tells of it: at once where the event lane takes it, and when it is over. The
// mutex guards all; it is taken before that of notes, never after.
type refusals struct {
	mu   sync.Mutex
	open map[string]*refusal
	any  atomic.Bool // there is one: a look without the mutex
}

func (t *refusals) some() bool { return t.any.Load() }

// refusal is one time of trouble.
type refusal struct {
	report.DiskRefusal
	began time.Duration // uptime
	note  *note         // that says so and is not durable yet; nil when one is
}

// refused notes that the disk refused a call, or that a record was refused
// because of it (calls 0).
func (s *Spool) refused(place string, err error, calls, records uint64) {
	stamp := s.o.Stamp()
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	r := s.trouble.open[place]
	if r == nil {
		if s.trouble.open == nil {
			s.trouble.open = map[string]*refusal{}
		}
		r = &refusal{began: stamp.Uptime}
		r.Place, r.Error, r.Since = place, err.Error(), stamp.Time
		r.note = &note{disk: &report.DiskRefusal{}}
		s.trouble.open[place] = r
		s.trouble.any.Store(true)
		s.notes.add(r.note)
	}
	if r.Last = err.Error(); r.Last == r.Error {
		r.Last = ""
	}
	r.Calls += calls
	r.Records += records
	r.tell(s, stamp)
}

// mirrorRefused is what the mirror tells.
func (s *Spool) mirrorRefused(err error) {
	if err == nil {
		s.taken(placeMirror)
		return
	}
	s.refused(placeMirror, err, 1, 0)
}

// lost notes numbers that were given up in a time of trouble.
func (s *Spool) lost(place string, from, to uint64) {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	r := s.trouble.open[place]
	if r == nil {
		return
	}
	if r.From == 0 || from < r.From {
		r.From = from
	}
	r.To = max(r.To, to)
	r.tell(s, s.o.Stamp())
}

// taken notes that the disk takes again what it refused.
func (s *Spool) taken(place string) {
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	r := s.trouble.open[place]
	if r == nil {
		return
	}
	delete(s.trouble.open, place)
	s.trouble.any.Store(len(s.trouble.open) > 0)
	r.Over = true
	if !r.tell(s, s.o.Stamp()) { // it was told of while it lasted: once more
		r.note = &note{disk: &report.DiskRefusal{}}
		r.tell(s, s.o.Stamp())
		s.notes.add(r.note)
	}
	s.log.Info("disk takes again", "place", place, "calls", r.Calls, "records", r.Records)
	s.notes.again()
	if s.wake != nil {
		s.poke()
	}
}

// tell brings the note up to date; false when that is durable already, or on
// its way there.
func (r *refusal) tell(s *Spool, stamp report.Stamp) bool {
	if r.note == nil {
		return false
	}
	r.ForMS = (stamp.Uptime - r.began).Milliseconds()
	s.notes.mu.Lock()
	defer s.notes.mu.Unlock()
	if r.note.closed {
		return false
	}
	*r.note.disk = r.DiskRefusal
	return true
}
