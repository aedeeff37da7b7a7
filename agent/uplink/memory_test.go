package uplink

import (
	"runtime"
	"testing"
	"time"

	"kentongan/agent/report"
)

// heap is what is in use after a collection, the largest of several looks.
func heap(looks int) (most uint64) {
	var s runtime.MemStats
	for range looks {
		runtime.GC()
		runtime.ReadMemStats(&s)
		most = max(most, s.HeapAlloc)
	}
	return most
}

// Memory does not grow with the backlog: with a million records waiting and the
// window full it stays within 2 MiB of an empty store's.
func TestMemoryDoesNotGrowWithTheBacklog(t *testing.T) {
	for name, slow := range map[string]bool{"fast link": false, "stuck link": true} {
		t.Run(name, func(t *testing.T) {
			m := startMosquitto(t)
			p := startProxy(t, m.addr())
			store := newMemoryStore()
			cfg := testConfig(p.url())
			cfg.Acknowledge, cfg.CentreKeys = ByBroker, nil
			u := startUplink(t, cfg, store)
			sent := func() uint64 { return u.Status().Lanes[report.Telemetry].Brokered }
			store.backlog(report.Telemetry, 5000) // compressor and buffers are there from the first batches on
			store.append(t, report.Telemetry, 1)
			waitFor(t, 10*time.Second, "warm", func() bool { return store.waiting(report.Telemetry) == 0 })
			empty := heap(5)
			warm := sent()
			store.backlog(report.Telemetry, 1000000)
			store.append(t, report.Telemetry, 1)
			waitFor(t, 20*time.Second, "the window is full", func() bool { return sent() > warm+20000 })
			if slow {
				p.set(func(p *proxy) { p.frozen = true })
			}
			full := heap(20)
			left := store.waiting(report.Telemetry)
			t.Logf("heap %d KiB empty, %d KiB with %d records waiting; window %d bytes", empty>>10, full>>10, left, u.Status().Window)
			if left < 100000 {
				t.Error("the backlog was gone: the test tests nothing")
			}
			if full > empty+2<<20 {
				t.Errorf("%d KiB more than with an empty store, want at most 2048", (full-empty)>>10)
			}
		})
	}
}
