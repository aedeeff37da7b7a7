package stream

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/stream/decoder"
	"kentongan/agent/stream/picture"
	"kentongan/agent/stream/streamtest"
)

// eye runs one until the test ends. Its decoder, which has little priority, has the
// time of a busy machine: a camera whose picture took longer would wait for a minute.
func eye(t *testing.T, ffmpeg string) *Eye {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	e := NewEye(ffmpeg, log)
	e.dec = decoder.New(decoder.Options{FFmpeg: ffmpeg, Deadline: 30 * time.Second, Log: log})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if left := e.keys.left.Load(); left != keyframes {
			t.Errorf("%d bytes of keyframes are still held", keyframes-left)
		}
	})
	return e
}

var codecArgs = map[string][]string{
	"H264":  {"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10", "-pix_fmt", "yuv420p"},
	"H265":  {"-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=error:keyint=10:min-keyint=10", "-pix_fmt", "yuv420p"},
	"MJPEG": {"-c:v", "mjpeg", "-q:v", "6", "-pix_fmt", "yuvj420p", "-huffman", "0"},
}

// camera publishes a picture of ffmpeg's, ten times a second.
func camera(t *testing.T, codec, source string) string {
	t.Helper()
	return publish(t, append([]string{"-f", "lavfi", "-i", source}, codecArgs[codec]...)...).URL()
}

func checked(s report.StreamState) bool {
	return s.State == StatePlaying && s.Picture != nil && s.Picture.Checked
}

// TestLooks: real pictures of every codec are looked at, and a black one is
// called black.
func TestLooks(t *testing.T) {
	e := eye(t, decoder.Find())
	for _, codec := range []string{"H264", "H265", "MJPEG"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			url := camera(t, codec, "color=c=black:s=320x176:r=10")
			_, out := watch(t, Config{Name: strings.ToLower(codec), URL: url, Picture: PictureConfig{Eye: e, Every: time.Second}})
			st, _ := out.wait(t, "checked", 0, checked)
			if st.Picture.Looked == nil || st.Picture.Reason != "" {
				t.Errorf("picture %+v", st.Picture)
			}
			st, _ = out.wait(t, "black", 0, func(s report.StreamState) bool {
				return checked(s) && len(s.Picture.Found) == 1 && s.Picture.Found[0].Condition == CondBlack
			})
			if v := st.Picture.Found[0]; v.Confidence <= 0 || v.Confidence > 1 || v.Since.IsZero() {
				t.Errorf("verdict %+v", v)
			}
			out.waitFound(t, "black", 0, present(CondBlack))
		})
	}
}

// TestConditionsHaveOneName: the room picture can't import this one.
func TestConditionsHaveOneName(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{picture.Frozen, CondFrozen}, {picture.Black, CondBlack}, {picture.White, CondWhite},
		{picture.Covered, CondCovered}, {picture.Blurred, CondBlurred}, {picture.Moved, CondMoved},
		{picture.Garbage, CondGarbage},
	} {
		if tt.got != tt.want {
			t.Errorf("condition %q of the picture, %q here", tt.got, tt.want)
		}
	}
}

// TestGarbageCamera: a camera whose keyframes are noise is called garbage, and
// one beside it is looked at all the same.
func TestGarbageCamera(t *testing.T) {
	e := eye(t, decoder.Find())
	s, m := serve(t, streamtest.Options{})
	feed(t, s, m) // its slices are zeros
	_, bad := watch(t, Config{Name: "bad", URL: s.URL(), Picture: PictureConfig{Eye: e, Every: time.Second}})
	_, good := watch(t, Config{Name: "good", URL: camera(t, "H264", "testsrc2=s=320x176:r=10"), Picture: PictureConfig{Eye: e, Every: time.Second}})
	bad.waitFound(t, CondGarbage, 0, present(CondGarbage))
	good.wait(t, "checked", 0, checked)
	for _, st := range good.all() {
		if p := st.Picture; p != nil && len(p.Found) > 0 {
			t.Errorf("the good camera's picture: %+v", p.Found)
		}
	}
}

