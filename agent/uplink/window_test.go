package uplink

import (
	"math/rand/v2"
	"testing"
	"time"
)

// drive plays a link: a round trip and a number of bytes per second, to the
// window for a while, and returns the most that a publish waited in its queue.
func drive(w *window, rtt, noise time.Duration, rate int, long time.Duration) (delivered int, queued time.Duration) {
	type flight struct {
		n        int
		sent, at time.Time
	}
	rng := rand.New(rand.NewPCG(1, 2))
	w.flying, w.count = 0, 0 // what flew when the link played last
	now := time.Unix(0, 0)
	end, free := now.Add(long), now
	half := now.Add(long / 2)
	var line []flight
	for now.Before(end) {
		for w.room(0) {
			n := w.publishBytes(12 << 10)
			if free.Before(now) {
				free = now
			}
			if now.After(half) {
				queued = max(queued, free.Sub(now))
			}
			if rate > 0 {
				free = free.Add(time.Duration(n) * time.Second / time.Duration(rate))
			}
			at := free.Add(rtt + time.Duration(rng.Int64N(int64(noise)+1)))
			if len(line) > 0 && at.Before(line[len(line)-1].at) {
				at = line[len(line)-1].at // TCP keeps the order
			}
			line = append(line, flight{n, now, at})
			w.sent(n)
		}
		f := line[0]
		line = line[1:]
		now = f.at
		delivered += f.n
		w.done(f.n, f.sent, now)
	}
	return delivered, queued
}

// The window fills the pipe, and what it lets stand in the queue is at most
// about a round trip.
func TestWindowFillsThePipeAndNoMore(t *testing.T) {
	tests := map[string]struct {
		rtt, noise time.Duration // noise is added to each publish, at random
		rate       int           // bytes per second
		fill       float64
	}{
		"modem":     {600 * time.Millisecond, 0, 2000, 0.8},
		"cellular":  {120 * time.Millisecond, 0, 64 << 10, 0.8},
		"satellite": {600 * time.Millisecond, 0, 256 << 10, 0.7},
		"fibre":     {8 * time.Millisecond, 0, 8 << 20, 0.8},
		"radio":     {60 * time.Millisecond, 100 * time.Millisecond, 128 << 10, 0.6},
		"far":       {300 * time.Millisecond, 0, 1 << 20, 0.7},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWindow(1<<20, 100000)
			long := 200 * tt.rtt
			got, queued := drive(w, tt.rtt, tt.noise, tt.rate, long)
			used := float64(got) / (float64(tt.rate) * long.Seconds())
			t.Logf("%.0f %% of the line, at most %v in its queue, window %d", 100*used, queued.Round(time.Millisecond), w.limit)
			if used < tt.fill {
				t.Errorf("used %.2f of the line, want %.2f", used, tt.fill)
			}
			// One publish of the smallest size may take longer than the round trip.
			piece := time.Duration(w.publishBytes(12<<10)) * time.Second / time.Duration(tt.rate)
			if most := tt.rtt + tt.noise + 2*piece + shrinkSlack; queued > most {
				t.Errorf("%v in the queue, want at most %v", queued, most)
			}
		})
	}
}

func TestWindowLearnsALongerPath(t *testing.T) {
	w := newWindow(1<<20, 1000)
	drive(w, 20*time.Millisecond, 0, 1<<20, 5*time.Second)
	drive(w, 500*time.Millisecond, 0, 1<<20, 100*time.Second)
	if w.shortest < 400*time.Millisecond || w.limit < 64<<10 {
		t.Errorf("shortest %v, window %d: still the figures of the old path", w.shortest, w.limit)
	}
}

func TestWindowKeepsRoomForPresses(t *testing.T) {
	w := newWindow(1<<20, 4)
	for w.room(0) {
		w.sent(2000)
	}
	if !w.room(complaintExtra) || !w.room(eventExtra) {
		t.Errorf("no room above a full window of %d publishes, %d bytes", w.count, w.flying)
	}
	for w.room(complaintExtra) {
		w.sent(8 << 10)
	}
	if w.flying > w.limit+complaintExtra+8<<10 {
		t.Errorf("%d bytes in flight", w.flying)
	}
}
