package stream

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"kentongan/agent/report"
)

// otherSPS is a parameter set that differs with n, and is a good one.
func otherSPS(n int) []byte {
	sps, _ := h264Media().Formats[0].(interface{ SafeParams() ([]byte, []byte) }).SafeParams()
	return append(append([]byte{}, sps...), 0x80, byte(n), byte(n>>8), 0x80) // after its end, where nobody reads
}

// packet writes an RTP packet of any payload.
func (c *rogueConn) packet(seq uint16, ts uint32, payload []byte) error {
	p := make([]byte, 12, 12+len(payload))
	p[0], p[1] = 0x80, 0x80|96
	binary.BigEndian.PutUint16(p[2:], seq)
	binary.BigEndian.PutUint32(p[4:], ts)
	binary.BigEndian.PutUint32(p[8:], 7)
	return c.frame(0, append(p, payload...))
}

// hostile are cameras that send as fast as they are read.
func hostile() map[string]func(c *rogueConn) {
	media := func(n int) string {
		return describeH264 + strings.Repeat("m=video 0 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n", n)
	}
	flood := func(sdp string, write func(c *rogueConn, n int) error) func(c *rogueConn) {
		return func(c *rogueConn) {
			c.play(sdp, func() {
				for n := 0; write(c, n) == nil; n++ {
					select {
					case <-c.quit:
						return
					default:
					}
				}
			})
		}
	}
	return map[string]func(c *rogueConn){
		"2,000 media":   flood(media(2000), func(c *rogueConn, n int) error { return c.rtp(uint16(n), uint32(n)*3600, 7) }),
		"garbage RTP":   flood(describeH264, func(c *rogueConn, n int) error { return c.frame(0, make([]byte, n%1500)) }),
		"garbage RTCP":  flood(describeH264, func(c *rogueConn, n int) error { return c.frame(1, make([]byte, n%1500)) }),
		"other sources": flood(describeH264, func(c *rogueConn, n int) error { return c.rtp(uint16(n), uint32(n)*3600, uint32(n)) }),
		"sequence and time jump with each packet": flood(describeH264, func(c *rogueConn, n int) error {
			return c.rtp(uint16(n*7919), uint32(n)*2654435761, 7)
		}),
		"another parameter set in each packet": flood(describeH264, func(c *rogueConn, n int) error {
			return c.packet(uint16(n), uint32(n)*3600, otherSPS(n))
		}),
		"parameter sets of 60 KB": flood(describeH264, func(c *rogueConn, n int) error {
			return c.packet(uint16(n), uint32(n)*3600, append([]byte{0x67, 0x42, 0, 0x1e}, make([]byte, 60000)...))
		}),
		"aggregates of nothing": flood(describeH264, func(c *rogueConn, n int) error {
			return c.packet(uint16(n), uint32(n)*3600, append([]byte{24}, make([]byte, 1400)...))
		}),
		"answers that nobody asked for": flood(describeH264, func(c *rogueConn, n int) error {
			_, err := fmt.Fprintf(c, "RTSP/1.0 200 OK\r\nCSeq: %d\r\nX-%d: %s\r\n\r\n", n, n, strings.Repeat("a", 500))
			return err
		}),
		"endless header": func(c *rogueConn) {
			_, _ = c.Write([]byte("RTSP/1.0 200 OK\r\n"))
			for {
				if _, err := fmt.Fprintf(c, "A: %s\r\n", strings.Repeat("b", 1000)); err != nil {
					return
				}
			}
		},
		"hangs up after the description": func(c *rogueConn) {
			c.serve(describeH264, func(method, _, _ string) bool {
				if method == "SETUP" {
					_ = c.Close()
				}
				return method == "SETUP"
			})
		},
	}
}

