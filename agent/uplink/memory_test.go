package uplink

import (
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"kentongan/agent/report"
)

// heap is what collections found alive, the median of several looks. What is
// made while one runs counts as alive, so single looks say too much.
func heap() uint64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var all []uint64
	for range 15 {
		runtime.GC()
		metrics.Read(live)
		all = append(all, live[0].Value.Uint64())
	}
	slices.Sort(all)
	return all[len(all)/2]
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
	empty, warm := heap(), sent()
	store.backlog(report.Telemetry, 1000000)
	store.append(t, report.Telemetry, 1)
	waitFor(t, 20*time.Second, "the window is full", func() bool { return sent() > warm+5000 })
	moving := heap()
	p.set(func(p *proxy) { p.frozen = true })
	stuck, left := heap(), store.waiting(report.Telemetry)
	t.Logf("heap %d KiB empty, %d KiB while %d records wait, %d KiB when the link is stuck; window %d bytes", empty>>10, moving>>10, left, stuck>>10, u.Status().Window)
	if left < 100000 {
		t.Error("the backlog was gone: the test tests nothing")
	}
	if most := max(moving, stuck); most > empty+2<<20 {
		t.Errorf("%d KiB more than with an empty store, want at most 2048", (most-empty)>>10)
	}
}
