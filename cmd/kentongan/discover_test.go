package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kentongan/agent/config"
	"kentongan/agent/onvif/onviftest"
	"kentongan/agent/report"
	"kentongan/agent/stream"
	"kentongan/agent/stream/streamtest"
)

// kinds of cameras that a script may start.
var cameraKinds = map[string]onviftest.Options{
	"plain":  {Profiles: channel(1)},
	"locked": {Username: "ops", Password: "rahasia", Clock: -3 * time.Hour, Profiles: channel(1)},
	"nvr":    {Profiles: append(channel(1), channel(2)...)},
	"liar": {Maker: "\x07Evil\nname: x", Profiles: []onviftest.Profile{{
		Token: "a", Name: "x", Encoding: "H264", Width: 640, Height: 360, FPS: 25,
		StreamURI: "rtsp://admin:geheim@10.9.9.9/user=admin_password=tlJwpbo6_channel=1.sdp?real_stream",
	}}},
	"blind": {Profiles: []onviftest.Profile{{Token: "a", Name: "radar", Encoding: "MPEG4", Width: 640, Height: 360, StreamURI: "rtsp://127.0.0.1/a"}}},
	"page": {Answer: func(_ string, w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, "<html/>")
		return true
	}},
	"slow": {Profiles: channel(1), Answer: func(op string, _ http.ResponseWriter, _ *http.Request) bool { pauseAt(op, "GetServices"); return false }},
}

func pauseAt(op, when string) {
	if op == when {
		time.Sleep(4 * time.Second) // progress speaks after 2 s
	}
}

func channel(n int) []onviftest.Profile {
	at := fmt.Sprintf("rtsp://127.0.0.1:554/ch%d", n)
	return []onviftest.Profile{
		{Token: fmt.Sprintf("s%d", n), Name: "sub", Source: fmt.Sprintf("v%d", n), Encoding: "H264", Width: 640, Height: 360, FPS: 10, Kbit: 512, GOP: 20, StreamURI: at + "/sub"},
		{Token: fmt.Sprintf("m%d", n), Name: "main", Source: fmt.Sprintf("v%d", n), Encoding: "H264", Width: 1920, Height: 1080, FPS: 25, Kbit: 4096, GOP: 50, StreamURI: at + "/main", SnapshotURI: fmt.Sprintf("http://127.0.0.1/snap%d.jpg", n)},
	}
}

// group is the one that all cameras of this machine answer in: of two scripts beside
// each other, the one would find the other's.
var group sync.Mutex

// startCamera KIND starts an ONVIF responder and puts its host and port into
// $KIND. KIND multicast also answers on the loopback interface's group.
func startCamera(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: camera KIND [multicast]")
	}
	o, ok := cameraKinds[args[0]]
	if !ok {
		ts.Fatalf("no camera %q", args[0])
	}
	if len(args) > 1 {
		group.Lock()
		ts.Defer(group.Unlock) // after the camera's end
	}
	c, err := onviftest.Start(o)
	ts.Check(err)
	ts.Defer(func() {
		if v := c.Violations(); len(v) > 0 {
			ts.Logf("requests break the specifications: %s", strings.Join(v, "\n"))
		}
		ts.Check(c.Close())
	})
	ts.Setenv(strings.ToUpper(args[0]), c.Host())
	if len(args) > 1 {
		lo, err := net.InterfaceByName("lo")
		ts.Check(err)
		ts.Check(c.AnswerMulticast(lo, 3702))
	}
}

// TestDiscoverToPicture goes the technician's way: discover writes a
// configuration, config check accepts it, and a watcher made of it plays what
// ffmpeg publishes, as it should be.
func TestDiscoverToPicture(t *testing.T) {
	server, err := streamtest.Start(streamtest.Options{Username: "ops", Password: "rahasia"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	publish(t, server, "sub")
	camera, err := onviftest.Start(onviftest.Options{
		Username: "ops", Password: "rahasia", Clock: 7 * time.Hour, Media2: true,
		Profiles: []onviftest.Profile{
			{Token: "1", Name: "main", Source: "v", Encoding: "H265", Width: 1920, Height: 1080, FPS: 25, GOP: 50, StreamURI: server.Root() + "main"},
			{Token: "2", Name: "sub", Source: "v", Encoding: "H264", Width: 320, Height: 180, FPS: 10, GOP: 10, StreamURI: server.Root() + "sub"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = camera.Close() })
	dir := t.TempDir()
	secret := filepath.Join(dir, "camera.secret")
	if err := os.WriteFile(secret, []byte("rahasia\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, bad strings.Builder
	e := env{strings.NewReader(""), &out, &bad}
	if got := runDiscover(t.Context(), e, []string{"--address", camera.Host(), "--username", "ops", "--password-file", secret, "--config"}); got != exitGood {
		t.Fatalf("status %d: %s", got, bad.String())
	}
	file := filepath.Join(dir, "kentongan.yaml")
	const head = "device: gateway-1\ndata: data\nuplink: {acknowledge: broker, brokers: [{url: \"mqtt://127.0.0.1:1\"}]}\n"
	if err := os.WriteFile(file, []byte(head+out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Check(file)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, out.String())
	}
	if w := cfg.Warnings(); len(w) != 1 || !strings.Contains(w.Error(), "acknowledge") {
		t.Errorf("warnings %v", w)
	}
	play(t, cfg.Streams[0])
}

// publish has ffmpeg send 320x180 at 10 pictures a second to a path of a relay.
func publish(t *testing.T, s *streamtest.Server, path string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10", "-f", "rtsp", "-rtsp_transport", "tcp", s.Root()+path)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (apt-get install ffmpeg?)", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.After(time.Minute); !s.Publishing("/" + path); {
		changed := s.Changed()
		select {
		case <-changed:
		case <-time.After(100 * time.Millisecond):
		case <-end:
			t.Fatal("ffmpeg does not publish")
		}
	}
}

// player waits for a stream's picture.
type player chan report.StreamState

func (p player) StreamChanged(s report.StreamState) {
	select {
	case p <- s:
	default:
	}
}
func (player) StreamMeasured(report.StreamStats)      {}
func (player) StreamFound(_ string, _ stream.Finding) {}

// play watches what the configuration says is watched: the sub-stream.
func play(t *testing.T, c config.Stream) {
	t.Helper()
	password, err := c.Password.Value()
	if err != nil {
		t.Fatal(err)
	}
	if c.Watch != config.WatchSub || c.SubExpect.Width != 320 || c.SubExpect.GOP != 10 {
		t.Errorf("stream %+v", c)
	}
	states := make(player, 100)
	w, err := stream.New(stream.Config{Name: c.Name, URL: c.SubURL, Username: c.Username, Password: password}, slog.New(slog.DiscardHandler), states)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- w.Run(ctx) }()
	for {
		select {
		case s := <-states:
			if s.State != stream.StatePlaying {
				continue
			}
			if s.Codec != c.SubExpect.Codec || int64(s.Width) != c.SubExpect.Width || int64(s.Height) != c.SubExpect.Height {
				t.Errorf("plays %s %dx%d, the configuration expects %+v", s.Codec, s.Width, s.Height, c.SubExpect)
			}
			cancel()
			if err := <-over; err != nil {
				t.Error(err)
			}
			return
		case <-ctx.Done():
			t.Fatal("it does not play")
		}
	}
}
