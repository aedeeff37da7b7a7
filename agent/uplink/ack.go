package uplink

import (
	"fmt"
	"sync"
	"time"

	"kentongan/agent/report"
)

// inbox holds the notes that came in until the session looks at them. paho
// delivers each in a goroutine of its own, so they may be out of order; that
// does no harm, an acknowledgement is monotonic.
type inbox struct {
	mu    sync.Mutex // guards notes
	notes []rawNote
	ready chan struct{} // capacity 1
}

type rawNote struct {
	topic string
	body  []byte
}

// maxNotes bounds the inbox; the oldest goes, the centre says it again.
const maxNotes = 32

func newInbox() *inbox { return &inbox{ready: make(chan struct{}, 1)} }

func (b *inbox) put(topic string, body []byte) {
	b.mu.Lock()
	if len(b.notes) == maxNotes {
		b.notes = b.notes[1:]
	}
	b.notes = append(b.notes, rawNote{topic, body})
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

func (b *inbox) take() []rawNote {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.notes
	b.notes = nil
	return n
}

// receive looks at what the centre says.
func (s *session) receive(now time.Time) {
	for _, n := range s.inbox.take() {
		t, err := report.ParseTopic(n.topic)
		if err != nil || t.Branch != "ack" || t.Device != s.up.cfg.Device || !s.lanes[t.Lane].byCentre {
			continue
		}
		l := s.lanes[t.Lane]
		a, err := report.OpenAck(n.body, s.up.cfg.Device, t.Lane, s.up.cfg.CentreKeys)
		if err != nil {
			l.stats.BadNotes++
			s.up.repeat.warn("acknowledgement not valid", err, "lane", t.Lane)
			continue
		}
		s.acknowledge(l, a, now)
	}
}

// acknowledge acts upon a note that the centre did sign.
func (s *session) acknowledge(l *lane, a report.Ack, now time.Time) {
	l.update(s.up.store.Head(l.name))
	reason, detail, err := s.doubt(l, a)
	if err != nil {
		s.up.repeat.warn("acknowledgement not compared", err, "lane", l.name)
		return // the centre says it again
	}
	if reason != "" {
		l.bar(a, reason)
		l.stats.RefusedAcks++
		s.up.refuse(AckRefused{Lane: l.name, Reason: reason, Ack: a, Detail: detail})
		return
	}
	if a.Seq >= l.cursor {
		if err := s.leave(l, a.Seq, now); err != nil {
			s.up.repeat.warn("cursor not moved", err, "lane", l.name)
			return
		}
	} else if l.tries > 0 {
		// The centre lives and has not seen what we sent: say it again now.
		l.tries = 0
		l.waiting = now.Add(-s.resendLeast())
	}
	s.wanted(l, a.Want, now)
}

// doubt says why an acknowledgement can't be acted upon, or "".
func (s *session) doubt(l *lane, a report.Ack) (reason, detail string, err error) {
	switch {
	case a.Epoch != l.head.Epoch:
		return "epoch", fmt.Sprintf("the store's is %s", l.head.Epoch), nil
	case a.Seq >= l.head.Next:
		return "ahead", fmt.Sprintf("the store goes to %d", l.head.Next-1), nil
	case a.Seq < l.cursor:
		return "", "", nil // old news
	case l.barred != 0 && a.Seq > l.barred:
		return "hash", fmt.Sprintf("the centre holds other records from %d on", l.barred), nil
	}
	got, err := s.up.store.Read(l.name, a.Seq, 1, 1)
	if err != nil {
		return "", "", fmt.Errorf("read record %d: %w", a.Seq, err)
	}
	if len(got) == 0 || got[0].Seq != a.Seq {
		return "", "", nil // explained by a gap: there is nothing to compare with
	}
	h := report.HashLine(got[0].Line)
	switch {
	case a.Hash == nil:
		return "hash", "it names none, and we hold that record", nil
	case h != *a.Hash:
		return "hash", fmt.Sprintf("ours is %s", h), nil
	case a.Seq == l.barred:
		l.barred = 0 // the centre holds ours after all
	}
	return "", "", nil
}

// bar keeps what a refused acknowledgement told: from some number on, the centre
// holds records of this epoch that are not ours, as when an older copy of the
// store was put back. A later one that fits by its last record must not take
// those before it along. It holds until the centre acknowledges that number with
// our hash, or the agent starts again.
func (l *lane) bar(a report.Ack, reason string) {
	from := a.Seq
	switch reason {
	case "ahead":
		from = l.head.Next
	case "epoch":
		return // another store's
	}
	if a.Hash == nil {
		return // it says nothing of what the centre holds
	}
	if l.barred == 0 || from < l.barred {
		l.barred = from
	}
}

// leave lets all up to seq go from the store.
func (s *session) leave(l *lane, seq uint64, now time.Time) error {
	if err := s.up.store.Ack(l.name, seq); err != nil {
		return fmt.Errorf("acknowledge lane %s up to %d: %w", l.name, seq, err)
	}
	l.left(seq, now)
	if s.up.cfg.OnAck != nil {
		s.up.cfg.OnAck(l.name, seq)
	}
	return nil
}

// A broker that kept what the centre signed before can give it again, in turn: so
// many refusals are told aloud at once, then one in refusedEvery.
const (
	refusedBurst = 5
	refusedEvery = time.Minute
)

// refuse reports an acknowledgement that can't be right: once, and aloud with bounds.
// Each is passed on, or old ones would hide the one that tells of another history.
func (u *Uplink) refuse(r AckRefused) {
	key := fmt.Sprint(r.Lane, r.Reason, r.Ack.Epoch, r.Ack.Seq)
	if u.refused[r.Lane] == key {
		return
	}
	if r.Quiet = !u.tells.Allow(); !r.Quiet {
		u.refused[r.Lane] = key // a quiet one is told when it comes again
		u.log.Error("acknowledgement refused", "lane", r.Lane, "reason", r.Reason, "seq", r.Ack.Seq, "epoch", r.Ack.Epoch, "detail", r.Detail)
	}
	if u.cfg.OnAckRefused != nil {
		u.cfg.OnAckRefused(r)
	}
}