// TestWithoutFFmpeg: the state says that the picture is not checked, and why;
// MJPEG is looked at all the same, and a camera with an address for single
// pictures too.
func TestWithoutFFmpeg(t *testing.T) {
	e := eye(t, "")
	url := camera(t, "H264", "testsrc2=s=320x176:r=10")
	_, out := watch(t, Config{URL: url, Picture: PictureConfig{Eye: e, Every: time.Second}})
	st, _ := out.wait(t, "not checked", 0, func(s report.StreamState) bool {
		return s.State == StatePlaying && s.Picture != nil && s.Picture.Reason == report.PictureNoDecoder
	})
	if st.Picture.Checked || !strings.Contains(st.Picture.Detail, "ffmpeg") {
		t.Errorf("picture %+v", st.Picture)
	}
	file := encode(t, "-i", "color=c=black:s=640x360", "-frames:v", "1", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-f", "mjpeg")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file) }))
	defer web.Close()
	_, out = watch(t, Config{Name: "web", URL: url, Picture: PictureConfig{Eye: e, Every: time.Second, SnapshotURL: web.URL}})
	out.wait(t, "checked", 0, checked)
	_, out = watch(t, Config{Name: "mjpeg", URL: camera(t, "MJPEG", "testsrc2=s=320x176:r=10"), Picture: PictureConfig{Eye: e, Every: time.Second}})
	out.wait(t, "checked", 0, checked)
}

// TestPanicInALook costs one camera its look, and not the whole agent.
func TestPanicInALook(t *testing.T) {
	w := &Watcher{
		cfg: Config{Now: time.Now, Picture: PictureConfig{Eye: NewEye("", slog.New(slog.DiscardHandler))}},
		log: slog.New(slog.DiscardHandler), board: newBoard("gate", "", newRecord(), time.Now),
		session: &session{meter: newMeter(MJPEG, 90000, time.Now()), found: found{codec: MJPEG}}, // without a tap
	}
	l := newLooker(w)
	l.once(t.Context())
	if s := l.view.state; s.Checked || s.Reason != report.PictureDecoderDown || !strings.Contains(s.Detail, "nil pointer") {
		t.Errorf("%+v", s)
	}
}

// TestPictureOff: it is said, and nothing looked at.
func TestPictureOff(t *testing.T) {
	e := eye(t, "")
	_, out := watch(t, Config{URL: camera(t, "MJPEG", "testsrc2=s=320x176:r=10"), Picture: PictureConfig{Eye: e, Off: true}})
	st, _ := out.wait(t, "playing", 0, is(StatePlaying, ""))
	if p := st.Picture; p == nil || p.Checked || p.Reason != report.PictureOff {
		t.Errorf("picture %+v, want off", p)
	}
}

// shot takes a snapshot of a camera.
func shot(t *testing.T, e *Eye, url string, cfg PictureConfig) (Snapshot, error) {
	t.Helper()
	cfg.Eye, cfg.Off = e, true
	w, out := watch(t, Config{URL: url, Picture: cfg})
	out.wait(t, "playing", 0, is(StatePlaying, ""))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return w.Snapshot(ctx)
}

// TestSnapshotIsMasked: in each codec, what lies under a privacy mask is one
// colour in the JPEG that leaves, and what does not is the camera's picture.
func TestSnapshotIsMasked(t *testing.T) {
	e := eye(t, decoder.Find())
	masks := []Rect{{X: 100, Y: 200, W: 333, H: 300}, {X: 900, Y: 0, W: 100, H: 1000}}
	for _, codec := range []string{"H264", "H265", "MJPEG"} {
		url := camera(t, codec, "testsrc2=s=640x368:r=10")
		for _, limits := range []SnapshotLimits{{}, {Width: 200, Quality: 30}, {Bytes: 7000}} {
			t.Run(fmt.Sprintf("%s %v", codec, limits), func(t *testing.T) {
				s, err := shot(t, e, url, PictureConfig{Privacy: masks, Limits: limits})
				if err != nil {
					t.Fatal(err)
				}
				if most := limits.filled(); len(s.Bytes) > most.Bytes || s.Width > most.Width || s.Format != SnapshotJPEG || s.TakenAt.IsZero() {
					t.Errorf("%s of %d bytes, %dx%d at %v", s.Format, len(s.Bytes), s.Width, s.Height, s.TakenAt)
				}
				checkMasked(t, s, masks)
			})
		}
	}
}

func checkMasked(t *testing.T, s Snapshot, masks []Rect) {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(s.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	if w != s.Width || h != s.Height {
		t.Errorf("it is %dx%d and says %dx%d", w, h, s.Width, s.Height)
	}
	var covered image.Rectangle
	for _, m := range masks {
		r := image.Rect(m.X*w/1000, m.Y*h/1000, ((m.X+m.W)*w+999)/1000, ((m.Y+m.H)*h+999)/1000)
		covered = covered.Union(r)
		first := img.At(r.Min.X, r.Min.Y)
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				if img.At(x, y) != first {
					t.Fatalf("under mask %v pixel %d,%d is %v, others %v", m, x, y, img.At(x, y), first)
				}
			}
		}
	}
	colours := map[color.Color]bool{}
	for y := h * 3 / 4; y < h; y++ { // below the first, left of the second
		for x := range w / 2 {
			colours[img.At(x, y)] = true
		}
	}
	if len(colours) < 20 {
		t.Errorf("%d colours beside the masks: it is no picture", len(colours))
	}
}

