package uplink

import (
	"runtime"
	"testing"
	"time"

	"kentongan/agent/report"
)

// A broker that answers with PUBACKs for what nobody sent moves nothing, is not
// taken for alive, and does not make us keep them.
func TestPUBACKsForNothing(t *testing.T) {
	t.Parallel()
	answer := []byte{0x20, 2, 0, 0}
	for range 20000 {
		answer = append(answer, 0x40, 2, 0xf0, 0, 0x40, 2, 0, 7) // packet ids 61440 and 7
	}
	store := newMemoryStore()
	fill(t, store, 3, 3, 3)
	cfg := testConfig(startAnswerer(t, answer))
	cfg.Acknowledge = ByBroker
	cfg.Tuning.StallAfter = 500 * time.Millisecond
	u := startUplink(t, cfg, store)
	waitFor(t, 10*time.Second, "noticed as stuck", func() bool { return u.saw(stateLost, failStuck.words()) })
	for _, l := range report.Lanes() {
		if n := store.waiting(l); n != 3 {
			t.Errorf("lane %s: %d records left, want 3", l, n)
		}
	}
}

// The callbacks may use the uplink, and what Run started is gone when it
// returns, after cuts and failed tries too.
func TestNothingIsLeftBehind(t *testing.T) {
	m := startMosquitto(t)
	p := startProxy(t, m.addr())
	before := runtime.NumGoroutine()
	for n := range 5 {
		store := newMemoryStore()
		fill(t, store, 5, 50, 500)
		var u *running
		cfg := testConfig(p.url(), "mqtt://127.0.0.1:1")
		cfg.Acknowledge = ByBroker
		ready := make(chan struct{})
		cfg.OnAck = func(lane report.Lane, _ uint64) {
			<-ready
			u.SetState(report.Topics(testDevice).StreamState("gate"), []byte(lane))
			u.Wake()
			_ = u.Status()
		}
		u = startUplink(t, cfg, store)
		close(ready)
		waitFor(t, 10*time.Second, "a lane has left", func() bool { return store.waiting(report.Complaint) == 0 })
		if n%2 == 1 {
			p.refuse(true)
			p.cut()
			waitFor(t, 10*time.Second, "lost", func() bool { return u.saw(stateLost, "") })
			p.refuse(false)
		}
		u.stop()
	}
	p.cut()
	waitFor(t, 5*time.Second, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}
