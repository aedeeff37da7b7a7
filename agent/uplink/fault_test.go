package uplink

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/report"
)

// fill appends to all lanes and returns what the last numbers are.
func fill(t *testing.T, s *memoryStore, complaints, events, telemetry int) map[report.Lane]uint64 {
	t.Helper()
	return map[report.Lane]uint64{
		report.Complaint: s.append(t, report.Complaint, complaints),
		report.Event:     s.append(t, report.Event, events),
		report.Telemetry: s.append(t, report.Telemetry, telemetry),
	}
}

func wantLanes(c *testCentre, s *memoryStore, last map[report.Lane]uint64, limit time.Duration) {
	c.t.Helper()
	for _, l := range report.Lanes() {
		c.wantAll(s, l, last[l], limit)
	}
}

func TestLatencyOf600ms(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	p := startProxy(t, m.addr())
	p.set(func(p *proxy) { p.delay = 300 * time.Millisecond })
	store := newMemoryStore()
	last := fill(t, store, 5, 400, 5000)
	cfg := testConfig(p.url())
	cfg.Tuning.ResendAfter = 20 * time.Second // nothing is lost here, and the machine may be busy
	startUplink(t, cfg, store)
	wantLanes(c, store, last, 25*time.Second)
	for _, l := range report.Lanes() {
		if g := c.lane(l); g.doubles > 0 {
			t.Errorf("lane %s: %d doubles; and nothing was lost", l, g.doubles)
		}
	}
}

// A line of 16 kbit/s and 600 ms: a press leaves at once although telemetry
// fills the line. It is judged by what comes before it: a machine that does other
// things as well is slow with both.
func TestModemOf16kbit(t *testing.T) {
	t.Parallel()
	const rate = 2000 // bytes per second
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	var mu sync.Mutex        // guards came
	came := map[uint64]int{} // bytes of telemetry before each press
	c.set(func(c *testCentre) {
		c.onUp = func(topic report.Topic, b report.Batch) {
			if topic.Lane != report.Complaint {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range b.Records {
				if _, again := came[r.Seq]; !again {
					came[r.Seq] = c.lane(report.Telemetry).bytes
				}
			}
		}
	})
	p := startProxy(t, m.addr())
	p.set(func(p *proxy) { p.delay, p.rate = 300*time.Millisecond, rate })
	store := newMemoryStore()
	store.backlog(report.Telemetry, 100000)
	u := startUplink(t, testConfig(p.url()), store)
	waitFor(t, 20*time.Second, "the line is full", func() bool { return u.Status().Lanes[report.Telemetry].Brokered > 100 })
	// In flight is what the window lets, some 3,000 bytes here; without it the line
	// and what queues before it were 12,000 to 18,000.
	const most = 4 * rate
	best := most
	for n := 0; n < 5 && best >= most; n++ { // a busy machine may be late between the two
		began, seq := time.Now(), store.append(t, report.Complaint, 1)
		before := c.lane(report.Telemetry).bytes
		passed := 0
		waitFor(t, 20*time.Second, "press at the centre", func() bool {
			mu.Lock()
			defer mu.Unlock()
			at, there := came[seq]
			passed = at - before
			return there
		})
		t.Logf("press %d took %v, %d bytes of telemetry came before it; window %d, RTT %v", seq, time.Since(began).Round(time.Millisecond), passed, u.Status().Window, u.Status().RTT)
		best = min(best, passed)
	}
	if best >= most {
		t.Errorf("beside a full line each press had to wait for what it takes 4 s for, or more")
	}
}

func TestCutInTheMiddleOfAPacket(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	p := startProxy(t, m.addr())
	store := newMemoryStore()
	last := fill(t, store, 40, 400, 4000)
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	p.set(func(p *proxy) { p.cutAfter = 500 })
	u := startUplink(t, testConfig(p.url()), store)
	for n := range 30 {
		waitFor(t, 20*time.Second, "a cut", func() bool {
			if accepted, _ := p.count(); accepted > n+1 {
				return true
			}
			// The backlog may be gone before so many bytes have left.
			if store.waiting(report.Complaint)+store.waiting(report.Event)+store.waiting(report.Telemetry) == 0 {
				last[report.Event] = store.append(t, report.Event, 100)
				u.Wake()
			}
			return false
		})
		p.set(func(p *proxy) { p.cutAfter = 200 + rng.IntN(20000) })
		last[report.Complaint] = store.append(t, report.Complaint, 1)
		last[report.Event] = store.append(t, report.Event, 20)
		u.Wake()
	}
	p.set(func(p *proxy) { p.cutAfter = 0 })
	wantLanes(c, store, last, 20*time.Second)
}

// A peer that is gone, and one that does not read any more, are noticed within
// 20 s with the figures of the field.
func TestSilentPeerIsNoticed(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*proxy){
		"half-open":          func(p *proxy) { p.frozen = true },
		"half-open, metered": func(p *proxy) { p.frozen = true },
		"stops reading":      func(p *proxy) { p.deaf = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startMosquitto(t)
			c := startCentre(t, m.url(), nil)
			p := startProxy(t, m.addr())
			store := newMemoryStore()
			store.append(t, report.Telemetry, 10)
			cfg := testConfig(p.url())
			cfg.Tuning.StallAfter = 0 // the default
			if strings.Contains(name, "metered") {
				cfg.Brokers[0].Metered, cfg.KeepAlive = true, 20*time.Minute
			}
			u := startUplink(t, cfg, store)
			c.wantAll(store, report.Telemetry, 10, 10*time.Second)
			p.set(fault)
			began := time.Now()
			last := store.append(t, report.Complaint, 1)
			store.backlog(report.Telemetry, 100000)
			waitFor(t, 25*time.Second, "the loss is noticed", func() bool { return u.saw(stateLost, "") })
			if took := time.Since(began); took > 20*time.Second+slack {
				t.Errorf("noticed after %v", took)
			}
			p.set(func(p *proxy) { p.frozen, p.deaf = false, false })
			p.cut()
			c.wantAll(store, report.Complaint, last, 10*time.Second)
		})
	}
}

