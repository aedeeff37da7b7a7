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

	roundAt  time.Time     // a publish sent since then closes the round
	roundMin time.Duration // the shortest in it; 0 is none yet
	busy     bool          // the window was what held us up in it
	slow     int           // rounds in a row that were late at the floor
	slowBest time.Duration // the shortest of these
}

const (
	windowFloor = 2 << 10 // bytes: two of the smallest publishes
	windowStart = 2 << 10 // bytes: 1 s of the slowest link that we serve, 16 kbit/s
	windowStep  = 4 << 10 // bytes for each round trip, once the pipe is full

	// What schedulers and a busy broker add; without it a round trip of 0.2 ms
	// on a local network would count as late all the time.
	growSlack   = 10 * time.Millisecond
	shrinkSlack = 20 * time.Millisecond

	// At the floor we do not queue behind ourselves, so when so many rounds are
	// late there, the path itself has become longer.
	pathChanged = 10
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

// done counts the PUBACK of a publish that was sent at sent.
func (w *window) done(n int, sent, now time.Time) {
	rtt := now.Sub(sent)
	w.busy = w.busy || w.flying >= w.limit*3/4
	w.flying -= n
	w.count--
	if w.srtt == 0 {
		w.srtt, w.shortest = rtt, rtt
	}
	w.srtt += (rtt - w.srtt) / 8
	w.shortest = min(w.shortest, rtt)
	if w.roundMin == 0 || rtt < w.roundMin {
		w.roundMin = rtt
	}
	if sent.Before(w.roundAt) {
		return
	}
	w.round()
	w.roundAt, w.roundMin, w.busy = now, 0, false
}

// round judges a round trip by its shortest sample: radio links and busy boards
// delay single packets, but a queue delays all of them.
func (w *window) round() {
	switch rtt := w.roundMin; {
	case rtt > 2*w.shortest+shrinkSlack:
		w.starting = false
		w.late(rtt)
	case rtt >= w.shortest+w.shortest/4+growSlack:
		w.starting, w.slow = false, 0
	case w.busy && w.starting:
		w.limit, w.slow = min(2*w.limit, w.ceiling), 0
	case w.busy:
		w.limit, w.slow = min(w.limit+windowStep, w.ceiling), 0
	}
}

// late shrinks the window, or learns that the path is a longer one now.
func (w *window) late(rtt time.Duration) {
	if w.limit > windowFloor {
		// As much as would make the round trip right again, within reason.
		fit := float64(2*w.shortest) / float64(rtt)
		w.limit = max(windowFloor, int(float64(w.limit)*min(max(fit, 0.5), 0.9)))
		return
	}
	if w.slow == 0 || rtt < w.slowBest {
		w.slowBest = rtt
	}
	if w.slow++; w.slow >= pathChanged {
		w.shortest, w.slow = w.slowBest, 0
	}
}

// publishBytes is how large a publish should be so that the window holds four.
func (w *window) publishBytes(most int) int {
	return min(max(w.limit/4, 1<<10), most)
}