// TestHostileMemory: cameras that send whatever does harm, all at once and as
// fast as they can, cost no more memory after 8 s than after 3. On a busy machine
// they may still begin then, so there are more looks; what leaks grows in each.
func TestHostileMemory(t *testing.T) {
	before, goroutines := liveHeap(), runtime.NumGoroutine()
	var all []*running
	for _, script := range hostile() {
		w, _ := watch(t, Config{URL: startRogue(t, script), SilentAfter: time.Second, Name: "hostile"})
		all = append(all, w)
	}
	<-time.After(3 * time.Second)
	early := liveHeap()
	<-time.After(5 * time.Second)
	late := liveHeap()
	t.Logf("%d cameras; heap alive: %.1f MiB before, %.1f after 3 s, %.1f after 8 s", len(all), mib(before), mib(early), mib(late))
	for looks := 0; late-early > 4<<20 && looks < 5; looks++ {
		<-time.After(5 * time.Second)
		early, late = late, liveHeap()
		t.Logf("%.1f MiB 5 s later", mib(late))
	}
	if grown := late - early; grown > 4<<20 {
		t.Errorf("the heap grew by %.1f MiB in 5 s", mib(grown))
	}
	// Both sides are in this process: the servers' own buffers count too.
	if all := late - before; all > 24<<20 {
		t.Errorf("the heap holds %.1f MiB more than before", mib(all))
	}
	for _, w := range all {
		w.stop()
	}
	for end := time.Now().Add(patience); runtime.NumGoroutine() > goroutines+4*len(all); { // the servers go on
		if time.Now().After(end) {
			t.Fatalf("%d goroutines after all watchers ended, %d before", runtime.NumGoroutine(), goroutines)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// liveHeap is what is still in use after a collection.
func liveHeap() int64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}} // without what was made since
	runtime.GC()
	metrics.Read(live)
	return int64(live[0].Value.Uint64())
}

// TestHostileSizes: what a meter, a finder and a ladder hold does not grow with
// what they are fed, for an hour of stream time.
func TestHostileSizes(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	m := newMeter(H264, 90000, start)
	f := newFinder(contract, func(Finding) {})
	feed := func(from, to int) {
		for n := from; n < to; n++ {
			now := start.Add(time.Duration(n) * 10 * time.Millisecond)
			payload := []byte{0x65, 0x88, byte(n)}
			if n%3 == 0 {
				payload = otherSPS(n)
			}
			m.packet(now, &rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(n * 31), Timestamp: uint32(n) * 2654435761}, Payload: payload})
			if n%100 == 0 {
				m.report(now, now, &rtcp.SenderReport{NTPTime: uint64(n) << 40})
				got := m.measure(now)
				f.measured(now.Sub(start), sample{m: &got, clockKnown: true})
			}
		}
	}
	feed(0, 60_000)
	before := liveHeap()
	feed(60_000, 360_000)
	if grown := liveHeap() - before; grown > 64<<10 {
		t.Errorf("an hour of hostile packets left %d bytes", grown)
	}
	got := m.measure(start.Add(time.Hour))
	for name, v := range map[string]float64{"fps": got.Short.FPS, "loss": got.Short.LossRatio, "jitter": got.Jitter.Seconds(), "cv": got.RateCV, "drift": got.ClockDrift} {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 && name != "drift" {
			t.Errorf("%s is %v", name, v)
		}
	}
}

// TestWrongClockRates: cameras whose time stamps run at another rate than they
// declare have the frame rate at which their pictures come.
func TestWrongClockRates(t *testing.T) {
	for name, step := range map[string]uint32{"1 kHz": 40, "48 kHz": 1920, "stands still": 0, "backwards": math.MaxUint32 - 3599, "10 MHz": 400_000} {
		m := newMeter(H264, 90000, time.Unix(0, 0))
		now := time.Unix(0, 0)
		for n := range 500 {
			now = time.Unix(0, 0).Add(time.Duration(n) * 40 * time.Millisecond)
			m.packet(now, &rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(n), Timestamp: uint32(n) * step, Marker: true}, Payload: []byte{0x65, 0x88, 0}})
		}
		got := m.measure(now)
		if name == "stands still" { // no second frame ever begins
			if got.Frames != 1 || got.SinceFrame < 19*time.Second {
				t.Errorf("%s: %d frames, newest %v ago", name, got.Frames, got.SinceFrame)
			}
			continue
		}
		if math.Abs(got.Short.FPS-25) > 1.5 {
			t.Errorf("%s: %.1f pictures a second, want 25", name, got.Short.FPS)
		}
	}
}

