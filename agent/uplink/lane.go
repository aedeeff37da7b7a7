package uplink

import (
	"time"

	"kentongan/agent/report"
)

// lane knows what of one lane has been sent and what has arrived. The session's
// goroutine owns it.
//
// Numbers from cursor on are either claimed (on their way, or at the broker) or
// to be sent. What is to be sent again (after a lost connection, for want of
// the centre's acknowledgement, because the centre asked) is just not claimed
// any more, and the next free number is always the one to send.
//
//	cursor          live             next
//	  |##..####......|###.............|        # claimed   . to send
//	  |    backlog   |      live      |
//
// How much is sent past the cursor has a limit, which shrinks while the centre
// does not answer. It does not hold for numbers made during this connection and
// not yet sent: a press leaves at once, whatever stands before it, and only
// what is sent again must wait.
type lane struct {
	name     report.Lane
	byCentre bool // leaves on the centre's note, not on PUBACK
	head     report.Head
	cursor   uint64
	claimed  ranges
	acked    ranges // got their PUBACK; a part of claimed
	arrived  uint64 // all up to here may leave the store, once all PUBACKs that came are looked at; 0 is none
	live     uint64 // telemetry: the next number to be sent as live
	born     uint64 // numbers from here on were made during this connection
	fresh    uint64 // numbers from here on were never sent in this connection

	ahead     int // records that may be sent past the cursor; byCentre only
	mostAhead int
	waiting   time.Time      // since when the centre could have acknowledged; zero is not
	tries     int            // times that it was sent again without an answer
	lately    recent         // what was sent out of order a moment ago
	asked     []report.Range // by the newest note, and held back because of lately
	askAgain  time.Time      // when to look at asked
	cache     []report.Entry
	topics    map[upTopic]string

	barred uint64 // from here on the centre holds other records than ours; 0 is nowhere

	stats LaneStatus
}

// upTopic tells the topics of a lane's batches apart.
type upTopic struct{ backlog, zipped bool }

// topic is where a batch goes.
func (l *lane) topic(device string, backlog, zipped bool) string {
	key := upTopic{backlog, zipped}
	t := l.topics[key]
	if t == "" {
		t = report.Topics(device).Up(l.name, backlog, zipped)
		l.topics[key] = t
	}
	return t
}

// maxClaims bounds the memory of a lane: when the claims are so scattered, live
// telemetry does not jump ahead any more.
const maxClaims = 512

func newLane(name report.Lane, byCentre bool, mostAhead int) *lane {
	return &lane{name: name, byCentre: byCentre, mostAhead: mostAhead, topics: map[upTopic]string{}}
}

// begin starts a connection: what had no acknowledgement is to be sent again.
func (l *lane) begin(h report.Head) {
	if h.Epoch != l.head.Epoch {
		l.acked, l.barred = nil, 0
	}
	l.cache, l.arrived = nil, 0
	l.stats.InFlight = 0
	l.lately = recent{pause: l.lately.pause}
	l.asked = nil
	if l.byCentre {
		l.acked = nil // at a broker that may be another now, or have lost it
	}
	l.claimed = append(ranges(nil), l.acked...)
	l.ahead = l.mostAhead
	l.waiting, l.tries = time.Time{}, 0
	l.cursor, l.live, l.born, l.fresh = 0, h.Next, h.Next, 0
	l.update(h)
}

// update takes over what the store says now. It may have dropped the oldest.
func (l *lane) update(h report.Head) {
	l.head = h
	if h.First > l.cursor {
		l.cursor = h.First
		l.claimed.below(h.First)
		l.acked.below(h.First)
		l.live = max(l.live, h.First)
	}
}

// nextFree returns the first number to be sent and how far a batch from there
// may go.
func (l *lane) nextFree() (from, to uint64, ok bool) {
	end := l.head.Next
	if !l.byCentre {
		return l.claimed.free(l.cursor, end)
	}
	if from, to, ok = l.claimed.free(l.cursor, min(end, l.limit())); ok {
		return from, to, ok
	}
	return l.claimed.free(max(l.cursor, l.born, l.fresh), end)
}

// limit is the number from which on nothing old is sent before the centre has
// acknowledged more.
func (l *lane) limit() uint64 { return l.cursor + uint64(l.ahead) }

// claim marks numbers as on their way.
func (l *lane) claim(from, to uint64, now time.Time) {
	l.claimed.add(from, to)
	if l.byCentre && from < l.fresh {
		l.lately.add(from, to, now)
	}
	l.fresh = max(l.fresh, to+1)
}

// puback marks numbers as at the broker. It returns the number up to which all
// may leave the store, or 0.
func (l *lane) puback(from, to uint64, now time.Time) (leave uint64) {
	if l.byCentre {
		if l.waiting.IsZero() && to >= l.cursor {
			l.waiting = now
		}
		return 0
	}
	if to < l.cursor {
		return 0
	}
	l.acked.add(max(from, l.cursor), to)
	if l.acked[0].From > l.cursor {
		return 0
	}
	return l.acked[0].To
}

// left tells that all up to seq have left the store.
func (l *lane) left(seq uint64, now time.Time) {
	l.cursor = max(l.cursor, seq+1)
	l.live = max(l.live, l.cursor)
	l.claimed.below(l.cursor)
	l.acked.below(l.cursor)
	l.stats.Acked = seq
	l.waiting = time.Time{}
	if len(l.claimed) > 0 {
		l.waiting = now
	}
	l.tries = 0
	l.ahead = min(2*max(l.ahead, 1), l.mostAhead)
}

// resendAt is when the lane should be sent again from the cursor if no
// acknowledgement comes before; zero is never. least is the first wait.
func (l *lane) resendAt(least, most time.Duration) time.Time {
	if !l.byCentre || l.waiting.IsZero() {
		return time.Time{}
	}
	return l.waiting.Add(min(least<<min(l.tries, 10), most))
}

// rewind frees all that is not flying, and lets only a first batch of n records
// go: the more the centre acknowledges, the more may follow.
func (l *lane) rewind(flying ranges, n int) {
	l.claimed = append(ranges(nil), flying...)
	l.claimed.below(l.cursor)
	l.ahead = n
	l.tries++
	l.waiting = time.Time{}
}

// want frees what the centre asks for again, as far as it was sent. It leaves
// what is flying, and what left out of order a moment ago: the centre wrote its
// note before that arrived. If no newer note comes, this one is looked at again
// at askAgain. It returns how many ranges it freed.
func (l *lane) want(asked []report.Range, flying ranges, now time.Time) (freed int) {
	lately := l.lately.all(now)
	l.asked = nil
	for _, r := range asked {
		if r.To < l.cursor || r.From >= l.head.Next {
			continue
		}
		lost := ranges{{From: max(r.From, l.cursor), To: min(r.To, l.head.Next-1)}}
		if lately.meets(lost[0].From, lost[0].To) {
			l.asked, l.askAgain = asked, now.Add(l.lately.pause)
		}
		lost.without(lately)
		lost.without(flying)
		for _, r := range lost {
			if l.claimed.meets(r.From, r.To) {
				l.claimed.remove(r.From, r.To)
				freed++
			}
		}
	}
	return freed
}
