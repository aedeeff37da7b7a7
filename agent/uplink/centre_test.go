package uplink

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/report"
)

// testCentre subscribes as a command centre does, remembers what came, and
// acknowledges it with signed notes. It reconnects by itself.
type testCentre struct {
	t     testing.TB
	url   string
	opts  func(*mqtt.ClientOptions)
	in    chan mqtt.Message
	again chan struct{} // the connection was closed in order

	mu     sync.Mutex // guards all below
	got    map[report.Lane]*gotLane
	states map[string]string
	client mqtt.Client
	mute   bool // commits, but says nothing
	forge  func(*report.Ack)
	onUp   func(report.Topic, report.Batch)
	light  bool // telemetry is counted, not decoded
	skip   bool // telemetry is not looked at: only the link is to be slow
	online chan struct{}
	away   bool // stays disconnected
}

type gotLane struct {
	seqs     ranges
	hashes   map[uint64]report.Hash
	doubles  int
	records  int
	batches  int
	bytes    int // of these, as they were sent
	newest   uint64
	history  int // records that came marked as backlog
	lastLive uint64
}

// startCentre connects to the broker at url and subscribes.
func startCentre(t testing.TB, url string, opts func(*mqtt.ClientOptions)) *testCentre {
	t.Helper()
	c := &testCentre{
		t: t, url: url, opts: opts, in: make(chan mqtt.Message, 4096),
		got: map[report.Lane]*gotLane{}, states: map[string]string{},
		online: make(chan struct{}),
		again:  make(chan struct{}, 1),
	}
	for _, l := range report.Lanes() {
		c.got[l] = &gotLane{hashes: map[uint64]report.Hash{}}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { c.stayConnected(ctx) })
	wg.Go(func() { c.work(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	select {
	case <-c.online:
	case <-time.After(patience):
		t.Fatal("test centre did not connect")
	}
	return c
}

func (c *testCentre) stayConnected(ctx context.Context) {
	first := sync.OnceFunc(func() { close(c.online) })
	for ctx.Err() == nil {
		if c.isAway() {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		lost := make(chan struct{})
		o := mqtt.NewClientOptions().AddBroker(c.url).SetClientID("centre").SetProtocolVersion(4)
		o.SetAutoReconnect(false).SetCleanSession(true).SetOrderMatters(true).SetConnectTimeout(20 * time.Second)
		o.SetKeepAlive(30 * time.Second).SetWriteTimeout(20 * time.Second)
		o.SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) })
		o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			select {
			case c.in <- m:
			case <-ctx.Done():
			}
		})
		if c.opts != nil {
			c.opts(o)
		}
		cl := mqtt.NewClient(o)
		if tok := cl.Connect(); tok.Wait() && tok.Error() == nil {
			if tok := cl.SubscribeMultiple(map[string]byte{report.UpFilter: 1, report.StateFilter: 1}, nil); tok.Wait() && tok.Error() == nil {
				c.mu.Lock()
				c.client = cl
				c.mu.Unlock()
				first()
				c.acknowledge(report.Complaint)
				c.acknowledge(report.Event)
				select {
				case <-lost:
				case <-c.again:
				case <-ctx.Done():
					cl.Disconnect(100)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(30 * time.Millisecond):
		}
	}
}

func (c *testCentre) isAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.away
}

// leave disconnects until comeBack.
func (c *testCentre) leave() {
	c.mu.Lock()
	c.away = true
	cl := c.client
	c.mu.Unlock()
	cl.Disconnect(200)
	c.kick()
}

func (c *testCentre) comeBack() { c.set(func(c *testCentre) { c.away = false }) }

// kick ends the wait of a connection that was closed in order.
func (c *testCentre) kick() {
	select {
	case c.again <- struct{}{}:
	default:
	}
}

func (c *testCentre) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-c.in:
			c.take(m)
		}
	}
}