// TestSnapshotURLIsMasked: the camera's own JPEG leaves with the same masks, in
// odd sizes, on end and in grey as well.
func TestSnapshotURLIsMasked(t *testing.T) {
	masks := []Rect{{X: 100, Y: 200, W: 333, H: 300}, {X: 900, Y: 0, W: 100, H: 1000}}
	noise := rand.New(rand.NewPCG(1, 2))
	for name, img := range map[string]draw.Image{
		"odd": image.NewRGBA(image.Rect(0, 0, 641, 369)), "on end": image.NewRGBA(image.Rect(0, 0, 361, 1279)),
		"wide": image.NewRGBA(image.Rect(0, 0, 1921, 1081)), "grey": image.NewGray(image.Rect(0, 0, 333, 251)),
	} {
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				img.Set(x, y, color.RGBA{byte(noise.Uint32()), byte(noise.Uint32()), byte(noise.Uint32()), 255})
			}
		}
		var file bytes.Buffer
		if err := jpeg.Encode(&file, img, nil); err != nil {
			t.Fatal(err)
		}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file.Bytes()) }))
		w := &Watcher{
			cfg: Config{Now: time.Now, Picture: PictureConfig{Eye: NewEye("", slog.New(slog.DiscardHandler)), SnapshotURL: s.URL, Privacy: masks, Limits: SnapshotLimits{Bytes: 1 << 20}}},
			log: slog.New(slog.DiscardHandler), board: newBoard("gate", "", newRecord(), time.Now),
		}
		got, err := newLooker(w).fetchSnapshot(t.Context())
		s.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Run(name, func(t *testing.T) { checkMasked(t, got, masks) })
	}
}

