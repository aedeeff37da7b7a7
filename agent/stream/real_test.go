package stream

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtp"

	"kentongan/agent/report"
	"kentongan/agent/stream/streamtest"
	"kentongan/broker-config/brokertest"
)

// The addresses of the servers in their namespace, so that each has a rule of
// its own.
const (
	ffmpegAddr    = "127.0.0.2"
	gortsplibAddr = "127.0.0.3"
	gstreamerAddr = "127.0.0.1" // GStreamer sends UDP from the address that the kernel chooses
)

// startGStreamer starts GStreamer's RTSP server, another implementation than
// the one that we read with.
func startGStreamer(t *testing.T) (url string) {
	t.Helper()
	port := brokertest.FreePorts(t, 1)
	cmd := exec.Command("/usr/bin/python3", "testdata/gst_server.py", gstreamerAddr, strconv.Itoa(port))
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start GStreamer's server: %v; apt-get install python3-gi gir1.2-gst-rtsp-server-1.0", err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		_ = cmd.Wait()
		t.Fatalf("GStreamer's server says %q: %v: %s", line, err, stderr.String())
	}
	return fmt.Sprintf("rtsp://%s:%d/live", gstreamerAddr, port)
}

// startFFmpeg has ffmpeg publish to a relay at ffmpegAddr.
func startFFmpeg(t *testing.T) (url string) {
	t.Helper()
	s, err := streamtest.Start(streamtest.Options{Listen: ffmpegAddr + ":0", UDP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	publishTo(t, s, "-f", "lavfi", "-i", "nullsrc=size=640x360:rate=25,geq=random(1)*255:128:128",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "50", "-b:v", "2M", "-maxrate", "2M", "-bufsize", "1M", "-pix_fmt", "yuv420p")
	return s.URL()
}

// startOwn writes 25 pictures of ten packets a second to gortsplib's server.
func startOwn(t *testing.T, lose func(n int) bool) *streamtest.Server {
	t.Helper()
	m := h264Media()
	s, err := streamtest.Start(streamtest.Options{Listen: gortsplibAddr + ":0", UDP: true, Medias: []*description.Media{m}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	pace(t, 40*time.Millisecond, func(frame int) {
		for i := range 10 {
			n := frame*10 + i
			nal := append([]byte{0x41, 0x9a}, make([]byte, 1000)...)
			if frame%50 == 0 {
				nal[0] = 0x65
			}
			if lose == nil || !lose(n) {
				_ = s.WritePacket(m, &rtp.Packet{Header: rtp.Header{
					Version: 2, PayloadType: 96, SequenceNumber: uint16(n), Timestamp: uint32(frame * 3600), SSRC: 7, Marker: i == 9,
				}, Payload: nal})
			}
		}
	})
	return s
}

// pace calls f with 0, 1, 2, ... until the test ends.
func pace(t *testing.T, every time.Duration, f func(n int)) {
	t.Helper()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			f(n)
		}
	}()
	t.Cleanup(func() { close(quit); <-done })
}

// drops counts what a rule let come and what it dropped.
func drops(t *testing.T, addr string) (all, dropped int) {
	t.Helper()
	m := regexp.MustCompile(`ip saddr `+regexp.QuoteMeta(addr)+`[^\n]*counter packets (\d+)`).FindAllStringSubmatch(run(t, "nft", "list", "ruleset"), -1)
	if len(m) != 2 {
		t.Fatalf("%d rules for %s, want 2", len(m), addr)
	}
	all, err1 := strconv.Atoi(m[0][1])
	dropped, err2 := strconv.Atoi(m[1][1])
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return all, dropped
}

// socketDrops is how many datagrams the sockets of this namespace had no room
// for.
func socketDrops(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(procNet + "snmp")
	if err != nil {
		t.Fatal(err)
	}
	n, ok := udpOverflows(text)
	if !ok {
		t.Fatalf("no RcvbufErrors in %s", text)
	}
	return int(n)
}

// TestLossOfRealServers: three servers, none of them of the library alone, over
// UDP on a network that drops packets, and over TCP on one that drops segments.
// What is measured is within one point of what was dropped.
func TestLossOfRealServers(t *testing.T) {
	t.Parallel() // it waits most of its time, in a process of its own
	if !inNamespace(t) {
		return
	}
	servers := []struct{ name, addr, url string }{
		{"ffmpeg", ffmpegAddr, startFFmpeg(t)},
		{"gortsplib", gortsplibAddr, startOwn(t, nil).URL()},
		{"GStreamer", gstreamerAddr, startGStreamer(t)},
	}
	for _, loss := range []int{1, 5, 15} { // per cent
		for _, s := range servers { // one after the other, so that what our own socket drops is this one's
			match := fmt.Sprintf("add rule inet faults in ip saddr %s udp dport and 1 == 0 ", s.addr) // RTP has the even ports
			run(t, "nft", fmt.Sprintf("add table inet faults; add chain inet faults in { type filter hook input priority 0; }; %s counter; %s numgen random mod 100 < %d counter drop", match, match, loss))
			overflowed := socketDrops(t)
			w, _ := watch(t, Config{Name: strings.ToLower(s.name), URL: s.url, Transport: TransportUDP, StatsEvery: time.Hour})
			m := waitMeasure(t, w, func(m Measure) bool { return m.Packets >= 1000 })
			all, dropped := drops(t, s.addr)
			overflowed = socketDrops(t) - overflowed // a busy machine adds to what the rule drops
			got, want := 100*float64(m.Lost)/float64(m.Lost+m.Packets), 100*float64(dropped+overflowed)/float64(all)
			t.Logf("%-9s over UDP: %2d %% asked for, %.2f %% dropped (%d by the rule, %d by the socket), %.2f %% measured (%d of %d), jitter %v",
				s.name, loss, want, dropped, overflowed, got, m.Lost, m.Lost+m.Packets, m.Jitter.Round(100*time.Microsecond))
			if got < want-1 || got > want+1 || dropped == 0 {
				t.Errorf("%s: %.2f %% lost, %.2f %% were dropped", s.name, got, want)
			}
			if st := w.Status(); st.State.Proto != "udp" {
				t.Errorf("%s plays over %s", s.name, st.State.Proto)
			}
			w.stop()
			run(t, "nft", "delete", "table", "inet", "faults")
		}
	}

	run(t, "nft", "add table inet faults; add chain inet faults in { type filter hook input priority 0; }; add rule inet faults in tcp sport != 0 numgen random mod 100 < 2 counter drop")
	for _, s := range servers {
		w, _ := watch(t, Config{Name: strings.ToLower(s.name), URL: s.url, Transport: TransportTCP})
		m := waitMeasure(t, w, func(m Measure) bool { return m.Packets >= 500 })
		t.Logf("%-9s over TCP with 2 %% of the segments dropped: %d of %d packets lost, jitter %v", s.name, m.Lost, m.Packets, m.Jitter.Round(100*time.Microsecond))
		if float64(m.Lost) > float64(m.Packets)/100 {
			t.Errorf("%s: %d of %d packets lost over TCP, which repeats them", s.name, m.Lost, m.Packets)
		}
	}
}

// waitMeasure waits until a watcher has measured enough.
func waitMeasure(t *testing.T, w *running, ok func(Measure) bool) Measure {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for late := time.After(2 * patience); ; {
		if m := w.Status().Measure; ok(m) {
			return m
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("not measured within %v: %+v", 2*patience, w.Status())
		}
	}
}

// TestLossOfTheCamera: what a camera leaves out over TCP is measured exactly. On a
// busy machine it leaves out more, for which its queue had no room.
func TestLossOfTheCamera(t *testing.T) {
	s := startOwn(t, func(n int) bool { return n%20 == 7 })
	w, _ := watch(t, Config{URL: s.URL(), Transport: TransportTCP, SilentAfter: patience})
	m := waitMeasure(t, w, func(m Measure) bool { return m.Packets >= 1000 })
	all, more := float64(m.Lost+m.Packets), float64(s.Dropped())
	if lost := float64(m.Lost); lost < 0.049*all-1 || lost-more > 0.051*all {
		t.Errorf("%.0f lost of %.0f, 5 %% were left out, and %.0f for which the server's queue had no room", lost, all, more)
	}
}

// TestGStreamer: the other implementation's stream is measured as what it is.
func TestGStreamer(t *testing.T) {
	url := startGStreamer(t)
	for _, transport := range []string{TransportTCP, TransportUDP} {
		overflowed := socketDrops(t)
		w, out := watch(t, Config{URL: url, Transport: transport})
		st, _ := out.wait(t, "playing with a size", 0, func(s report.StreamState) bool { return s.State == StatePlaying && s.Width > 0 })
		if got := fmt.Sprintf("%s %dx%d %s", st.Codec, st.Width, st.Height, st.Proto); got != "H264 640x360 "+transport {
			t.Errorf("it is %s, want H264 640x360 %s", got, transport)
		}
		// A busy machine encodes fewer for a while, and its reports come late; its
		// sockets may have no room for what comes over UDP.
		m := waitMeasure(t, w, func(m Measure) bool {
			return m.KeyframeGOP > 0 && m.Short.Covered > 4*time.Second && m.Short.FPS > 23 && m.Short.FPS < 27 && m.Reports > 0 && m.ClockOffset.Abs() < 500*time.Millisecond
		})
		if overflowed = socketDrops(t) - overflowed; m.KeyframeGOP != 50 || m.Lost > uint64(overflowed) || m.Profile != "baseline" {
			t.Errorf("over %s: GOP %d, %d lost, %d by our socket, profile %s; want 50, none but these, baseline", transport, m.KeyframeGOP, m.Lost, overflowed, m.Profile)
		}
		w.stop()
	}
}