func (c *testCentre) take(m mqtt.Message) {
	topic, err := report.ParseTopic(m.Topic())
	if err != nil {
		c.t.Errorf("centre: %v", err)
		return
	}
	if topic.Branch == "state" {
		c.mu.Lock()
		c.states[m.Topic()] = string(m.Payload())
		c.mu.Unlock()
		return
	}
	c.mu.Lock()
	light := c.light && topic.Lane == report.Telemetry
	skip := c.skip && topic.Lane == report.Telemetry
	c.mu.Unlock()
	if skip {
		return
	}
	if light {
		c.count(topic, m.Payload())
		return
	}
	b, err := report.DecodeBatch(m.Payload(), topic.Gzip)
	if err != nil {
		c.t.Errorf("centre: %s: %v", m.Topic(), err)
		return
	}
	c.mu.Lock()
	g := c.got[topic.Lane]
	g.batches++
	g.bytes += len(m.Payload())
	for _, r := range b.Records {
		g.note(r.Seq, topic.Backlog)
		if topic.Lane.Chained() {
			g.hashes[r.Seq] = report.HashLine(r.Line)
		}
	}
	onUp := c.onUp
	c.mu.Unlock()
	if onUp != nil {
		onUp(topic, b)
	}
	if topic.Lane.Chained() {
		c.acknowledge(topic.Lane)
	}
}

// count reads the numbers only: a million records would take a minute to
// decode under the race detector.
func (c *testCentre) count(topic report.Topic, payload []byte) {
	data := payload
	if topic.Gzip {
		var err error
		if data, err = unzip(payload); err != nil {
			c.t.Errorf("centre: %v", err)
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.got[topic.Lane]
	g.batches++
	for {
		i := bytes.Index(data, []byte(`"seq":`))
		if i < 0 {
			return
		}
		data = data[i+6:]
		n := bytes.IndexByte(data, ',')
		seq, err := strconv.ParseUint(string(data[:n]), 10, 64)
		if err != nil {
			c.t.Errorf("centre: %v", err)
			return
		}
		g.note(seq, topic.Backlog)
	}
}

func (g *gotLane) note(seq uint64, backlog bool) {
	g.records++
	if g.seqs.covers(seq, seq) {
		g.doubles++
	}
	g.seqs.add(seq, seq)
	g.newest = max(g.newest, seq)
	if backlog {
		g.history++
	} else {
		g.lastLive = max(g.lastLive, seq)
	}
}

// acknowledge says how far the lane has come, and what is missing behind that.
func (c *testCentre) acknowledge(lane report.Lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mute || c.client == nil {
		return
	}
	g := c.got[lane]
	a := report.Ack{Device: testDevice, Lane: lane, Epoch: testEpoch, Time: time.Unix(1790000000, 0)}
	for i, r := range g.seqs {
		if i == 0 && r.From == 1 {
			a.Seq = r.To
			continue
		}
		from := uint64(1)
		if i > 0 {
			from = g.seqs[i-1].To + 1
		}
		if len(a.Want) < report.MaxWant {
			a.Want = append(a.Want, report.Range{From: from, To: r.From - 1})
		}
	}
	if h, ok := g.hashes[a.Seq]; ok {
		a.Hash = &h
	}
	if c.forge != nil {
		c.forge(&a)
	}
	signer, _ := keys()
	msg, err := a.Sign(signer)
	if err != nil {
		c.t.Error(err)
		return
	}
	c.client.Publish(report.Topics(testDevice).Ack(lane), 1, true, msg)
}

// thru is up to which number the centre holds all.
func (c *testCentre) thru(lane report.Lane) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.got[lane].seqs; len(s) > 0 && s[0].From == 1 {
		return s[0].To
	}
	return 0
}

func (c *testCentre) lane(lane report.Lane) gotLane {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := *c.got[lane]
	g.seqs = append(ranges(nil), g.seqs...)
	return g
}

func (c *testCentre) state(topic string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.states[topic]
}

func (c *testCentre) set(f func(*testCentre)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

// wantAll waits until the centre holds all of the lane and the store has let it
// go. limit is what a machine at rest needs at most.
func (c *testCentre) wantAll(store *memoryStore, lane report.Lane, last uint64, limit time.Duration) {
	c.t.Helper()
	limit = max(limit*busy, patience)
	begin := time.Now()
	for {
		thru, left := c.thru(lane), store.waiting(lane)
		if thru >= last && left == 0 {
			return
		}
		if time.Since(begin) > limit {
			c.t.Fatalf("lane %s: after %v the centre holds 1-%d of %d, the device still %d (%s)", lane, limit, thru, last, left, fmt.Sprint(c.lane(lane).seqs))
		}
		<-time.After(2 * time.Millisecond)
	}
}
