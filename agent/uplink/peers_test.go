package uplink

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"kentongan/agent/report"
)

// hostileBrokers do whatever does harm, as fast as they are read. Each gets a
// connection on which the CONNECT has been read; it ends when done is closed.
func hostileBrokers() map[string]func(c net.Conn, done <-chan struct{}) {
	accepted := []byte{0x20, 2, 0, 0}
	flood := func(first []byte, packet func(n int) []byte) func(net.Conn, <-chan struct{}) {
		return func(c net.Conn, _ <-chan struct{}) {
			_, err := c.Write(first)
			for n := 0; err == nil; n++ {
				_, err = c.Write(packet(n))
			}
		}
	}
	publish := func(topic string, body []byte) []byte {
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.TopicName, p.Payload = topic, body
		var out writes
		_ = p.Write(&out)
		return out
	}
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 64<<10)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	pubacks := make([]byte, 0, 64<<10)
	for id := range 16 << 10 {
		pubacks = append(pubacks, 0x40, 2, byte(id>>8), byte(id))
	}
	topics := report.Topics(testDevice)
	ack := [][]byte{publish(topics.Ack(report.Complaint), noise[:60<<10]), publish(topics.Ack(report.Event), []byte("no note\n")), publish(topics.Ack(report.Complaint), []byte("a note\n\n— somebody AAAAAAECAwQFBgc=\n"))}
	order := [][]byte{publish("kentongan/v1/"+testDevice+"/cmd/update", noise[:60<<10]), publish("kentongan/v1/"+testDevice+"/cmd/logs", []byte("{}"))}
	silent := func(_ net.Conn, done <-chan struct{}) { <-done }
	return map[string]func(net.Conn, <-chan struct{}){
		"announces 256 MiB": func(c net.Conn, done <-chan struct{}) {
			_, _ = c.Write(append(accepted, 0x30, 0xff, 0xff, 0xff, 0x7f))
			silent(c, done)
		},
		"announces 256 MiB as its CONNACK": func(c net.Conn, done <-chan struct{}) {
			_, _ = c.Write([]byte{0x20, 0xff, 0xff, 0xff, 0x7f})
			silent(c, done)
		},
		"garbage":                             flood(nil, func(int) []byte { return noise }),
		"garbage after the CONNACK":           flood(accepted, func(int) []byte { return noise }),
		"never reads":                         func(c net.Conn, done <-chan struct{}) { _, _ = c.Write(accepted); silent(c, done) },
		"never answers":                       silent,
		"a byte each second":                  func(c net.Conn, done <-chan struct{}) { drip(c, accepted, done) },
		"PUBACKs without end":                 flood(accepted, func(int) []byte { return pubacks }),
		"acknowledgements that are none":      flood(accepted, func(n int) []byte { return ack[n%len(ack)] }),
		"orders that are none":                flood(accepted, func(n int) []byte { return order[n%len(order)] }),
		"pings that nobody sent, without end": flood(accepted, func(int) []byte { return []byte{0xd0, 0, 0xd0, 0, 0xd0, 0} }),
		"closes after the CONNACK":            func(c net.Conn, _ <-chan struct{}) { _, _ = c.Write(accepted) },
		"closes before the CONNACK":           func(net.Conn, <-chan struct{}) {},
		"resets":                              func(c net.Conn, _ <-chan struct{}) { _ = c.(*net.TCPConn).SetLinger(0) },
	}
}

// writes is an io.Writer into memory.
type writes []byte

func (w *writes) Write(p []byte) (int, error) { *w = append(*w, p...); return len(p), nil }

func drip(c net.Conn, data []byte, done <-chan struct{}) {
	for _, b := range data {
		select {
		case <-done:
			return
		case <-time.After(time.Second):
		}
		if _, err := c.Write([]byte{b}); err != nil {
			return
		}
	}
	<-done
}

// startHostile listens as a hostile broker; it counts its connections.
func startHostile(t *testing.T, do func(net.Conn, <-chan struct{})) (url string, connections *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = &atomic.Int32{}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			wg.Go(func() {
				stop := make(chan struct{})
				defer close(stop)
				wg.Go(func() {
					select {
					case <-done:
					case <-stop:
					}
					_ = c.Close()
				})
				if _, err := c.Read(make([]byte, 1024)); err == nil {
					do(c, done)
				}
			})
		}
	})
	t.Cleanup(func() { close(done); _ = l.Close(); wg.Wait() })
	return "mqtt://" + l.Addr().String(), connections
}

