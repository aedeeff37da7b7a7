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
// window full it stays within 2 MiB of an empty store's, while they leave and
// while the link is stuck.
func TestMemoryDoesNotGrowWithTheBacklog(t *testing.T) {
	m := startMosquitto(t)
	p := startProxy(t, m.addr())
	store := newMemoryStore()
	cfg := testConfig(p.url())
	cfg.Acknowledge, cfg.CentreKeys = ByBroker, nil
	u := startUplink(t, cfg, store)
	sent := func() uint64 { return u.Status().Lanes[report.Telemetry].Brokered }
	store.backlog(report.Telemetry, 3000) // compressor and buffers are there from the first batches on
	store.append(t, report.Telemetry, 1)
	waitFor(t, 10*time.Second, "warm", func() bool { return store.waiting(report.Telemetry) == 0 })
	empty, warm := heap(5), sent()
	store.backlog(report.Telemetry, 1000000)
	store.append(t, report.Telemetry, 1)
	waitFor(t, 20*time.Second, "the window is full", func() bool { return sent() > warm+5000 })
	moving := heap(10)
	p.set(func(p *proxy) { p.frozen = true })
	stuck, left := heap(10), store.waiting(report.Telemetry)
	t.Logf("heap %d KiB empty, %d KiB while %d records wait, %d KiB when the link is stuck; window %d bytes", empty>>10, moving>>10, left, stuck>>10, u.Status().Window)
	if left < 100000 {
		t.Error("the backlog was gone: the test tests nothing")
	}
	if most := max(moving, stuck); most > empty+2<<20 {
		t.Errorf("%d KiB more than with an empty store, want at most 2048", (most-empty)>>10)
	}
}
