package uplink

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kentongan/agent/report"
)

// stopInOrder ends the broker as a package upgrade does.
func (m *mosquitto) stopInOrder() {
	m.t.Helper()
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-m.done:
	case <-time.After(patience):
		m.t.Fatal("mosquitto does not end")
	}
}

// A broker is upgraded: stopped in order, its store gone, another configuration
// of the listener (smaller packets, fewer in flight). Nothing is lost, and what
// it had acknowledged and forgotten is sent again.
func TestBrokerUpgraded(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	store := newMemoryStore()
	u := startUplink(t, testConfig(m.url()), store)
	last := fill(t, store, 3, 40, 400)
	wantLanes(c, store, last, 10*time.Second)

	c.leave() // so that the broker acknowledges what it then forgets
	before := u.Status().Lanes[report.Complaint].Brokered
	last[report.Complaint] = store.append(t, report.Complaint, 5)
	last[report.Event] = store.append(t, report.Event, 60)
	waitFor(t, 10*time.Second, "PUBACKs", func() bool { return u.Status().Lanes[report.Complaint].Brokered >= before+5 })
	m.stopInOrder()
	if err := os.Remove(filepath.Join(filepath.Dir(m.conf), "mosquitto.db")); err != nil {
		t.Fatal(err)
	}
	conf, err := os.ReadFile(m.conf)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(conf), "max_inflight_messages 1000", "max_inflight_messages 20\nmax_packet_size 20000\nmax_keepalive 30\nmax_connections 10")
	if err := os.WriteFile(m.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start(m.cmd.Path)
	c.comeBack()
	u.Wake()
	c.wantAll(store, report.Complaint, last[report.Complaint], 20*time.Second)
	last[report.Telemetry] = store.append(t, report.Telemetry, 2000) // leaves on PUBACK: not before the centre listens
	wantLanes(c, store, last, 20*time.Second)
}

// Days without a connection, compressed: telemetry overflows and its oldest are
// dropped, which gap events explain. Then complaints and events arrive
// in order, and every number that is missing is explained.
func TestDaysOffline(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	var mu sync.Mutex // guards these two: what comes again comes at any time
	order := map[report.Lane][]uint64{}
	var gaps ranges
	c.set(func(c *testCentre) {
		c.light = true
		c.onUp = func(topic report.Topic, b report.Batch) {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range b.Records {
				order[topic.Lane] = append(order[topic.Lane], r.Seq)
				var g report.Gap
				if r.Kind == report.KindGap && json.Unmarshal(r.Body, &g) == nil {
					gaps.add(g.From, g.To)
				}
			}
		}
	})
	p := startProxy(t, m.addr())
	p.refuse(true)
	store := newMemoryStore()
	cfg := testConfig(p.url())
	cfg.Tuning.ResendAfter = time.Minute // once each, on a busy machine too
	u := startUplink(t, cfg, store)
	waitFor(t, 5*time.Second, "offline", func() bool { return u.saw(stateLost, "") })
	const hours, keep = 50, 60000
	for range hours {
		store.backlog(report.Telemetry, 4000)
		store.append(t, report.Complaint, 1)
		store.append(t, report.Event, 9)
		store.drop(t, report.Telemetry, keep)
	}
	lastC, lastE, lastT := store.Head(report.Complaint).Next-1, store.Head(report.Event).Next-1, store.Head(report.Telemetry).Next-1
	p.refuse(false)
	u.Wake()
	c.wantAll(store, report.Complaint, lastC, 20*time.Second)
	c.wantAll(store, report.Event, lastE, 20*time.Second)
	waitFor(t, 40*time.Second, "telemetry has left", func() bool { return store.waiting(report.Telemetry) == 0 })
	waitFor(t, 10*time.Second, "telemetry is at the centre", func() bool { return c.lane(report.Telemetry).seqs.covers(lastT, lastT) })
	mu.Lock()
	defer mu.Unlock()
	for lane, last := range map[report.Lane]uint64{report.Complaint: lastC, report.Event: lastE} {
		seqs := order[lane]
		// What was on its way when a busy machine lost the connection comes again, and
		// what the centre did not acknowledge within a minute; nothing else does.
		most := u.connections() + int(u.Status().Lanes[lane].Resends)
		seen := map[uint64]int{}
		seqs = slices.DeleteFunc(slices.Clone(seqs), func(seq uint64) bool {
			if seen[seq]++; seen[seq] == most+1 {
				t.Errorf("lane %s: record %d came %d times or more, want %d at most", lane, seq, most+1, most)
			}
			return seen[seq] > 1
		})
		if uint64(len(seqs)) != last {
			t.Errorf("lane %s: %d records came, want %d once each", lane, len(seqs), last)
		}
		for i, seq := range seqs {
			if seq != uint64(i+1) {
				t.Fatalf("lane %s: place %d holds record %d", lane, i+1, seq)
			}
		}
	}
	have := c.lane(report.Telemetry).seqs
	arrived := lastT
	for _, g := range gaps {
		if have.meets(g.From, g.To) {
			t.Errorf("gap %d-%d, and some of it arrived", g.From, g.To)
		}
		arrived -= g.Count()
		have.add(g.From, g.To)
	}
	if !have.covers(1, lastT) || len(gaps) == 0 {
		t.Errorf("telemetry %v with its gaps %v is not all of 1-%d", have, gaps, lastT)
	}
	t.Logf("%d complaints, %d events, %d telemetry; %d telemetry dropped and explained", lastC, lastE, arrived, lastT-arrived)
}

// With the centre dead and more unacknowledged than is sent again at once, a
// press is still published when it is made: the broker may hold it.
func TestPressLeavesAtOnceWhileTheCentreIsDead(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	c.set(func(c *testCentre) { c.mute = true })
	store := newMemoryStore()
	store.append(t, report.Complaint, 100)
	cfg := testConfig(m.url())
	cfg.Tuning.ResendAfter, cfg.Tuning.ResendCap = 200*time.Millisecond, time.Hour
	u := startUplink(t, cfg, store)
	waitFor(t, 10*time.Second, "sent again in vain", func() bool { return u.Status().Lanes[report.Complaint].Resends >= 3 })
	for range 20 {
		seq := store.append(t, report.Complaint, 1)
		waitFor(t, time.Second, "the press at the broker", func() bool { return c.lane(report.Complaint).seqs.covers(seq, seq) })
	}
	if n := u.Status().Lanes[report.Complaint].SentRecords; n > 100+20+20*probeRecords {
		t.Errorf("%d records sent: the old ones with each press", n)
	}
	c.set(func(c *testCentre) { c.mute = false })
	c.acknowledge(report.Complaint)
	c.wantAll(store, report.Complaint, 120, 10*time.Second)
}
