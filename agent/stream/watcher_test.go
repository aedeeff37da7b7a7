package stream

import (
	"context"
	"log/slog"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"kentongan/agent/report"
	"kentongan/agent/stream/streamtest"
)

// patience bounds the waits of these tests; none takes it unless it fails.
const patience = 2 * time.Minute

// record is an Output that remembers.
type record struct {
	mu      sync.Mutex
	states  []report.StreamState
	stats   []report.StreamStats
	found   []Finding
	changed chan struct{}
}

func newRecord() *record { return &record{changed: make(chan struct{})} }

func (r *record) StreamChanged(s report.StreamState) {
	r.note(func() { r.states = append(r.states, s) })
}

func (r *record) StreamFound(_ string, f Finding) {
	r.note(func() { r.found = append(r.found, f) })
}

func (r *record) StreamMeasured(s report.StreamStats) {
	r.note(func() { r.stats = append(r.stats, s) })
}

func (r *record) note(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *record) all() []report.StreamState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.states)
}

// wait returns the first state from index on that ok likes, and the index
// after it.
func (r *record) wait(t *testing.T, what string, from int, ok func(report.StreamState) bool) (report.StreamState, int) {
	t.Helper()
	late := time.After(patience)
	for {
		r.mu.Lock()
		states, changed := r.states, r.changed
		r.mu.Unlock()
		for i := from; i < len(states); i++ {
			if ok(states[i]) {
				return states[i], i + 1
			}
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("no state %q within %v; states: %+v", what, patience, states)
		}
	}
}

func (r *record) waitStats(t *testing.T, ok func(report.StreamStats) bool) report.StreamStats {
	t.Helper()
	late := time.After(patience)
	for {
		r.mu.Lock()
		stats, changed := r.stats, r.changed
		r.mu.Unlock()
		if n := len(stats); n > 0 && ok(stats[n-1]) {
			return stats[n-1]
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("no such measurement within %v; measurements: %+v", patience, stats)
		}
	}
}

// waitFound returns the first finding from index on that ok likes, and the
// index after it.
func (r *record) waitFound(t *testing.T, what string, from int, ok func(Finding) bool) (Finding, int) {
	t.Helper()
	late := time.After(patience)
	for {
		r.mu.Lock()
		found, changed := r.found, r.changed
		r.mu.Unlock()
		for i := from; i < len(found); i++ {
			if ok(found[i]) {
				return found[i], i + 1
			}
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("no finding %q within %v; findings: %+v", what, patience, found)
		}
	}
}

func present(condition string) func(Finding) bool {
	return func(f Finding) bool { return f.Condition == condition && f.Present }
}

func absent(condition string) func(Finding) bool {
	return func(f Finding) bool { return f.Condition == condition && !f.Present }
}

func is(state, class string) func(report.StreamState) bool {
	return func(s report.StreamState) bool { return s.State == state && (class == "" || s.Class == class) }
}

// watch runs a watcher until the test ends, and then sees that it ends.
func watch(t *testing.T, cfg Config) (*running, *record) {
	t.Helper()
	return watchLog(t, cfg, slog.New(slog.DiscardHandler))
}

// watchLog is watch with a log of the test's own.
func watchLog(t *testing.T, cfg Config, log *slog.Logger) (*running, *record) {
	t.Helper()
	out := newRecord()
	if cfg.Name == "" {
		cfg.Name = "gate"
	}
	if cfg.StatsEvery == 0 {
		cfg.StatsEvery = 200 * time.Millisecond
	}
	w, err := New(cfg, log, out)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	r := &running{w, func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("Run returned %v", err)
				}
			case <-time.After(patience):
				t.Error("Run did not return")
			}
		})
	}}
	t.Cleanup(r.stop)
	return r, out
}

// running is a Watcher that runs; stop ends it and may be called again.
type running struct {
	*Watcher
	stop func()
}

func h264Media() *description.Media {
	return &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.H264{
		PayloadTyp: 96, PacketizationMode: 1,
		SPS: []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20}, // 1920x1080
		PPS: []byte{0x08, 0x06, 0x07, 0x08},
	}}}
}

// feed is a camera's encoder: it writes pictures until the test ends or stop is
// called, with the packets of a keyframe every second.
func feed(t *testing.T, s *streamtest.Server, m *description.Media) (stop func()) {
	t.Helper()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			nal := append([]byte{0x41, 0x9a}, make([]byte, 800)...)
			if n%25 == 0 {
				nal[0] = 0x65
			}
			_ = s.WritePacket(m, &rtp.Packet{Header: rtp.Header{
				Version: 2, PayloadType: 96, SequenceNumber: uint16(n), Timestamp: uint32(n * 3600), SSRC: 7, Marker: true,
			}, Payload: nal})
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { close(quit); <-done }) }
	t.Cleanup(stop)
	return stop
}

func serve(t *testing.T, o streamtest.Options) (*streamtest.Server, *description.Media) {
	t.Helper()
	m := h264Media()
	o.Medias = []*description.Media{m}
	s, err := streamtest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, m
}

// publish has ffmpeg send real video to a relay.
func publish(t *testing.T, args ...string) *streamtest.Server {
	t.Helper()
	s, err := streamtest.Start(streamtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	publishTo(t, s, args...)
	return s
}

// publishTo has ffmpeg send to a relay, and returns when it does.
func publishTo(t *testing.T, s *streamtest.Server, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Fatal("ffmpeg is missing: apt-get install ffmpeg (or make test, which does it)")
	}
	args = append([]string{"-v", "error", "-re"}, args...)
	cmd := exec.Command("ffmpeg", append(args, "-f", "rtsp", "-rtsp_transport", "tcp", s.URL())...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	late := time.After(patience)
	for {
		changed := s.Changed()
		if s.Publishing(streamtest.Path) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatal("ffmpeg does not publish")
		}
	}
}

// TestRealCodecs watches what ffmpeg encodes: 15 pictures a second, a keyframe
// every second.
func TestRealCodecs(t *testing.T) {
	source := func(size string) []string {
		return []string{"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=15"}
	}
	tests := map[string]struct {
		size string
		args []string
		gop  uint64
	}{
		"H264":  {"640x360", []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p"}, 15},
		"H265":  {"320x180", []string{"-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=error:keyint=15:min-keyint=15", "-pix_fmt", "yuv420p"}, 15},
		"MJPEG": {"320x176", []string{"-c:v", "mjpeg", "-q:v", "6", "-pix_fmt", "yuvj420p", "-huffman", "0"}, 1},
	}
	for codec, tt := range tests {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			s := publish(t, append(source(tt.size), tt.args...)...)
			w, out := watch(t, Config{URL: s.URL()})
			st, _ := out.wait(t, "playing with a size", 0, func(s report.StreamState) bool { return s.State == StatePlaying && s.Width > 0 })
			if got := st.Codec + " " + itoa(st.Width) + "x" + itoa(st.Height) + " " + st.Proto; got != codec+" "+tt.size+" tcp" {
				t.Errorf("it is %s, want %s %s tcp", got, codec, tt.size)
			}
			// A busy machine encodes fewer for a while.
			stats := out.waitStats(t, func(s report.StreamStats) bool {
				return s.WindowMS > 4000 && s.FPS > 14 && s.FPS < 16 && s.SinceFrameMS < 2000
			})
			if stats.BitsPerS < 20_000 || stats.PacketsLost > 0 {
				t.Errorf("measured %+v, want no loss", stats)
			}
			if m := w.Status().Measure; m.KeyframeGOP != tt.gop {
				t.Errorf("a keyframe every %d pictures, want %d", m.KeyframeGOP, tt.gop)
			}
		})
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