func TestNameDoesNotResolve(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	store := newMemoryStore()
	last := store.append(t, report.Complaint, 3)
	cfg := testConfig("mqtt://centre.invalid", m.url())
	cfg.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("no route to the name server")
	}}
	u := startUplink(t, cfg, store)
	c.wantAll(store, report.Complaint, last, 10*time.Second)
	if !u.saw(stateLost, "does not resolve") {
		t.Errorf("changes %+v: none about the name", u.changes)
	}
}

// The broker is killed right after a PUBACK, again and again. Mosquitto forgets
// what it acknowledged; the records do not.
func TestBrokerKilledAfterPUBACK(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	store := newMemoryStore()
	u := startUplink(t, testConfig(m.url()), store)
	end := time.Now().Add(soak(t, 10*time.Second))
	last := map[report.Lane]uint64{}
	kills, lossy := 0, 0
	for time.Now().Before(end) {
		before := u.Status().Lanes[report.Complaint].Brokered
		c.set(func(c *testCentre) { c.mute = kills%2 == 0 }) // half of the time nothing was confirmed
		last[report.Complaint] = store.append(t, report.Complaint, 1+kills%3)
		last[report.Event] = store.append(t, report.Event, 7)
		waitFor(t, 10*time.Second, "PUBACK", func() bool { return u.Status().Lanes[report.Complaint].Brokered > before })
		if c.thru(report.Complaint) < last[report.Complaint] {
			lossy++
		}
		m.restart()
		kills++
		u.Wake()
	}
	c.set(func(c *testCentre) { c.mute = false })
	c.wantAll(store, report.Complaint, last[report.Complaint], 20*time.Second)
	c.wantAll(store, report.Event, last[report.Event], 20*time.Second)
	g := c.lane(report.Complaint)
	t.Logf("%d kills, %d of them before the centre had what was acknowledged; %d complaints, %d doubles ignored", kills, lossy, last[report.Complaint], g.doubles)
}