// TestSnapshotWithoutDecoder: the keyframe as it is, which a player opens; but
// never with privacy masks.
func TestSnapshotWithoutDecoder(t *testing.T) {
	e := eye(t, "")
	for _, codec := range []string{"H264", "H265"} {
		url := camera(t, codec, "testsrc2=s=320x176:r=10")
		s, err := shot(t, e, url, PictureConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if s.Format != SnapshotMP4 || s.Width != 320 || s.Height != 176 {
			t.Errorf("%s of %dx%d, want mp4 of 320x176", s.Format, s.Width, s.Height)
		}
		file := filepath.Join(t.TempDir(), "shot.mp4")
		if err := os.WriteFile(file, s.Bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("ffprobe", "-v", "warning", "-count_frames", "-show_entries", "stream=codec_name,width,height,nb_read_frames,duration", "-of", "csv=p=0", file).CombinedOutput()
		if want := map[string]string{"H264": "h264", "H265": "hevc"}[codec] + ",320,176,1.000000,1\n"; err != nil || string(out) != want {
			t.Errorf("%s: ffprobe: %v, %q, want %q", codec, err, out, want)
		}
		if _, err := shot(t, e, url, PictureConfig{Privacy: []Rect{{0, 0, 10, 10}}}); !errors.Is(err, ErrPrivacy) {
			t.Errorf("%s with masks: %v, want %v", codec, err, ErrPrivacy)
		}
		if _, err := shot(t, e, url, PictureConfig{Limits: SnapshotLimits{Bytes: 4096}}); err == nil {
			t.Errorf("%s: more than 4096 bytes left", codec)
		}
	}
}

// TestSnapshotOfNothing: no eye, no stream.
func TestSnapshotOfNothing(t *testing.T) {
	w, _ := watch(t, Config{URL: "rtsp://127.0.0.1:1/live"})
	if _, err := w.Snapshot(t.Context()); !errors.Is(err, ErrNoPicture) {
		t.Errorf("without an eye: %v", err)
	}
	w, _ = watch(t, Config{URL: "rtsp://127.0.0.1:1/live", Picture: PictureConfig{Eye: eye(t, "")}})
	if _, err := w.Snapshot(t.Context()); !errors.Is(err, errNotPlaying) {
		t.Errorf("without a stream: %v", err)
	}
}

// TestRateDrop: a fall of a variable bit rate is seen; a constant one says
// nothing, nor one that falls with its frames.
func TestRateDrop(t *testing.T) {
	m := func(short, long int64, cv, fps float64) Measure {
		return Measure{RateCV: cv, Short: Rates{Covered: 10 * time.Second, BitsPerS: short, FPS: fps}, Long: Rates{BitsPerS: long, FPS: 25}}
	}
	for name, tt := range map[string]struct {
		m    Measure
		want bool
	}{
		"falls":               {m(50_000, 1_000_000, 0.4, 25), true},
		"falls at a constant": {m(50_000, 1_000_000, 0.05, 25), false},
		"not known yet":       {m(50_000, 1_000_000, 0, 25), false},
		"with its frames":     {m(50_000, 1_000_000, 0.4, 2), false},
		"a little":            {m(500_000, 1_000_000, 0.4, 25), false},
	} {
		var d rateDrop
		if began, changed := d.add(tt.m); began != tt.want || changed != tt.want {
			t.Errorf("%s: began %v, changed %v, want %v", name, began, changed, tt.want)
		}
		if !tt.want {
			continue
		}
		if _, changed := d.add(m(60_000, 200_000, 0.4, 25)); changed {
			t.Errorf("%s: it ended as the mean fell", name)
		}
		if began, changed := d.add(m(900_000, 200_000, 0.4, 25)); began || !changed || d.present {
			t.Errorf("%s: it did not end", name)
		}
	}
}

func TestPictureView(t *testing.T) {
	var v pictureView
	at := time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)
	v.verdict(at, picture.Verdict{Condition: "moved", Present: true, Confidence: 0.7})
	v.verdict(at.Add(time.Hour), picture.Verdict{Condition: "black", Present: true, Confidence: 0.9})
	first := v.report()
	v.verdict(at.Add(2*time.Hour), picture.Verdict{Condition: "moved", Present: true, Confidence: 0.8})
	v.inform("night", true)
	v.inform("night", true)
	v.inform("cast", true)
	second := v.report()
	v.verdict(at, picture.Verdict{Condition: "frozen"})
	v.verdict(at, picture.Verdict{Condition: "moved"})
	v.inform("night", false)
	if got := fmt.Sprintf("%s %v %v %v %v %s %v", first.Found[0].Condition, first.Found[1].Confidence, second.Found[1].Confidence, second.Found[1].Since.Equal(at), second.Info, v.state.Found[0].Condition, v.state.Info); got != "black 0.7 0.8 true [cast night] black [cast]" {
		t.Error(got)
	}
	if pictureKey(first) == pictureKey(second) || pictureKey(first) != pictureKey(&report.PictureState{Found: first.Found, Looked: &at}) {
		t.Errorf("keys %q and %q", pictureKey(first), pictureKey(second))
	}
}

// TestStateWithoutPicture: a picture that is checked is not said to be so while
// the stream does not play; that alone is no other state.
func TestStateWithoutPicture(t *testing.T) {
	out := newRecord()
	b := newBoard("gate", "rtsp://h/", out, time.Now)
	b.set(func(s *report.StreamState) {
		s.State, s.Picture = StatePlaying, &report.PictureState{Checked: true, Found: []report.PictureVerdict{{Condition: CondMoved}}}
	})
	b.set(func(s *report.StreamState) { s.State, s.Class = StateFailed, ClassRefused })
	b.set(func(s *report.StreamState) { s.Picture = &report.PictureState{Reason: report.PictureNoKeyframe} })
	all := out.all()
	if len(all) != 2 {
		t.Fatalf("%d states, want 2: %+v", len(all), all)
	}
	if p := all[0].Picture; !p.Checked {
		t.Errorf("while it plays: %+v", p)
	}
	if p := all[1].Picture; p.Checked || p.Reason != report.PictureNoKeyframe || len(p.Found) != 1 {
		t.Errorf("while it does not: %+v", p)
	}
}

// learned is a PictureMemory.
type learned struct {
	mu     sync.Mutex
	b      []byte
	saves  int
	asides int
}

func (m *learned) Load() ([]byte, error) { return m.b, nil }
func (m *learned) Save(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.b, m.saves = b, m.saves+1
	return nil
}
func (m *learned) SetAside() error { m.asides++; return nil }

// TestMemory: what was learned is loaded and saved, and a condition that was
// present is told again; what makes no sense is set aside, and a new judge
// begins.
func TestMemory(t *testing.T) {
	black := picture.New(picture.Config{})
	var f picture.Frame
	for n := range 20 {
		black.Add(time.Unix(int64(n*5), 0), &f, picture.Hint{})
	}
	good, err := black.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		saved  []byte
		asides int
		found  int
	}{"nothing": {nil, 0, 0}, "black": {good, 0, 1}, "damaged": {good[:len(good)-1], 1, 0}} {
		m := &learned{b: tt.saved}
		out := newRecord()
		w := &Watcher{
			cfg: Config{Now: time.Now, Picture: PictureConfig{Eye: NewEye("", slog.New(slog.DiscardHandler)), Memory: m}},
			log: slog.New(slog.DiscardHandler), board: newBoard("gate", "", out, time.Now),
		}
		l := newLooker(w)
		l.load()
		if m.asides != tt.asides || len(l.view.state.Found) != tt.found || len(out.found) != tt.found {
			t.Errorf("%s: set aside %d times, found %+v, told %+v", name, m.asides, l.view.state.Found, out.found)
		}
		l.save()
		if err := picture.New(picture.Config{}).UnmarshalBinary(m.b); err != nil || m.saves != 1 {
			t.Errorf("%s: saved %d times, which reads as %v", name, m.saves, err)
		}
	}
}

