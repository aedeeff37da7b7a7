package uplink

import (
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/report"
)

// Certificates that are over, or not yet: the connection is refused and the reason
// named, nothing leaves the store, and all of it arrives with the new certificate,
// without a restart.
func TestCertificateIsOver(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for name, row := range map[string]struct {
		whose    string
		from, to time.Duration // from now
	}{
		"the broker's has expired":      {"broker", -30 * day, -day},
		"the broker's is not yet valid": {"broker", day, 30 * day},
		"the device's has expired":      {"device", -30 * day, -day},
		"the device's is not yet valid": {"device", day, 30 * day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			a.issue("centre", "centre", false)
			m := a.startTLS("listener "+itoa(freePort(t))+" 127.0.0.1", "allow_anonymous true")
			c := startCentre(t, "mqtt://127.0.0.1:"+secondPort(t, m), nil)
			a.from, a.to = time.Now().Add(row.from), time.Now().Add(row.to)
			a.issue(row.whose, map[string]string{"broker": "broker", "device": testDevice}[row.whose], false)
			m.reload() // Mosquitto reads its certificate again
			if row.whose == "broker" {
				m.restart()
			}
			store := newMemoryStore()
			last := store.append(t, report.Complaint, 3)
			u := startUplink(t, a.config(m), store)
			waitFor(t, 60*time.Second, "refused", func() bool { return u.saw(stateRefused, "the dates of the certificates") })
			if n := store.waiting(report.Complaint); n != 3 {
				t.Errorf("%d complaints wait, want 3", n)
			}
			a.from, a.to = time.Time{}, time.Time{}
			a.issue(row.whose, map[string]string{"broker": "broker", "device": testDevice}[row.whose], false)
			if row.whose == "broker" {
				m.restart()
			}
			c.wantAll(store, report.Complaint, last, 60*time.Second)
		})
	}
}

// The wall clock steps while the device is connected and while it is not: by ten
// years either way, to 1970 and back. No press waits for a time that never comes; a
// clock that makes the broker's certificate look expired is named, and when it is
// right again, all arrives.
func TestClockStepsByTenYears(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	m := a.startTLS("listener "+itoa(freePort(t))+" 127.0.0.1", "allow_anonymous true")
	c := startCentre(t, "mqtt://127.0.0.1:"+secondPort(t, m), nil)
	p := startProxy(t, m.addr())
	var off atomic.Int64 // of the device's clock
	cfg := a.config(m)
	cfg.Brokers[0].URL = "mqtts://" + p.l.Addr().String()
	cfg.Brokers[0].Metered, cfg.BytesPerDay = true, 100<<20
	cfg.Floor = time.Now() // what the device knows of the time
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	store := newMemoryStore()
	u := startUplink(t, cfg, store)
	waitFor(t, 60*time.Second, "connected", func() bool { return u.Status().Connected })
	const years = 10 * 365 * 24 * time.Hour
	steps := []time.Duration{years, -years, -time.Duration(time.Now().UnixNano()), 0, years, 0, -years}
	press := func() {
		t.Helper()
		last := map[report.Lane]uint64{report.Complaint: store.append(t, report.Complaint, 1), report.Event: store.append(t, report.Event, 2), report.Telemetry: store.append(t, report.Telemetry, 20)}
		wantLanes(c, store, last, 60*time.Second)
	}
	for _, step := range steps {
		off.Store(int64(step))
		press() // over the connection that there is
	}
	for _, step := range steps {
		off.Store(int64(step))
		p.cut()
		last := store.append(t, report.Complaint, 1)
		u.Wake()
		if step > 0 { // no certificate lives that long
			waitFor(t, 60*time.Second, "the certificate looks expired", func() bool {
				st := u.Status()
				return !st.Connected && classifyText(st.LastError) == failTLS
			})
			if n := store.waiting(report.Complaint); n == 0 {
				t.Error("the press has left although nobody took it")
			}
			off.Store(0)
			u.Wake()
		}
		c.wantAll(store, report.Complaint, last, 60*time.Second)
		press()
	}
	t.Attr("injections", itoa(2*len(steps)))
}

// classifyText is the kind whose words begin the text of a status.
func classifyText(text string) failure {
	for kind, row := range failureTable {
		if kind != failNone && len(text) >= len(row.words) && text[:len(row.words)] == row.words {
			return kind
		}
	}
	return failNone
}
