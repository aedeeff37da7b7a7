package hal

import "time"

// WaitForEdge takes one edge out of edges, as periph's gpio.PinIn wants it: a
// negative timeout waits for ever, 0 only looks. It returns false when none came
// in time, and when edges is closed.
func WaitForEdge(edges <-chan Edge, timeout time.Duration) bool {
	select {
	case _, ok := <-edges:
		return ok
	default:
	}
	var over <-chan time.Time // nil never comes
	switch {
	case timeout == 0:
		return false
	case timeout > 0:
		t := time.NewTimer(timeout)
		defer t.Stop()
		over = t.C
	}
	select {
	case _, ok := <-edges:
		return ok
	case <-over:
		return false
	}
}
