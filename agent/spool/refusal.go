package spool

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
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
	over map[string]*refusal // the last one of each place that is over
	any  atomic.Bool         // there is one: a look without the mutex

	warned map[string]time.Time // when the log had a place and a cause last, within warnAgain
}

func (t *refusals) some() bool { return t.any.Load() }

// again tells whether a place refuses now, and did shortly before.
func (t *refusals) again(place string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.open[place]
	return r != nil && !r.note.lazy.IsZero()
}

// refusal is one time of trouble.
type refusal struct {
	report.DiskRefusal
	began time.Duration // uptime
	note  *note         // that says so, until it is closed
	noted time.Time     // when the note was made
	said  []string      // causes that the log has
}

// refused notes that the disk refused a call, or that a record was refused
// because of it (calls 0).
func (s *Spool) refused(place string, err error, calls, records uint64) {
	stamp := s.o.Stamp()
	s.trouble.mu.Lock()
	defer s.trouble.mu.Unlock()
	r := s.trouble.open[place]
	if r == nil {
		r = s.begin(place, err, stamp)
	}
	if r.Last = err.Error(); r.Last == r.Error {
		r.Last = ""
	}
	r.Calls += calls
	r.Records += records
	if calls > 0 {
		s.warn(r, err)
	}
	r.tell(s, stamp)
}

// warnAgain is how soon the log has a cause again that was over and came back: a
// full disk refuses each new file, and takes what is written into the others.
const warnAgain = 10 * time.Minute

// warn logs each cause of a time of trouble once. The mutex of refusals is held.
func (s *Spool) warn(r *refusal, err error) {
	cause := err.Error()
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		cause = errno.Error() // whatever the file
	}
	if slices.Contains(r.said, cause) {
		return
	}
	now, key := time.Now(), r.Place+" "+cause
	maps.DeleteFunc(s.trouble.warned, func(_ string, at time.Time) bool { return now.Sub(at) >= warnAgain })
	if _, ok := s.trouble.warned[key]; ok {
		return
	}
	s.trouble.warned[key] = now
	r.said = append(r.said, cause)
	s.log.Warn("disk refuses", "place", r.Place, "err", err)
}

// begin notes a new time of trouble. A disk that takes and refuses in turn would
// else make events without end, for each meets the next refusal: such a time goes
// on with the note of the one before that still waits, and its own may wait.
func (s *Spool) begin(place string, err error, stamp report.Stamp) *refusal {
	if s.trouble.open == nil {
		s.trouble.open, s.trouble.over, s.trouble.warned = map[string]*refusal{}, map[string]*refusal{}, map[string]time.Time{}
	}
	before := s.trouble.over[place]
	delete(s.trouble.over, place)
	if before != nil && s.notes.waits(before.note) {
		before.Over = false
		s.trouble.open[place] = before
		s.trouble.any.Store(true)
		return before
	}
	r := &refusal{began: stamp.Uptime, note: &note{disk: &report.DiskRefusal{}}, noted: time.Now()}
	r.Place, r.Error, r.Since = place, err.Error(), stamp.Time
	if before != nil && r.noted.Sub(before.noted) < 2*lazyNotes {
		r.note.lazy = r.noted.Add(lazyNotes)
	}
	s.trouble.open[place] = r
	s.trouble.any.Store(true)
	s.notes.add(r.note)
	return r
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
	s.trouble.over[place] = r
	s.trouble.any.Store(len(s.trouble.open) > 0)
	r.Over = true
	if !r.tell(s, s.o.Stamp()) { // it was told of while it lasted: once more
		r.note, r.noted = &note{disk: &report.DiskRefusal{}}, time.Now()
		r.tell(s, s.o.Stamp())
		s.notes.add(r.note)
	}
	if len(r.said) > 0 {
		s.log.Info("disk takes again", "place", place, "calls", r.Calls, "records", r.Records)
		r.said = nil
	}
	s.notes.again()
	if s.wake != nil {
		s.poke()
	}
}

// tell brings the note up to date; false when that is durable already, or on
// its way there.
func (r *refusal) tell(s *Spool, stamp report.Stamp) bool {
	r.ForMS = (stamp.Uptime - r.began).Milliseconds()
	s.notes.mu.Lock()
	defer s.notes.mu.Unlock()
	if r.note.closed {
		return false
	}
	*r.note.disk = r.DiskRefusal
	return true
}
