package uplink

import "time"

// window says how many bytes may be on their way without a PUBACK.
//
// It follows the round trip as TCP Vegas does (Brakmo and Peterson, 1995): it
// grows while a PUBACK takes about as long as the shortest one seen, and
// shrinks when it takes twice as long, for then the publishes stand in a queue,
// and a press would stand behind them. So what a press finds before it is at
// most about one round trip, on a fibre and on a modem.
//
// One goroutine owns a window.
type window struct {
	limit    int // bytes
	ceiling  int // of limit
	maxCount int // publishes
	flying   int // bytes
	count    int // publishes

	srtt     time.Duration // smoothed; 0 before the first PUBACK
	shortest time.Duration // of this connection
	starting bool          // doubling each round trip
	shrunk   time.Time     // last time
	slow     int           // PUBACKs in a row that were late at the floor
	slowBest time.Duration // the shortest of these
}

const (
	windowFloor = 2 << 10 // bytes: two of the smallest publishes
	windowStart = 4 << 10 // bytes: 2 s of the slowest link that we serve, 16 kbit/s
	windowStep  = 4 << 10 // bytes for each round trip, once the pipe is full

	// What schedulers and a busy broker add; without it a round trip of 0.2 ms
	// on a local network would count as late all the time.
	growSlack   = 5 * time.Millisecond
	shrinkSlack = 10 * time.Millisecond

	// At the floor we do not queue behind ourselves, so when so many PUBACKs are
	// late there, the path itself has become longer.
	pathChanged = 20
)

func newWindow(ceiling, maxCount int) *window {
	return &window{limit: min(windowStart, ceiling), ceiling: ceiling, maxCount: maxCount, starting: true}
}

// room tells whether one more publish may go, for one who may go extra bytes
// above the limit.
func (w *window) room(extra int) bool {
	if extra == 0 && w.count >= w.maxCount {
		return false
	}
	return w.flying < w.limit+extra
}

// sent counts a publish of n bytes.
func (w *window) sent(n int) {
	w.flying += n
	w.count++
}

// done counts its PUBACK, rtt after it was sent.
func (w *window) done(n int, rtt time.Duration, now time.Time) {
	busy := w.flying >= w.limit*3/4
	w.flying -= n
	w.count--
	if w.srtt == 0 {
		w.srtt, w.shortest = rtt, rtt
	}
	w.srtt += (rtt - w.srtt) / 8
	w.shortest = min(w.shortest, rtt)
	switch {
	case rtt > 2*w.shortest+shrinkSlack:
		w.late(rtt, now)
	case rtt < w.shortest+w.shortest/4+growSlack && busy:
		w.slow = 0
		w.grow(n)
	case rtt >= w.shortest+w.shortest/4+growSlack:
		w.slow = 0
		w.starting = false
	}
}

func (w *window) grow(n int) {
	if w.starting {
		w.limit += n
	} else {
		w.limit += max(1, n*windowStep/w.limit)
	}
	w.limit = min(w.limit, w.ceiling)
}

// late shrinks the window, at most once in a round trip.
func (w *window) late(rtt time.Duration, now time.Time) {
	w.starting = false
	if w.limit == windowFloor {
		if w.slow == 0 || rtt < w.slowBest {
			w.slowBest = rtt
		}
		if w.slow++; w.slow >= pathChanged {
			w.shortest, w.slow = w.slowBest, 0
		}
		return
	}
	if now.Sub(w.shrunk) < w.srtt {
		return
	}
	w.shrunk = now
	w.limit = max(windowFloor, w.limit*3/4)
}

// publishBytes is how large a publish should be so that the window holds four.
func (w *window) publishBytes(most int) int {
	return min(max(w.limit/4, 1<<10), most)
}
