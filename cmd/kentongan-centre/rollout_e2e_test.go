package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// post is a simulated device on a real broker: it keeps its records, sends all of
// them at each connection, and answers update orders, whose signature it verifies,
// with the events that agent/update sends. (The part of the real agent is proven in
// agent/update and in firmware/units.)
type post struct {
	t      *testing.T
	id     string
	broker string
	key    note.Verifiers
	over   chan struct{}

	mu      sync.Mutex // guards what follows
	dev     *devicetest.Device
	events  []report.Entry
	runs    uint64
	bad     uint64          // the release that goes back here
	orders  map[string]bool // ids
	client  mqtt.Client     // nil while it is not connected
	session int
}

func newPost(t *testing.T, id, broker, key string) *post {
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	p := &post{t: t, id: id, broker: broker, key: note.VerifierList(v), over: make(chan struct{}), dev: devicetest.New(t, id, 0xe1, "x"), runs: 40, orders: map[string]bool{}}
	var wg sync.WaitGroup
	wg.Go(p.live)
	t.Cleanup(func() { close(p.over); wg.Wait() })
	return p
}

// live keeps a connection.
func (p *post) live() {
	for {
		lost := make(chan struct{})
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(strings.Replace(p.broker, "mqtt://", "tcp://", 1)).SetClientID(p.id).SetProtocolVersion(4).
			SetAutoReconnect(false).SetConnectTimeout(10 * time.Second).SetWriteTimeout(10 * time.Second).SetKeepAlive(10 * time.Second).
			SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) }))
		if tok := c.Connect(); tok.WaitTimeout(20*time.Second) && tok.Error() == nil {
			c.Subscribe(report.Topics(p.id).Command(report.OrderUpdate), 0, func(_ mqtt.Client, m mqtt.Message) { p.order(m.Payload()) }).Wait()
			p.mu.Lock()
			p.client = c
			p.session++
			p.birthLocked("")
			p.mu.Unlock()
			again := time.NewTicker(2 * time.Second) // as an uplink does that has no receipt
			for gone := false; !gone; {
				select {
				case <-again.C:
					p.mu.Lock()
					p.sendLocked()
					p.mu.Unlock()
				case <-lost:
					gone = true
				case <-p.over:
					gone = true
				}
			}
			again.Stop()
			p.mu.Lock()
			p.client = nil
			p.mu.Unlock()
			c.Disconnect(20)
		}
		select {
		case <-p.over:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (p *post) publishLocked(topic string, retained bool, payload []byte) {
	if p.client != nil {
		p.client.Publish(topic, 1, retained, payload)
	}
}

func (p *post) birthLocked(trial string) {
	doc, err := json.Marshal(report.DeviceState{V: 1, State: report.Online, Session: fmt.Sprintf("5e551011.%d", p.session), Since: time.Now(), Version: "v1", Epoch: 0xe1, Firmware: &report.Firmware{Number: p.runs, Trial: trial}})
	if err != nil {
		p.t.Error(err)
	}
	p.publishLocked(report.Topics(p.id).State(), true, doc)
	p.sendLocked()
}

func (p *post) sendLocked() {
	if len(p.events) > 0 {
		p.publishLocked(report.Topics(p.id).Up(report.Event, false, false), false, report.EncodeBatch(p.dev.Head(report.Event, 1), p.events))
	}
}

func (p *post) addLocked(kind string, body any) {
	r := p.dev.Record(report.Event, kind, body)
	p.events = append(p.events, report.Entry{Seq: r.Seq, Line: r.Line})
}

func (p *post) order(msg []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o, err := report.OpenOrder(msg, p.id, report.OrderUpdate, p.key)
	if err != nil {
		p.t.Errorf("%s: %v", p.id, err)
		return
	}
	if p.orders[o.ID] {
		return // the centre repeats it
	}
	p.orders[o.ID] = true
	var a report.UpdateArgs
	if err := json.Unmarshal(o.Arguments, &a); err != nil {
		p.t.Error(err)
	}
	p.addLocked(report.KindCommand, report.CommandResult{ID: o.ID, Name: o.Name, State: report.CommandSucceeded})
	p.addLocked(report.KindUpdate, report.Update{Number: a.Number, State: report.UpdateFetched})
	if a.Number == p.bad {
		p.addLocked(report.KindUpdate, report.Update{Number: a.Number, State: report.UpdateWentBack, Detail: "start: it ended 3 times without being well", Before: p.runs})
	} else {
		p.runs = a.Number
		p.addLocked(report.KindUpdate, report.Update{Number: a.Number, State: report.UpdateCommitted})
	}
	p.sendLocked()
}

// standing is what the API says of a rollout.
type standing struct {
	Rollout struct {
		ID         int64
		State, Why string
		Stage      int
		WhyText    string `json:"why_text"`
	}
	Devices []store.RolloutDevice
}

func (s standing) count(state string) (n int) {
	for _, d := range s.Devices {
		if d.State == state {
			n++
		}
	}
	return n
}

func (d *desk) rollout(id int64) (s standing) {
	d.t.Helper()
	status, text := d.ask("GET", fmt.Sprintf("/api/v1/rollouts/%d", id), "")
	if err := json.Unmarshal(text, &s); status != http.StatusOK || err != nil {
		d.t.Fatalf("rollout %d: %d %s", id, status, text)
	}
	return s
}

// A rollout with the real centre and its broker: one release goes through its
// stages while the centre is killed and started again, each device gets one order;
// of the next a stage fails, and it halts itself.
func TestRolloutOverABroker(t *testing.T) {
	t.Parallel()
	data, mqttAt := t.TempDir(), brokertest.FreeAddress(t)
	begin := func() (*process, *desk) {
		p := start(t, "run", "--data", data, "--listen", "127.0.0.1:0", "--mqtt", mqttAt)
		token := strings.Fields(tool(t, "user", "token", "--data", data, "--name", "sari"))
		return p, &desk{t, p.page, token[len(token)-1]}
	}
	key := strings.TrimSpace(tool(t, "key", "--data", data))
	tool(t, "user", "add", "--data", data, "--name", "sari", "--role", "approver")
	p, d := begin()
	var posts []*post
	for i := range 8 {
		posts = append(posts, newPost(t, fmt.Sprintf("post-%d", i+1), p.broker, key))
	}
	there := func() bool {
		_, text := d.ask("GET", "/api/v1/devices", "")
		return bytes.Count(text, []byte(`"release": 40`)) == len(posts) && bytes.Count(text, []byte(`"state": "online"`)) == len(posts)
	}
	eventually(t, "all devices are there", there)

	started := tool(t, "rollout", "start", "--data", data, "--url", "http://127.0.0.1/41", "--number", "41", "--reason", "uji", "--hours", "any", "--stages", "20,60,100", "--soak", "0s", "--at-once", "2")
	if !strings.Contains(started, "state     running") || !strings.Contains(started, "stage     1 of 3") {
		t.Errorf("started: %s", started)
	}
	eventually(t, "the first device has it", func() bool { return d.rollout(1).count(store.DeviceCommitted) > 0 })
	for range 2 { // in the middle of it
		before := d.rollout(1).count(store.DeviceCommitted)
		if err := p.end(os.Kill); err == nil {
			t.Fatal("it was not killed")
		}
		p, d = begin()
		eventually(t, "it goes on", func() bool { n := d.rollout(1).count(store.DeviceCommitted); return n > before || n == len(posts) })
	}
	eventually(t, "the rollout is done", func() bool { return d.rollout(1).Rollout.State == store.RolloutDone })
	if s := d.rollout(1); s.count(store.DeviceCommitted) != len(posts) || s.Rollout.Stage != 3 {
		t.Errorf("%+v", s)
	}
	for _, p := range posts {
		p.mu.Lock()
		if len(p.orders) != 1 || p.runs != 41 {
			t.Errorf("%s: %d orders, runs %d", p.id, len(p.orders), p.runs)
		}
		p.mu.Unlock()
	}
	if n := count(t, filepath.Join(data, "centre.db"), "SELECT count(*) - count(DISTINCT device) FROM orders"); n != 0 {
		t.Errorf("%d devices were ordered twice", n)
	}

	id := startBad(t, d, posts, 42)
	eventually(t, "it halts itself", func() bool { return d.rollout(id).Rollout.State == store.RolloutHalted })
	s := d.rollout(id)
	if s.Rollout.Why != "share" || s.Rollout.Stage != 2 || s.count(store.DeviceCommitted) != 2 || s.count(store.DeviceWentBack) < 1 {
		t.Errorf("%+v", s)
	}
	failed := ""
	for _, r := range s.Devices {
		if r.Stage == 3 && r.State != store.DeviceWaiting {
			t.Errorf("%s of the stage that did not begin: %s", r.Device, r.State)
		}
		if r.State == store.DeviceWentBack {
			failed = r.Device
		}
	}
	shown := tool(t, "rollout", "show", "--data", data, fmt.Sprint(id))
	if !strings.Contains(shown, "state     halted (share") || !strings.Contains(shown, failed+"  went-back  start: it ended 3 times") {
		t.Errorf("%s", shown)
	}
	tool(t, "rollout", "cancel", "--data", data, "--reason", "rilis 42 cacat", fmt.Sprint(id))
	if list := tool(t, "rollout", "list", "--data", data); !strings.Contains(list, "42       cancelled") {
		t.Errorf("%s", list)
	}
	if n := count(t, filepath.Join(data, "centre.db"), "SELECT count(*) FROM access_log WHERE action IN ('rollout', 'rollout-steer') AND outcome = 'done'"); n != 3 {
		t.Errorf("%d lines in the access log, want 3", n)
	}
}

// startBad starts a rollout of a release that is bad for the devices of the second
// stage. Which those are is known once it has begun; until then no device answers,
// for on a busy machine the first stage could be over.
func startBad(t *testing.T, d *desk, posts []*post, release uint64) (id int64) {
	t.Helper()
	for _, p := range posts {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	body := fmt.Sprintf(`{"url":"http://127.0.0.1/%d","number":%[1]d,"reason":"uji","hours":"","stages_percent":[20,60,100],"soak_hours":0}`, release)
	status, text := d.ask("POST", "/api/v1/rollouts", body)
	var made standing
	if err := json.Unmarshal(text, &made); status != http.StatusCreated || err != nil {
		t.Fatalf("%d %s", status, text)
	}
	for _, row := range d.rollout(made.Rollout.ID).Devices {
		for _, p := range posts {
			if p.id == row.Device && row.Stage == 2 {
				p.bad = release
			}
		}
	}
	return made.Rollout.ID
}