// An ACL that denies the device still gives it PUBACKs; Mosquitto 2.0 without a
// limit on queued messages closes the connection instead.
func TestACLDeniesForAWhile(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		queue string
		seen  func(*running) bool
	}{
		"acknowledged": {"max_queued_messages 100000", func(u *running) bool {
			st := u.Status().Lanes[report.Complaint]
			return st.Brokered > 5 && st.Resends >= 2
		}},
		"closed": {"max_queued_messages 0", func(u *running) bool { return u.saw(stateRefused, "ACL seems to deny") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testACL(t, row.queue, row.seen)
		})
	}
}

func testACL(t *testing.T, queue string, seen func(*running) bool) {
	acl := filepath.Join(t.TempDir(), "acl")
	allow := func(line string) {
		text := "user centre\ntopic readwrite #\nuser " + testDevice + "\ntopic read #\ntopic write kentongan/v1/+/state/#\n" + line + "\n"
		if err := os.WriteFile(acl, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	allow("")
	m := startMosquitto(t, "acl_file "+acl, queue)
	c := startCentre(t, m.url(), func(o *mqtt.ClientOptions) { o.SetUsername("centre") })
	store := newMemoryStore()
	lastC, lastE := store.append(t, report.Complaint, 5), store.append(t, report.Event, 50)
	cfg := testConfig(m.url())
	cfg.Brokers[0].Username = testDevice
	u := startUplink(t, cfg, store)
	waitFor(t, 10*time.Second, "the denial is noticed", func() bool { return seen(u) })
	if c.thru(report.Complaint) != 0 || store.waiting(report.Complaint) != 5 {
		t.Fatalf("the ACL did not deny: centre %d, store %d", c.thru(report.Complaint), store.waiting(report.Complaint))
	}
	allow("topic write kentongan/v1/" + testDevice + "/up/#")
	m.reload()
	c.wantAll(store, report.Complaint, lastC, 15*time.Second)
	c.wantAll(store, report.Event, lastE, 15*time.Second)
}

// A queue of 10 for a centre that is away: Mosquitto acknowledges, and drops
// the rest in silence.
func TestBrokersQueueOverflows(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "max_queued_messages 10", "max_inflight_messages 10")
	c := startCentre(t, m.url(), func(o *mqtt.ClientOptions) { o.SetCleanSession(false) })
	store := newMemoryStore()
	cfg := testConfig(m.url())
	cfg.Tuning.MaxRecords, cfg.Tuning.ResendAfter = 1, 2*time.Second
	u := startUplink(t, cfg, store)
	c.leave()
	lastC, lastE := store.append(t, report.Complaint, 60), store.append(t, report.Event, 300)
	waitFor(t, 15*time.Second, "PUBACKs for all", func() bool {
		st := u.Status()
		return st.Lanes[report.Event].Brokered >= 300 && st.Lanes[report.Complaint].Brokered >= 60
	})
	c.comeBack()
	c.wantAll(store, report.Complaint, lastC, 20*time.Second)
	c.wantAll(store, report.Event, lastE, 20*time.Second)
	if u.Status().Lanes[report.Event].Resends == 0 && u.Status().Lanes[report.Event].Wanted == 0 {
		t.Error("nothing was sent again, so nothing was dropped: the test tests nothing")
	}
}

func TestSecondClientWithOurName(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	store := newMemoryStore()
	u := startUplink(t, testConfig(m.url()), store)
	waitFor(t, 5*time.Second, "connected", func() bool { return u.Status().Connected })
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() { // a thief that comes back each time it is thrown out
		defer close(ended)
		for {
			lost := make(chan struct{})
			o := mqtt.NewClientOptions().AddBroker(m.url()).SetClientID(testDevice).SetProtocolVersion(4)
			o.SetAutoReconnect(false).SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) })
			cl := mqtt.NewClient(o)
			if tok := cl.Connect(); tok.Wait() && tok.Error() != nil {
				close(lost)
			}
			select {
			case <-stop:
				cl.Disconnect(50)
				return
			case <-lost:
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	waitFor(t, 15*time.Second, "the takeover is named", func() bool { return u.saw(stateRefused, "second client") })
	close(stop)
	<-ended
	last := store.append(t, report.Complaint, 1)
	c.wantAll(store, report.Complaint, last, 10*time.Second)
}

func TestWrongPasswordThenTheRightOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	users, secret := filepath.Join(dir, "users"), filepath.Join(dir, "secret")
	for _, name := range []string{testDevice, "centre"} {
		args := []string{"-b", users, name, "right"}
		if name == testDevice {
			args = append([]string{"-c"}, args...)
		}
		if out, err := exec.Command("mosquitto_passwd", args...).CombinedOutput(); err != nil {
			t.Fatalf("mosquitto_passwd (apt-get install mosquitto): %v: %s", err, out)
		}
	}
	write := func(pw string) { // by rename: the uplink never reads half of it
		if err := os.WriteFile(secret+".new", []byte(pw+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(secret+".new", secret); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong")
	m := startMosquitto(t, "allow_anonymous false", "password_file "+users)
	cfg := testConfig(m.url())
	cfg.Brokers[0].Username, cfg.Brokers[0].PasswordFile = testDevice, secret
	cfg.Tuning.ConnectLimit = patience                                     // no other failure may begin a pause
	cfg.Tuning.BackoffBase, cfg.Tuning.BackoffCap = 4*patience, 4*patience // only the file's change may end it
	u := startUplink(t, cfg, newMemoryStore())
	waitFor(t, 5*time.Second, "refused", func() bool { return u.saw(stateRefused, "") })
	if text := u.Status().LastError; text != failNotAllowed.words() && text != failCredentials.words() {
		t.Errorf("last error %q", text)
	}
	write("right")
	waitFor(t, 5*time.Second, "connected with the new password", func() bool { return u.Status().Connected })
}

func TestFailOverAndBack(t *testing.T) {
	t.Parallel()
	first, second := startMosquitto(t), startMosquitto(t)
	cfg := testConfig(first.url(), second.url())
	cfg.Tuning.ProbeEvery, cfg.Tuning.FailBackAfter = 50*time.Millisecond, 500*time.Millisecond
	u := startUplink(t, cfg, newMemoryStore())
	on := func(m *mosquitto) func() bool {
		return func() bool { st := u.Status(); return st.Connected && st.Broker == m.addr() }
	}
	waitFor(t, 5*time.Second, "on the first broker", on(first))
	first.kill()
	waitFor(t, 5*time.Second, "on the second broker", on(second))
	began := time.Now()
	first.start(first.cmd.Path)
	waitFor(t, 10*time.Second, "back on the first broker", on(first))
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("back after %v, before the first broker had been healthy for 500 ms", took)
	}
}

func TestDayBudgetHoldsTelemetryOnly(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	store := newMemoryStore()
	store.backlog(report.Telemetry, 1000000)
	cfg := testConfig(m.url())
	cfg.Brokers[0].Metered, cfg.BytesPerDay = true, 100<<10
	now := time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC)
	cfg.Now = func() time.Time { return now }
	cfg.Usage = Usage{Day: "2026-11-23", Bytes: 100 << 10}
	u := startUplink(t, cfg, store)
	last := store.append(t, report.Complaint, 2)
	c.wantAll(store, report.Complaint, last, 5*time.Second)
	waitFor(t, 5*time.Second, "telemetry waits for its budget", func() bool { return u.Status().BudgetWaits })
	if n := u.Status().Lanes[report.Telemetry].SentRecords; n != 0 {
		t.Errorf("%d records of telemetry sent after the end of the budget", n)
	}
}

func TestHolesAreNoEnd(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	store := newMemoryStore()
	store.append(t, report.Event, 5000)
	store.hole(report.Event, 11, 4800) // more than may be sent past the acknowledgement
	store.append(t, report.Telemetry, 500)
	store.hole(report.Telemetry, 1, 100)
	store.hole(report.Telemetry, 200, 400)
	startUplink(t, testConfig(m.url()), store)
	waitFor(t, 10*time.Second, "what is there arrives", func() bool {
		e, tm := c.lane(report.Event).seqs, c.lane(report.Telemetry).seqs
		return e.covers(1, 10) && e.covers(4801, 5000) && tm.covers(101, 199) && tm.covers(401, 500)
	})
	waitFor(t, 5*time.Second, "telemetry leaves", func() bool { return store.waiting(report.Telemetry) == 0 })
}