// lineCount is a log that only counts.
type lineCount struct{ n atomic.Int64 }

func (l *lineCount) Enabled(context.Context, slog.Level) bool { return true }
func (l *lineCount) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lineCount) WithGroup(string) slog.Handler            { return l }
func (l *lineCount) Handle(_ context.Context, r slog.Record) error {
	if r.Level > slog.LevelDebug {
		l.n.Add(1)
	}
	return nil
}

// allocated is how many bytes were ever made room for, and how many are held.
func allocated() (ever, held uint64) {
	runtime.GC()
	all := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(all)
	return all[0].Value.Uint64(), all[1].Value.Uint64()
}

// Brokers of all kinds of malice, all at once, with the figures of the field: each
// costs few connections, few lines of log, few events and a bounded memory, none
// gets a record to leave, and the loop goes on answering.
func TestHostileBrokers(t *testing.T) {
	const (
		lasts       = 5 * time.Second
		connections = 1        // and one for each second: the back-off begins at a second
		lines       = 5        // of log, for each of these connections
		events      = 2        // for each, too
		held        = 64 << 20 // of memory, by all of them together, with what waits to be collected
	)
	brokers := hostileBrokers()
	type one struct {
		u     *running
		store *memoryStore
		count *atomic.Int32
		log   *lineCount
		began time.Time
	}
	all := map[string]one{}
	_, before := allocated()
	for name, do := range brokers {
		url, count := startHostile(t, do)
		o := one{store: newMemoryStore(), count: count, log: &lineCount{}, began: time.Now()}
		fill(t, o.store, 3, 30, 300)
		cfg := testConfig(url)
		cfg.Tuning = Tuning{} // of the field
		cfg.OnCommand = func(string, []byte) {}
		o.u = startUplinkLog(t, cfg, o.store, slog.New(o.log))
		all[name] = o
	}
	peak := before
	for end := time.Now().Add(lasts); time.Now().Before(end); <-time.After(200 * time.Millisecond) {
		_, now := allocated()
		peak = max(peak, now)
	}
	t.Logf("%d brokers for %v: %d KiB held before, %d KiB at most", len(all), lasts, before>>10, peak>>10)
	if peak-before > held {
		t.Errorf("%d KiB more than before are held, want at most %d", (peak-before)>>10, held>>10)
	}
	for name, o := range all {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if err := o.u.Pulse().Ask(ctx); err != nil {
			t.Errorf("%s: the loop does not answer: %v", name, err)
		}
		cancel()
		o.u.mu.Lock()
		told := len(o.u.changes)
		o.u.mu.Unlock()
		dialled, logged := int64(o.count.Load()), o.log.n.Load()
		lasted := time.Since(o.began)
		most := connections + int64(lasted/time.Second)
		t.Logf("%-36s %2d connections, %3d lines, %2d events: %s", name, dialled, logged, told, o.u.Status().LastError)
		for what, n := range map[string][2]int64{
			"connections":  {dialled, most},
			"lines of log": {logged, lines * most},
			"events":       {int64(told), events * most},
		} {
			if n[0] > n[1] {
				t.Errorf("%s: %d %s in %v, want at most %d", name, n[0], what, lasted, n[1])
			}
		}
		if n := o.store.waiting(report.Complaint) + o.store.waiting(report.Event); n != 33 {
			t.Errorf("%s: %d complaints and events wait, want all 33", name, n)
		}
	}
	var stopping sync.WaitGroup
	for _, o := range all {
		stopping.Go(o.u.stop)
	}
	stopping.Wait()
	t.Attr("injections", itoa(len(all)))
}

// A packet of 256 MiB is refused by its header: no room is made for it.
func TestGiantPacketTakesNoRoom(t *testing.T) {
	url, _ := startHostile(t, hostileBrokers()["announces 256 MiB"])
	before, _ := allocated()
	u := startUplink(t, testConfig(url), newMemoryStore())
	waitFor(t, 60*time.Second, "refused", func() bool {
		now, _ := allocated()
		return u.saw(stateRefused, failProtocol.words()) || now-before > 100<<20
	})
	u.stop()
	after, _ := allocated()
	if made := after - before; made > 32<<20 {
		t.Errorf("%d MiB were made room for", made>>20)
	}
}
