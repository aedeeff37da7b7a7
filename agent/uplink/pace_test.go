package uplink

import (
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

func TestBackoffGrowsToItsCapAndIsNotInStep(t *testing.T) {
	b := backoff{base: time.Second, cap: 5 * time.Minute, jitter: uniform}
	seen := map[time.Duration]bool{}
	for range 200 {
		d := b.next(failNetwork)
		if d < time.Second || d > 5*time.Minute {
			t.Fatalf("wait of %v", d)
		}
		seen[d] = true
	}
	if len(seen) < 100 {
		t.Errorf("%d different waits of 200", len(seen))
	}
	b.reset()
	if d := b.next(failNetwork); d > 3*time.Second {
		t.Errorf("%v after a reset, want at most 3s", d)
	}
	if d := b.next(failCredentials); d < 30*time.Second {
		t.Errorf("%v after a wrong password, want at least 30s", d)
	}
}

func TestChooseBroker(t *testing.T) {
	now := time.Unix(1000, 0)
	at := func(seconds ...int) (out []*brokerState) {
		for _, s := range seconds {
			out = append(out, &brokerState{retryAt: now.Add(time.Duration(s) * time.Second)})
		}
		return out
	}
	tests := map[string]struct {
		brokers []*brokerState
		want    int // index, -1 for none
		wait    time.Duration
	}{
		"the first":              {at(0, 0), 0, 0},
		"the first is resting":   {at(5, 0), 1, 0},
		"all rest":               {at(9, 4, 7), -1, 4 * time.Second},
		"the first is due again": {at(-1, -5), 0, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b, wait := choose(tt.brokers, now)
			got := -1
			for i := range tt.brokers {
				if tt.brokers[i] == b {
					got = i
				}
			}
			if got != tt.want || wait != tt.wait {
				t.Errorf("broker %d, wait %v; want %d, %v", got, wait, tt.want, tt.wait)
			}
		})
	}
}

// A broker that we came back to and that fails at once must be healthy for
// longer before we come back again.
func TestFailBackDoesNotFlap(t *testing.T) {
	now := time.Unix(1000, 0)
	b := &brokerState{hold: time.Minute, backoff: backoff{base: time.Second, cap: time.Minute, jitter: uniform}}
	for n, want := range []time.Duration{2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, maxHold, maxHold} {
		b.backAt = now
		b.failed(io.EOF, 5*time.Second, time.Minute, now.Add(5*time.Second))
		if b.hold != want {
			t.Fatalf("after %d disappointments: %v, want %v", n+1, b.hold, want)
		}
	}
}

func TestTakeoverNeedsThreeQuickEnds(t *testing.T) {
	now := time.Unix(1000, 0)
	b := &brokerState{backoff: backoff{base: time.Second, cap: time.Minute, jitter: uniform}}
	ends := []struct {
		err  error
		up   time.Duration
		want failure
	}{
		{io.EOF, time.Second, failNetwork},
		{io.EOF, time.Second, failNetwork},
		{io.EOF, time.Second, failTakeover},
		{io.EOF, time.Minute, failNetwork}, // it held
		{io.EOF, time.Second, failNetwork},
		{unansweredError{io.EOF}, time.Second, failNetwork},
		{unansweredError{io.EOF}, time.Second, failDenied},
	}
	for i, e := range ends {
		if got := b.failed(e.err, e.up, 30*time.Second, now).kind; got != e.want {
			t.Errorf("end %d: %v, want %v", i, got, e.want)
		}
	}
}

func TestBytesPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(2000, 0, Usage{})
		began := time.Now()
		sent := 0
		for time.Since(began) < time.Minute {
			ok, again := b.ready(false, time.Now(), time.Now())
			if ok {
				b.spend(3000-packetBytes, time.Now())
				sent += 3000
				continue
			}
			time.Sleep(time.Until(again))
		}
		if most := 60*2000 + minBurst + 3000; sent > most || sent < 60*2000 {
			t.Errorf("%d bytes in a minute, want 120000 to %d", sent, most)
		}
	})
}

// A board without a clock of its own wakes in 1970: that is another day than the
// one that was saved, and stays it until the clock is set.
func TestDayBudgetBeforeTheClockIsSet(t *testing.T) {
	unset := time.Unix(60, 0)
	b := newBudget(0, 1<<20, Usage{Day: "2026-11-23", Bytes: 1 << 20})
	b.carried(5, unset)
	if want := (Usage{Day: "1970-01-01", Bytes: 5}); b.usage != want {
		t.Errorf("usage %+v, want %+v", b.usage, want)
	}
	b.carried(7, unset.Add(time.Hour))
	if want := (Usage{Day: "1970-01-01", Bytes: 12}); b.usage != want {
		t.Errorf("usage %+v, want %+v", b.usage, want)
	}
	b.carried(1, time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC))
	if want := (Usage{Day: "2026-11-24", Bytes: 1}); b.usage != want {
		t.Errorf("usage %+v, want %+v", b.usage, want)
	}
}

