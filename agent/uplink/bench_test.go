package uplink

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"kentongan/agent/report"
)

const drainRecords = 100000

// BenchmarkDrain empties a backlog of 100,000 records to a local Mosquitto at
// QoS 1: ours, one record a message and in batches, beside plain paho and a raw
// pipelined socket.
func BenchmarkDrain(b *testing.B) {
	lines := make([][]byte, drainRecords)
	for i := range lines {
		lines[i] = makeLine(report.Telemetry, uint64(i+1), report.Hash{})
	}
	ways := []struct {
		name  string
		drain func(b *testing.B, m *mosquitto, lines [][]byte) (wire int64)
	}{
		{"raw-socket", drainRaw},
		{"uplink-single", func(b *testing.B, m *mosquitto, l [][]byte) int64 { return drainUplink(b, m, l, 1, -1) }},
		{"uplink-batched", func(b *testing.B, m *mosquitto, l [][]byte) int64 { return drainUplink(b, m, l, 0, 0) }},
		{"paho-1", func(b *testing.B, m *mosquitto, l [][]byte) int64 { return drainPaho(b, m, l, 1) }},
		{"paho-16", func(b *testing.B, m *mosquitto, l [][]byte) int64 { return drainPaho(b, m, l, 16) }},
		{"paho-64", func(b *testing.B, m *mosquitto, l [][]byte) int64 { return drainPaho(b, m, l, 64) }},
	}
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			m := startMosquitto(b)
			var wire int64
			b.ResetTimer()
			for range b.N {
				wire += way.drain(b, m, lines)
			}
			records := float64(drainRecords * b.N)
			b.ReportMetric(records/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(wire)/records, "wire-B/record")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func drainUplink(b *testing.B, m *mosquitto, lines [][]byte, perMessage, gzipFrom int) int64 {
	store := newMemoryStore()
	l := store.lanes[report.Telemetry]
	l.next = uint64(len(lines)) + 1
	for i, line := range lines {
		l.lines[uint64(i+1)] = line
	}
	cfg := testConfig(m.url())
	cfg.Acknowledge = ByBroker
	cfg.Tuning.MaxRecords, cfg.Tuning.GzipFrom = perMessage, gzipFrom
	u := startUplink(b, cfg, store)
	for store.waiting(report.Telemetry) > 0 {
		<-time.After(time.Millisecond)
	}
	st := u.Status()
	u.stop()
	return st.SentBytes + st.ReceivedBytes
}

// counted counts both ways.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}

func drainPaho(b *testing.B, m *mosquitto, lines [][]byte, window int) int64 {
	var wire atomic.Int64
	o := mqtt.NewClientOptions().AddBroker(m.url()).SetClientID("bench").SetProtocolVersion(4)
	o.SetCustomOpenConnectionFn(func(u *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
		c, err := net.Dial("tcp", u.Host)
		return counted{c, &wire}, err
	})
	cl := mqtt.NewClient(o)
	if tok := cl.Connect(); tok.Wait() && tok.Error() != nil {
		b.Fatal(tok.Error())
	}
	topic := report.Topics(testDevice).Up(report.Telemetry, true, false)
	flying, slots := make(chan mqtt.Token, window), make(chan struct{}, window)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tok := range flying {
			tok.Wait()
			<-slots
		}
	}()
	for _, line := range lines {
		slots <- struct{}{}
		flying <- cl.Publish(topic, 1, false, line)
	}
	close(flying)
	<-done
	cl.Disconnect(100)
	return wire.Load()
}

// drainRaw writes PUBLISH packets as fast as the socket takes them, 256 ahead
// of the PUBACKs, as the uplink's window does.
func drainRaw(b *testing.B, m *mosquitto, lines [][]byte) int64 {
	c, err := net.Dial("tcp", m.addr())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var wire atomic.Int64
	conn := counted{c, &wire}
	w, r := bufio.NewWriterSize(conn, 32<<10), bufio.NewReader(conn)
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.ClientIdentifier, hello.CleanSession, hello.Keepalive = "MQTT", 4, "raw", true, 60
	if err := hello.Write(conn); err != nil {
		b.Fatal(err)
	}
	if _, err := packets.ReadPacket(r); err != nil {
		b.Fatal(err)
	}
	slots := make(chan struct{}, 256)
	done := make(chan error, 1)
	go func() {
		var ack [4]byte
		for range lines {
			if _, err := io.ReadFull(r, ack[:]); err != nil {
				done <- err
				return
			}
			<-slots
		}
		done <- nil
	}()
	topic := report.Topics(testDevice).Up(report.Telemetry, true, false)
	for i, line := range lines {
		select {
		case slots <- struct{}{}:
		default:
			_ = w.Flush()
			slots <- struct{}{}
		}
		length := 2 + len(topic) + 2 + len(line)
		head := []byte{0x32, byte(length&127) | 128, byte(length >> 7), byte(len(topic) >> 8), byte(len(topic))}
		_, _ = w.Write(head)
		_, _ = w.WriteString(topic)
		id := uint16(i%65535) + 1
		_, _ = w.Write([]byte{byte(id >> 8), byte(id)})
		_, _ = w.Write(line)
	}
	_ = w.Flush()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return wire.Load()
}

// BenchmarkGzip shows from which size on compressing pays, and at what level.
func BenchmarkGzip(b *testing.B) {
	head := report.Head{Lane: report.Telemetry, Epoch: testEpoch, First: 1, Next: 1000000}
	for _, n := range []int{1, 2, 5, 20, 100, 180} {
		var entries []report.Entry
		for i := range n {
			entries = append(entries, report.Entry{Seq: uint64(i + 1), Line: makeLine(report.Telemetry, uint64(i+1), report.Hash{})})
		}
		plain := report.EncodeBatch(head, entries)
		for _, level := range []int{levelFast, 3, 5, levelThorough, 9} {
			b.Run(fmt.Sprintf("level=%d/records=%d", level, n), func(b *testing.B) {
				p := newPacker(1)
				var out []byte
				b.SetBytes(int64(len(plain)))
				for b.Loop() {
					var err error
					if out, _, err = p.pack(head, entries, level); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(out))/float64(n), "B/record")
			})
		}
		b.Logf("%d records: %d bytes plain", n, len(plain))
	}
}