// TestFetchJPEG: passwords, redirects and sizes.
func TestFetchJPEG(t *testing.T) {
	digestOf := func(alg, header string) string {
		p := parameters7616(strings.TrimPrefix(header, "Digest "))
		sum := func(parts ...string) string {
			text := []byte(strings.Join(parts, ":"))
			if alg == "SHA-256" {
				h := sha256.Sum256(text)
				return hex.EncodeToString(h[:])
			}
			h := md5.Sum(text)
			return hex.EncodeToString(h[:])
		}
		want := sum(sum("ops", `a "camera"`, "rahasia"), "n1", p["nc"], p["cnonce"], "auth", sum("GET", p["uri"]))
		if p["qop"] == "" {
			want = sum(sum("ops", `a "camera"`, "rahasia"), "n1", sum("GET", p["uri"]))
		}
		if p["response"] == want && p["uri"] == "/snap.jpg?channel=1" && p["opaque"] == "o" {
			return ""
		}
		return "wrong response"
	}
	challenge := func(text, alg string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			got := r.Header.Get("Authorization")
			switch {
			case got == "":
				w.Header().Add("WWW-Authenticate", `Basic realm="x"`)
				w.Header().Add("WWW-Authenticate", text)
				w.WriteHeader(401)
			case strings.HasPrefix(got, "Digest ") && digestOf(alg, got) == "":
				_, _ = io.WriteString(w, "picture")
			default:
				w.WriteHeader(401)
			}
		}
	}
	var leaked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { leaked.Add(1) }))
	defer other.Close()
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	tests := map[string]struct {
		handler http.HandlerFunc
		user    string
		want    string // "" is the picture; else a part of the error
	}{
		"open":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "picture") }, "", ""},
		"digest":      {challenge(`Digest realm="a \"camera\"", nonce="n1", qop="auth,auth-int", opaque="o"`, ""), "ops", ""},
		"old digest":  {challenge(`Digest realm="a \"camera\"", nonce="n1", opaque="o"`, ""), "ops", ""},
		"SHA-256":     {challenge(`Digest realm="a \"camera\"", nonce="n1", qop="auth", algorithm=SHA-256, opaque="o"`, "SHA-256"), "ops", ""},
		"unknown sum": {challenge(`Digest realm="a", nonce="n1", algorithm=SHA-512-256`, ""), "ops", "MD5 or SHA-256"},
		"wrong user":  {challenge(`Digest realm="a \"camera\"", nonce="n1", opaque="o"`, ""), "else", "refuses user name or password"},
		"no user":     {challenge(`Digest realm="a", nonce="n1"`, ""), "", "refuses user name or password"},
		"basic": {func(w http.ResponseWriter, r *http.Request) {
			if u, p, ok := r.BasicAuth(); ok && u == "ops" && p == "rahasia" {
				_, _ = io.WriteString(w, "picture")
				return
			}
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(401)
		}, "ops", ""},
		"other host": {redirect(other.URL + "/snap.jpg"), "ops", "never gets this camera's password"},
		"other host, and the password in the query": {redirect(other.URL + "/snap.jpg?usr=ops&pwd=rahasia"), "", "never gets this camera's password"},
		"loop": {redirect("/snap.jpg?channel=1"), "", "redirects more than"},
		"same host": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/new" {
				_, _ = io.WriteString(w, "picture")
				return
			}
			http.Redirect(w, r, "/new", http.StatusMovedPermanently)
		}, "", ""},
		"missing": {http.NotFound, "", "answers 404"},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			for range maxFetched/4096 + 2 {
				_, _ = w.Write(make([]byte, 4096))
			}
		}, "", "more than"},
		"says that it is too large": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "999999999") }, "", "999999999 bytes"},
	}
	for name, tt := range tests {
		s := httptest.NewServer(tt.handler)
		got, err := fetchJPEG(t.Context(), s.URL+"/snap.jpg?channel=1", tt.user, "rahasia")
		s.Close()
		switch {
		case tt.want == "" && (err != nil || string(got) != "picture"):
			t.Errorf("%s: %q, %v", name, got, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		case err != nil && strings.Contains(err.Error(), "rahasia"):
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
	if leaked.Load() != 0 {
		t.Error("the other host was asked")
	}
}

// TestFetchLocksNoAccount: a refused password is not sent again before its time,
// neither for a look nor for a snapshot.
func TestFetchLocksNoAccount(t *testing.T) {
	var tries atomic.Int32
	var good atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); ok {
			tries.Add(1)
			if good.Load() {
				_, _ = io.WriteString(w, "picture")
				return
			}
		}
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(401)
	}))
	defer s.Close()
	w := &Watcher{
		cfg: Config{Now: time.Now, Username: "ops", Password: "salah", Picture: PictureConfig{Eye: NewEye("", slog.New(slog.DiscardHandler)), SnapshotURL: s.URL}},
		log: slog.New(slog.DiscardHandler), board: newBoard("gate", "", newRecord(), time.Now),
	}
	l := newLooker(w)
	for range 20 {
		if _, err := l.fetched(t.Context()); !errors.Is(err, errPassword) {
			t.Fatal(err)
		}
	}
	if _, err := l.fetchSnapshot(t.Context()); !errors.Is(err, errPassword) {
		t.Fatal(err)
	}
	if n := tries.Load(); n != 1 {
		t.Errorf("%d tries at once, want 1", n)
	}
	var pauses []time.Duration
	for range 4 {
		pauses = append(pauses, time.Until(l.shy.until).Round(time.Minute))
		l.shy.until = time.Time{}
		_, _ = l.fetched(t.Context())
	}
	if want := []time.Duration{authPause, 2 * authPause, 4 * authPause, authLong}; !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
	good.Store(true)
	l.shy.until = time.Time{}
	if k, err := l.fetched(t.Context()); err != nil || string(k.Unit) != "picture" || l.shy.refusals != 0 {
		t.Errorf("%q, %v after %d refusals", k.Unit, err, l.shy.refusals)
	}
}

// FuzzChallenge: any challenge is answered or refused, without the password.
func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="a", nonce="n", qop="auth"`)
	f.Add(`Digest realm="\`)
	f.Add("Basic")
	f.Fuzz(func(t *testing.T, challenge string) {
		u, err := url.Parse("http://h/snap.jpg")
		if err != nil {
			t.Fatal(err)
		}
		got, err := authorize([]string{challenge}, u, "ops", "sangat-rahasia")
		if err == nil && strings.Contains(got, "sangat-rahasia") {
			t.Errorf("%q", got)
		}
	})
}
