package camera

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"kentongan/broker-config/brokertest"
)

// patience bounds every wait of these tests; none takes it unless it fails.
const patience = 2 * time.Minute

func start(t *testing.T, codec string) *Camera {
	t.Helper()
	c, err := Start(t.Context(), Options{Name: "test", Codec: codec, Listen: brokertest.FreeAddress(t), Username: "ops", Password: "rahasia"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// ffmpeg runs one of ffmpeg's programs and returns what it prints.
func ffmpeg(t *testing.T, name string, args ...string) ([]byte, error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install ffmpeg (or make test, which does it)", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, text bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &text
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, text.String())
	}
	return out.Bytes(), nil
}

// frames decodes n pictures to small gray ones.
func frames(t *testing.T, c *Camera, n int) [][]byte {
	t.Helper()
	const w, h = 64, 36
	out, err := ffmpeg(t, "ffmpeg", "-v", "error", "-analyzeduration", "300000", "-rtsp_transport", "tcp", "-i", c.URLWithPassword(),
		"-frames:v", fmt.Sprint(n), "-fps_mode", "passthrough", "-pix_fmt", "gray", "-s", fmt.Sprintf("%dx%d", w, h), "-f", "rawvideo", "-")
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != n*w*h {
		t.Fatalf("%d bytes of picture, want %d", len(out), n*w*h)
	}
	var pics [][]byte
	for i := range n {
		pics = append(pics, out[i*w*h:(i+1)*w*h])
	}
	return pics
}

func differ(a, b []byte) (n int) {
	for i := range a {
		if d := int(a[i]) - int(b[i]); d > 12 || d < -12 {
			n++
		}
	}
	return n
}

func TestFfprobeReadsIt(t *testing.T) {
	for codec, want := range map[string]string{
		"H264":  "codec_name=h264\nwidth=640\nheight=360",
		"MJPEG": "codec_name=mjpeg\nwidth=640\nheight=360",
	} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			c := start(t, codec)
			out, err := ffmpeg(t, "ffprobe", "-v", "error", "-rtsp_transport", "tcp",
				"-show_entries", "stream=codec_name,width,height", "-of", "default=nw=1", c.URLWithPassword())
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(string(out)); got != want {
				t.Errorf("ffprobe says\n%s\nwant\n%s", got, want)
			}
			if err := c.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	c := start(t, "H264")
	_, err := ffmpeg(t, "ffprobe", "-v", "error", "-rtsp_transport", "tcp", strings.Replace(c.URLWithPassword(), "rahasia", "salah", 1))
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("error %v, want one with 401", err)
	}
}

func TestFreeze(t *testing.T) {
	for _, codec := range []string{"H264", "MJPEG"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			c := start(t, codec)
			live := frames(t, c, 6)
			if n := differ(live[0], live[5]); n < 10 {
				t.Errorf("the live picture changed in %d pixels, want 10 or more", n)
			}
			c.Freeze(true)
			frozen := frames(t, c, 6)
			if n := differ(frozen[0], frozen[5]); n > 0 {
				t.Errorf("the frozen picture changed in %d pixels", n)
			}
			c.Freeze(false)
			again := frames(t, c, 6)
			if n := differ(again[0], again[5]); n < 10 {
				t.Errorf("the picture changed in %d pixels after thawing, want 10 or more", n)
			}
		})
	}
}

func TestSilenceKeepsTheConnection(t *testing.T) {
	t.Parallel()
	c := start(t, "H264")
	pictures := make(chan error, 1)
	c.Silence(true)
	go func() {
		_, err := ffmpeg(t, "ffmpeg", "-v", "error", "-analyzeduration", "300000", "-rtsp_transport", "tcp", "-i", c.URLWithPassword(), "-frames:v", "3", "-f", "null", "-")
		pictures <- err
	}()
	waitReaders(t, c, 1)
	select {
	case err := <-pictures:
		t.Fatalf("ffmpeg came back from a silent camera: %v", err)
	default:
	}
	c.Silence(false)
	if err := <-pictures; err != nil {
		t.Errorf("after the silence: %v", err)
	}
}