func TestDayBudget(t *testing.T) {
	wall := time.Date(2026, 11, 23, 22, 30, 0, 0, time.UTC)
	now := time.Unix(1000, 0)
	b := newBudget(0, 1<<20, Usage{Day: "2026-11-23", Bytes: 1<<20 - 10})
	if ok, _ := b.ready(true, now, wall); !ok {
		t.Error("not ready with 10 bytes left")
	}
	if b.carried(100, wall) {
		t.Error("100 bytes are worth no saving")
	}
	if ok, again := b.ready(true, now, wall); ok || again.Sub(now) > time.Hour {
		t.Errorf("ready %v, again in %v; want a look at the clock within the hour", ok, again.Sub(now))
	}
	if ok, _ := b.ready(false, now, wall); !ok {
		t.Error("a link that is not metered waits")
	}
	if !b.carried(1, wall.Add(2*time.Hour)) {
		t.Error("a new day is not saved")
	}
	if want := (Usage{Day: "2026-11-24", Bytes: 1}); b.usage != want {
		t.Errorf("usage %+v, want %+v", b.usage, want)
	}
	if ok, _ := b.ready(true, now, wall.Add(2*time.Hour)); !ok {
		t.Error("not ready on a new day")
	}
}

func TestAges(t *testing.T) {
	var a ages
	began := time.Unix(1000, 0)
	for i := range uint64(100000) { // 1,000 a second
		a.seen(i+1, began.Add(time.Duration(i)*time.Millisecond))
	}
	if len(a.marks) > maxMarks {
		t.Errorf("%d marks", len(a.marks))
	}
	for _, seq := range []uint64{99999, 99000, 97500} {
		true_ := began.Add(time.Duration(seq) * time.Millisecond)
		if at := a.at(seq); at.After(true_) || true_.Sub(at) > 2*markStep {
			t.Errorf("record %d seen at %v, was %v", seq, at.Sub(began), true_.Sub(began))
		}
	}
	if !a.at(100000).IsZero() {
		t.Error("a record that was never seen has an age")
	}
}

func TestLaneByCentre(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLane(report.Complaint, true, 100)
	head := report.Head{Lane: l.name, Epoch: 1, First: 1, Next: 51}
	l.begin(head)
	next := func() string {
		from, to, ok := l.nextFree()
		return fmt.Sprint(from, to, ok)
	}
	expect := func(what, want string) {
		t.Helper()
		if got := next(); got != want {
			t.Errorf("%s: to send %s, want %s", what, got, want)
		}
	}
	expect("at first", "1 50 true")
	l.claim(1, 50, now)
	expect("all on its way", "0 0 false")
	if leave := l.puback(1, 50, now); leave != 0 {
		t.Errorf("PUBACK lets %d leave", leave)
	}
	if at := l.resendAt(3*time.Second, time.Minute); !at.Equal(now.Add(3 * time.Second)) {
		t.Errorf("again at %v", at)
	}
	l.rewind(nil, 16)
	expect("no acknowledgement", "1 16 true")
	l.claim(1, 16, now)
	l.puback(1, 16, now)
	if at := l.resendAt(3*time.Second, time.Minute); !at.Equal(now.Add(6 * time.Second)) {
		t.Errorf("the second time at %v, want twice the wait", at)
	}
	l.left(16, now)
	expect("the centre is back", "17 48 true") // twice as many as before
	l.claim(17, 50, now)
	l.lately.pause = time.Second
	asked := []report.Range{{From: 20, To: 22}, {From: 40, To: 41}}
	if n := l.want(asked, nil, now); n != 0 {
		t.Errorf("freed %d ranges that were sent again just now", n)
	}
	now = now.Add(3 * time.Second)
	if n := l.want(asked, ranges{{From: 40, To: 45}}, now); n != 1 {
		t.Errorf("freed %d ranges, want the one that is not flying", n)
	}
	expect("what it wants", "20 22 true")
	l.claim(20, 22, now)
	expect("what flies is not sent again", "0 0 false")
	if n := l.want([]report.Range{{From: 20, To: 22}}, nil, now.Add(time.Second/2)); n != 0 {
		t.Error("the same range was freed twice within the pause")
	}
}