// TestManyMedia: a description of 2,000 media plays, and only one of them is
// asked for.
func TestManyMedia(t *testing.T) {
	url := startRogue(t, hostile()["2,000 media"])
	w, out := watch(t, Config{URL: url})
	out.wait(t, "playing", 0, is(StatePlaying, ""))
	if st := w.Status(); st.State.Codec != "H264" {
		t.Errorf("it is %s", st.State.Codec)
	}
}

// FuzzDescription gives the mending of session descriptions any text: it must
// end, not grow, and mend only once.
func FuzzDescription(f *testing.F) {
	for _, s := range []string{describeH264, "v=0\r\no=- 1 1 IN \r\nc=IN\r\nm=meta 0 RTP/AVP 1\r\na=fmtp:96 sprop-x=!!;a=b\r\n", "v=0", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sdp string) {
		once, _ := mendDescription(sdp)
		if len(once) > 20*len(sdp)+100 {
			t.Errorf("%d bytes became %d", len(sdp), len(once))
		}
		if twice, again := mendDescription(once); again && twice != once {
			t.Errorf("mended twice:\n%q\n%q", once, twice)
		}
	})
}

// FuzzRedirect gives any Location to a watcher: it is refused, or stays on the
// camera's host, and no error repeats the password.
func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"rtsp://192.0.2.9/live", "rtsp://ops:x@camera/2", "rtsp://127.0.0.1/", "rtsps://camera/", "http://camera/", "rtsp://camera@evil/", "rtsp://camera:99999/", "//camera/x", "rtsp://%63amera/"} {
		f.Add(s)
	}
	w, err := New(Config{Name: "gate", URL: "rtsp://camera/live", Username: "ops", Password: "rahasia"}, slog.New(slog.DiscardHandler), newRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, to string) {
		w.target, w.hops = w.home, 0
		err := w.follow(&redirect{to})
		if err == nil && !strings.EqualFold(w.target.host, "camera") {
			t.Errorf("%q leads to %s", to, w.target.host)
		}
		if err != nil && strings.Contains(err.Error(), "rahasia") {
			t.Errorf("%q: %v", to, err)
		}
	})
}

// FuzzMeter feeds packets of any header and payload; the figures stay figures.
func FuzzMeter(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 14, 16, 0x65, 0x88, 0, 2, 0, 0, 28, 32, 0x41, 0x9a})
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Unix(1_800_000_000, 0)
		m := newMeter(H264, 90000, start)
		now := start
		for len(data) >= 8 {
			now = now.Add(time.Duration(data[6]) * time.Millisecond)
			m.packet(now, &rtp.Packet{
				Header:  rtp.Header{SequenceNumber: binary.BigEndian.Uint16(data), Timestamp: binary.BigEndian.Uint32(data[2:])},
				Payload: data[6:8],
			})
			m.report(now, now, &rtcp.SenderReport{NTPTime: binary.BigEndian.Uint64(data)})
			data = data[8:]
		}
		s := m.measure(now).stats("gate")
		for _, v := range []float64{s.FPS, s.LossRatio, s.JitterMS, s.FPS5m, s.RateCV} {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
				t.Errorf("measured %+v", s)
			}
		}
		if s.LossRatio > 1 || s.SinceFrameMS < -1 {
			t.Errorf("measured %+v", s)
		}
		if _, err := report.NewRecord("kiosk-7", report.Telemetry, 1, 1, report.Hash{}, report.Stamp{}, report.KindStreamStats, s); err != nil {
			t.Error(err)
		}
	})
}
