package uplink

import (
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/report"
)

// TestReconfigureGoesToAnotherBroker: while the first does not answer, and while
// it serves. What is kept arrives, and the retained states stand at the new one.
func TestReconfigureGoesToAnotherBroker(t *testing.T) {
	t.Parallel()
	one, two := startMosquitto(t, ""), startMosquitto(t, "")
	c := startCentre(t, two.url(), nil)
	store := newMemoryStore()
	cfg := testConfig("mqtt://127.0.0.1:9") // nobody listens
	cfg.Tuning.BackoffBase, cfg.Tuning.BackoffCap = time.Hour, time.Hour
	u := startUplink(t, cfg, store)
	u.SetState(report.Topics(testDevice).StreamState("gate"), []byte(`{"name":"gate"}`))
	waitFor(t, time.Minute, "the first broker is given up", func() bool { return u.Status().LastError != "" })
	on := func(addr string) func() bool {
		return func() bool { s := u.Status(); return s.Connected && s.Broker == addr }
	}
	take := func(url string) {
		t.Helper()
		checked, err := u.Check(testConfig(url))
		if err != nil {
			t.Fatal(err)
		}
		u.Reconfigure(checked)
	}
	take(one.url())
	waitFor(t, time.Minute, "on the second", on(one.addr()))
	if _, err := u.Check(testConfig("mqtt://")); err == nil {
		t.Error("a broker without a host is taken")
	}
	for _, url := range []string{one.url(), one.url(), two.url()} { // the newest counts
		take(url)
	}
	waitFor(t, time.Minute, "on the third", on(two.addr()))
	last := store.append(t, report.Complaint, 3)
	c.wantAll(store, report.Complaint, last, time.Minute)
}

// TestAnnounceSaysAnewWhoWeAre without another connection.
func TestAnnounceSaysAnewWhoWeAre(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "")
	var births atomic.Int64
	cfg := testConfig(m.url())
	cfg.Birth = func(session string) report.DeviceState {
		births.Add(1)
		return report.DeviceState{Session: session, Since: time.Now()}
	}
	u := startUplink(t, cfg, newMemoryStore())
	waitFor(t, time.Minute, "connected", func() bool { return u.Status().Connected })
	before := births.Load()
	u.Announce()
	waitFor(t, time.Minute, "said again", func() bool { return births.Load() > before })
	if n := u.Status().Connections; n != 1 {
		t.Errorf("%d connections", n)
	}
}