// A dead centre holds up what is sent again, and the backlog; a new record it
// does not.
func TestNewRecordsPassThoseThatWait(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLane(report.Complaint, true, 100)
	l.lately.pause = time.Second
	head := report.Head{Lane: l.name, Epoch: 1, First: 1, Next: 151}
	l.begin(head)
	expect := func(what, want string) {
		t.Helper()
		from, to, ok := l.nextFree()
		if got := fmt.Sprint(from, to, ok); got != want {
			t.Errorf("%s: to send %s, want %s", what, got, want)
		}
	}
	expect("backlog, within the limit", "1 100 true")
	l.claim(1, 100, now)
	expect("backlog, beyond it", "0 0 false")
	head.Next = 153
	l.update(head)
	expect("new beyond the limit", "151 152 true")
	l.claim(151, 152, now)
	expect("sent once", "0 0 false")
	l.rewind(nil, 16)
	expect("again", "1 16 true")
	l.claim(1, 16, now)
	expect("new ones are not sent again either", "0 0 false")
	head.Next = 154
	l.update(head)
	expect("a new one in spite of that", "153 153 true")
	l.claim(153, 153, now)
	expect("sent once", "0 0 false")
	l.left(16, now)
	expect("the centre is back", "17 48 true")
	l.claim(17, 48, now)
	if n := l.want([]report.Range{{From: 17, To: 150}}, nil, now); n != 0 {
		t.Errorf("freed %d ranges that were on their way when the centre wrote", n)
	}
	l.left(152, now)
	expect("all acknowledged but the newest", "0 0 false")
}

func TestRecentIsBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	r := recent{pause: time.Second}
	for i := range uint64(10000) {
		r.add(3*i+1, 3*i+1, now)
	}
	if n := len(r.all(now)); n > maxRecent {
		t.Errorf("%d ranges", n)
	}
	if !r.all(now).covers(29998, 29998) || !r.all(now).covers(1, 1) {
		t.Error("what was added is not covered")
	}
	if n := len(r.all(now.Add(2 * time.Second))); n != 0 {
		t.Errorf("%d ranges after two pauses", n)
	}
}

func TestLaneByBroker(t *testing.T) {
	now := time.Unix(1000, 0)
	l := newLane(report.Telemetry, false, 100)
	l.begin(report.Head{Lane: l.name, Epoch: 1, First: 1, Next: 101})
	for _, r := range []report.Range{{From: 1, To: 10}, {From: 11, To: 20}, {From: 91, To: 100}} {
		l.claim(r.From, r.To, now)
	}
	if leave := l.puback(91, 100, now); leave != 0 {
		t.Errorf("the newest first: %d leaves", leave)
	}
	if leave := l.puback(11, 20, now); leave != 0 {
		t.Errorf("out of order: %d leaves", leave)
	}
	if leave := l.puback(1, 10, now); leave != 20 {
		t.Errorf("the low-water mark: %d leaves, want 20", leave)
	}
	l.left(20, now)
	l.claim(21, 30, now)
	l.begin(report.Head{Lane: l.name, Epoch: 1, First: 21, Next: 111}) // a new connection
	if from, to, ok := l.nextFree(); from != 21 || to != 90 || !ok {
		t.Errorf("to send %d-%d, want 21-90: what had no PUBACK, and not what had", from, to)
	}
	l.update(report.Head{Lane: l.name, Epoch: 1, First: 60, Next: 111}) // the spool dropped some
	if from, _, _ := l.nextFree(); from != 60 {
		t.Errorf("to send from %d, want 60", from)
	}
}

func TestConfigErrors(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"device":      {func(c *Config) { c.Device = "Kiosk 7" }, `uplink: device "Kiosk 7": want 1 to 40 of a-z, 0-9 and hyphen`},
		"no broker":   {func(c *Config) { c.Brokers = nil }, "uplink: brokers: none; name at least one"},
		"websocket":   {func(c *Config) { c.Brokers[0].URL = "wss://h/x" }, `uplink: brokers[0]: url "wss://h/x": WebSocket is not supported; write mqtts://HOST:8883`},
		"scheme":      {func(c *Config) { c.Brokers[0].URL = "tcp://h" }, `uplink: brokers[0]: url "tcp://h": unknown scheme; write mqtt://HOST:1883 or mqtts://HOST:8883`},
		"password":    {func(c *Config) { c.Brokers[0].URL = "mqtt://u:secret@h" }, `uplink: brokers[0]: url "mqtt://u:xxxxx@h": put the user name into username and the password into password_file`},
		"half a pair": {func(c *Config) { c.Brokers[0].Cert = "x" }, "uplink: brokers[0]: cert and key: need both or none"},
		"no key":      {func(c *Config) { c.CentreKeys = nil }, "uplink: acknowledge centre: no centre_key; `kentongan-centre key` prints it"},
		"acknowledge": {func(c *Config) { c.Acknowledge = "nobody" }, `uplink: acknowledge "nobody": want centre or broker`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig("mqtt://127.0.0.1")
			tt.change(&cfg)
			_, err := New(cfg, newMemoryStore(), testLog(t))
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}
