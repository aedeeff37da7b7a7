package uplink

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"kentongan/agent/report"
)

const hangup = syscall.SIGHUP

func unzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestAllLanesArriveAndLeave(t *testing.T) {
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	store := newMemoryStore()
	store.append(t, report.Complaint, 30)
	store.append(t, report.Event, 300)
	store.append(t, report.Telemetry, 3000)
	cfg := testConfig(m.url())
	cfg.Tuning.ResendAfter = time.Minute // nothing is lost here
	u := startUplink(t, cfg, store)
	c.wantAll(store, report.Complaint, 30, 10*time.Second)
	c.wantAll(store, report.Event, 300, 10*time.Second)
	c.wantAll(store, report.Telemetry, 3000, 10*time.Second)
	store.append(t, report.Complaint, 1)
	store.append(t, report.Telemetry, 10)
	c.wantAll(store, report.Complaint, 31, 5*time.Second)
	c.wantAll(store, report.Telemetry, 3010, 5*time.Second)
	for _, l := range report.Lanes() {
		if g := c.lane(l); g.doubles != 0 {
			t.Errorf("lane %s: %d doubles on a healthy connection", l, g.doubles)
		}
	}
	if g := c.lane(report.Complaint); g.lastLive != 31 || g.history != 30 {
		t.Errorf("complaint: newest live %d, %d marked as backlog; want 31 and 30", g.lastLive, g.history)
	}
	st := u.Status()
	if !st.Connected || st.Session == "" || st.SentBytes == 0 || st.ReceivedBytes == 0 || st.RTT <= 0 || st.Lanes[report.Complaint].Acked != 31 {
		t.Errorf("status %+v", st)
	}
}

func TestBirthWillAndStates(t *testing.T) {
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	cfg := testConfig(m.url())
	cfg.Birth = func(session string) report.DeviceState {
		return report.DeviceState{Session: session, Version: "1.2.3", Site: "Balai Kota"}
	}
	u := startUplink(t, cfg, newMemoryStore())
	topics := report.Topics(testDevice)
	gate := topics.StreamState("gate")
	u.SetState(gate, []byte(`{"state":"playing"}`))
	u.SetState("kentongan/v1/other/state", []byte(`{}`)) // not ours: refused
	waitFor(t, 5*time.Second, "states at the centre", func() bool {
		return c.state(gate) == `{"state":"playing"}` && c.state(topics.State()) != ""
	})
	online := deviceState(t, c)
	if online.State != report.Online || online.Version != "1.2.3" || len(online.Heads) != 3 || online.Session != u.Status().Session {
		t.Errorf("birth %+v, session %s", online, u.Status().Session)
	}
	c.set(func(c *testCentre) { clear(c.states) })
	m.restart() // a broker that has lost its retained messages gets them again
	waitFor(t, 10*time.Second, "states at the centre again", func() bool {
		return c.state(gate) != "" && c.state(topics.State()) != "" && deviceState(t, c).State == report.Online
	})
	u.stop()
	waitFor(t, 5*time.Second, "offline", func() bool { return deviceState(t, c).State == report.Offline })
	if s := deviceState(t, c); s.Session == online.Session {
		t.Errorf("the second connection has the session of the first: %s", s.Session)
	}
}

func deviceState(t *testing.T, c *testCentre) (s report.DeviceState) {
	t.Helper()
	if err := json.Unmarshal([]byte(c.state(report.Topics(testDevice).State())), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWillWhenTheConnectionBreaks(t *testing.T) {
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	p := startProxy(t, m.addr())
	u := startUplink(t, testConfig(p.url()), newMemoryStore())
	waitFor(t, 5*time.Second, "online", func() bool {
		return c.state(report.Topics(testDevice).State()) != "" && deviceState(t, c).State == report.Online
	})
	session := u.Status().Session
	p.refuse(true)
	p.cut()
	waitFor(t, 5*time.Second, "the will", func() bool { return deviceState(t, c).State == report.Offline })
	if s := deviceState(t, c); s.Session != session {
		t.Errorf("will of session %s, want %s", s.Session, session)
	}
}

func TestAcknowledgeByBroker(t *testing.T) {
	m := startMosquitto(t)
	store := newMemoryStore()
	store.append(t, report.Complaint, 10)
	store.hole(report.Complaint, 4, 5)
	store.append(t, report.Telemetry, 100)
	cfg := testConfig(m.url())
	cfg.Acknowledge, cfg.CentreKeys = ByBroker, nil
	startUplink(t, cfg, store)
	waitFor(t, 5*time.Second, "lanes are empty", func() bool {
		return store.waiting(report.Complaint) == 0 && store.waiting(report.Telemetry) == 0
	})
}

// What is set while a connection is left in order is at the broker before the
// device is offline: the last checkpoint.
func TestLastStateLeavesBeforeOffline(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	topic := report.Topics(testDevice).Checkpoint(report.Event)
	cfg := testConfig(m.url())
	var u *running
	said := make(chan struct{})
	cfg.OnLeave = func() {
		u.SetState(topic, []byte("the last"))
		close(said)
	}
	u = startUplink(t, cfg, newMemoryStore())
	waitFor(t, 10*time.Second, "the device is online", func() bool { return strings.Contains(c.state(report.Topics(testDevice).State()), report.Online) })
	u.stop()
	<-said
	waitFor(t, 10*time.Second, "the device is offline", func() bool { return strings.Contains(c.state(report.Topics(testDevice).State()), report.Offline) })
	if got := c.state(topic); got != "the last" {
		t.Errorf("the broker has %q, want what was set at the end", got)
	}
}