func TestUnplugAndPlug(t *testing.T) {
	t.Parallel()
	c := start(t, "MJPEG")
	url := c.URL()
	c.Unplug()
	if conn, err := net.Dial("tcp", c.listen()); err == nil {
		_ = conn.Close()
		t.Error("an unplugged camera takes connections")
	}
	if err := c.Plug(); err != nil {
		t.Fatal(err)
	}
	if c.URL() != url {
		t.Errorf("plugged in at %s, was at %s", c.URL(), url)
	}
	frames(t, c, 2)
	c.Close()
	if err := c.Plug(); err == nil {
		t.Error("a closed camera can be plugged in")
	}
}

// TestNumbersGoOn looks at sequence numbers and time stamps over the end of
// the clip and over a freeze.
func TestNumbersGoOn(t *testing.T) {
	s, err := newStreet()
	if err != nil {
		t.Fatal(err)
	}
	var last *rtp.Packet
	for i := range 3 * len(s.clip.Pictures) {
		packets, err := stamped(s, time.Duration(i)*time.Second/time.Duration(s.fps()), i > 30 && i < 50)
		if err != nil {
			t.Fatal(err)
		}
		for j, p := range packets {
			if last != nil && p.SequenceNumber != last.SequenceNumber+1 {
				t.Fatalf("picture %d: sequence number %d after %d", i, p.SequenceNumber, last.SequenceNumber)
			}
			if last != nil && j == 0 && p.Timestamp-last.Timestamp != clockRate/uint32(s.fps()) {
				t.Fatalf("picture %d: time stamp %d after %d", i, p.Timestamp, last.Timestamp)
			}
			last = p
		}
	}
}

func TestUnknownCodec(t *testing.T) {
	_, err := Start(t.Context(), Options{Name: "x", Codec: "VP8", Listen: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "H264 or MJPEG") {
		t.Errorf("error %v, want one that names the codecs", err)
	}
}

func TestRelayPassesOn(t *testing.T) {
	t.Parallel()
	relay, err := StartRelay(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(relay.Close)
	url := relay.URL() + "gate"
	pub := exec.Command("ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p",
		"-f", "rtsp", "-rtsp_transport", "tcp", url)
	if err := pub.Start(); err != nil {
		t.Fatalf("%v: apt-get install ffmpeg", err)
	}
	t.Cleanup(func() { _ = pub.Process.Kill(); _ = pub.Wait() })
	wait(t, relay.Changed, func() bool { return relay.Publishing("/gate") })
	out, err := ffmpeg(t, "ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0", url)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != "h264,320" {
		t.Errorf("ffprobe says %q", got)
	}
}

func waitReaders(t *testing.T, c *Camera, n int) {
	t.Helper()
	c.mu.Lock()
	server := c.server
	c.mu.Unlock()
	wait(t, server.Changed, func() bool { return c.Readers() == n })
}

// wait waits until ok holds, looking each time changed fires.
func wait(t *testing.T, changed func() <-chan struct{}, ok func() bool) {
	t.Helper()
	late := time.After(patience)
	for {
		ch := changed()
		if ok() {
			return
		}
		select {
		case <-ch:
		case <-late:
			t.Fatal("waited too long")
		}
	}
}

func TestCoverTakesThePictureAway(t *testing.T) {
	t.Parallel()
	c := start(t, "MJPEG")
	spread := func() (low, high byte) {
		low = 255
		pics := frames(t, c, 3)
		for _, y := range pics[2] {
			low, high = min(low, y), max(high, y)
		}
		return low, high
	}
	for veil, dark := range map[Veil]bool{Cover: false, Cap: true} {
		if err := c.Cover(veil); err != nil {
			t.Fatal(err)
		}
		// A picture that was on its way may still be of the room.
		deadline := time.After(patience)
		for low, high := spread(); high-low > 12 || (high < 40) != dark; low, high = spread() {
			select {
			case <-deadline:
				t.Fatalf("veil %d: luma from %d to %d", veil, low, high)
			default:
			}
		}
	}
	if err := c.Cover(Clear); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(patience)
	for low, high := spread(); high-low < 60; low, high = spread() {
		select {
		case <-deadline:
			t.Fatalf("uncovered: luma from %d to %d", low, high)
		default:
		}
	}
	if street := start(t, "H264"); street.Coverable() || street.Cover(Cover) == nil {
		t.Error("a clip can be covered")
	}
}
