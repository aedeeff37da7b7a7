package decoder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const patience = 60 * time.Second

func ffmpeg(t testing.TB) string {
	t.Helper()
	path := Find()
	if path == "" {
		t.Fatal("ffmpeg is missing: apt-get install ffmpeg (or make test, which does it)")
	}
	return path
}

var (
	madeLock sync.Mutex
	made     = map[string][]byte{}
)

// keyframe has ffmpeg encode the first picture of a source.
func keyframe(t testing.TB, codec Codec, source string, more ...string) []byte {
	t.Helper()
	encoder := map[Codec][]string{
		H264: {"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-f", "h264"},
		H265: {"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p", "-f", "hevc"},
		JPEG: {"-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj420p", "-f", "mjpeg"},
	}[codec]
	args := append([]string{"-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "1"}, append(slices.Clone(encoder), more...)...)
	name := strings.Join(args, " ")
	madeLock.Lock()
	defer madeLock.Unlock()
	if made[name] == nil {
		out, err := exec.Command(ffmpeg(t), append(args, "-")...).Output()
		if err != nil {
			t.Fatalf("ffmpeg %s: %v", name, err)
		}
		made[name] = out
	}
	return made[name]
}

// grid is a picture that no other size or number has: bars whose place says
// which camera it is.
func grid(n int, size string) string {
	return fmt.Sprintf("color=c=0x202020:s=%s,drawbox=x=iw*%d/8:y=0:w=iw/8:h=ih:c=0xe0e0e0:t=fill,drawbox=x=0:y=ih/2:w=iw:h=ih/10:c=0x808080:t=fill", size, n)
}

// which says which camera's picture it is; -1 is none.
func which(p *Picture) int {
	found := -1
	for n := range 8 {
		bright, x := 0, n*Width/8+Width/16
		for y := 5; y < 40; y++ {
			if p[y*Width+x] > 170 {
				bright++
			}
		}
		if bright >= 30 {
			if found >= 0 {
				return -1
			}
			found = n
		}
	}
	return found
}

func run(t testing.TB, o Options) *Decoder {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("Run did not return")
		}
	})
	return d
}

// look asks again while there is no decoder, as the picture loop does.
func look(t testing.TB, d *Decoder, k Keyframe) (Answer, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		a, err := d.Look(ctx, k)
		if down, ok := errors.AsType[*DownError](err); ok {
			select {
			case <-time.After(time.Until(down.Retry)):
				continue
			case <-ctx.Done():
			}
		}
		return a, err
	}
}

// TestMarkersDecode: our own keyframes are what they should be, by this
// machine's ffmpeg.
func TestMarkersDecode(t *testing.T) {
	for codec, s := range syntaxes {
		var in []byte
		for _, m := range s.markers() {
			in = append(in, m...)
		}
		cmd := exec.Command(ffmpeg(t), "-v", "error", "-f", s.format, "-i", "-", "-vsync", "passthrough", "-s", "160x90", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-")
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if len(out) != greys*len(Picture{}) {
			t.Fatalf("%s: %d bytes of pictures, want %d", codec, len(out), greys*len(Picture{}))
		}
		for i := range greys {
			p := Picture(out[i*len(Picture{}):])
			if got := grey(&p); got != i {
				t.Errorf("%s: marker %d decodes to grey %d (luma %d)", codec, i, got, p[0])
			}
		}
	}
}

// TestSignBeginsOnce: a turn is over at the sign's end and nowhere before, and
// signs differ enough that a picture of an earlier one ends no later turn. With
// 14^6 of them, 2,000 drawn at random hold a pair alike in one run of four, and
// more than 10 pairs in fewer than one of 10^13.
func TestSignBeginsOnce(t *testing.T) {
	seen := map[sign]bool{}
	alike := 0
	for range 2000 {
		s := newSign()
		if seen[s] {
			alike++
		}
		seen[s] = true
		for i, g := range s {
			if (g == beginGrey) != (i == 0) || g == fillGrey {
				t.Fatalf("sign %v", s)
			}
		}
	}
	if alike > 10 {
		t.Errorf("%d of 2,000 signs came before", alike)
	}
}

// TestTurn: whatever a camera's pictures look like, they are told from the
// sign.
func TestTurn(t *testing.T) {
	s := sign{beginGrey, 3, 4, 3, 9, 1, 2}
	flat := func(g int) *Picture {
		var p Picture
		for i := range p {
			p[i] = byte(firstGrey + g*greyStep)
		}
		return &p
	}
	scene := new(Picture)
	scene[0], scene[1] = 200, 20
	tests := map[string]struct {
		before   []*Picture
		pictures int
		picture  *Picture
	}{
		"nothing":                {nil, 0, nil},
		"a scene":                {[]*Picture{scene}, 1, scene},
		"two scenes":             {[]*Picture{scene, flat(5)}, 2, scene},
		"grey as fill":           {[]*Picture{flat(fillGrey)}, 1, flat(fillGrey)},
		"grey as the begin":      {[]*Picture{flat(beginGrey)}, 1, flat(beginGrey)},
		"grey as its second":     {[]*Picture{flat(3)}, 1, flat(3)},
		"a begin of the sign":    {[]*Picture{flat(beginGrey), flat(3), flat(4), flat(3)}, 4, flat(beginGrey)},
		"twice its begin":        {[]*Picture{flat(beginGrey), flat(beginGrey)}, 2, flat(beginGrey)},
		"a sign but for its end": {[]*Picture{flat(beginGrey), flat(3), flat(4), flat(3), flat(9), flat(1), scene}, 7, flat(beginGrey)},
	}
	for name, tt := range tests {
		turn := turn{sign: s}
		for i, p := range tt.before {
			if turn.take(p) {
				t.Fatalf("%s: over after picture %d", name, i)
			}
		}
		for i, g := range s {
			if over := turn.take(flat(int(g))); over != (i == len(s)-1) {
				t.Fatalf("%s: over %v after grey %d of the sign", name, over, i)
			}
		}
		if turn.pictures != tt.pictures || tt.picture != nil && turn.picture != *tt.picture {
			t.Errorf("%s: %d pictures, want %d; the first is right: %v", name, turn.pictures, tt.pictures, tt.picture == nil || turn.picture == *tt.picture)
		}
	}
}

// TestEachGetsItsOwn: cameras of many sizes and codecs, with pictures that need
// no other and with those whose parameter sets speak of reordering, all at once.
func TestEachGetsItsOwn(t *testing.T) {
	d := run(t, Options{FFmpeg: ffmpeg(t), Deadline: 20 * time.Second})
	sizes := []string{"640x360", "1920x1080", "352x288", "1280x720", "80x48", "2560x1440", "704x576", "320x176"}
	var wg sync.WaitGroup
	for n, size := range sizes {
		for _, codec := range []Codec{H264, H265, JPEG} {
			var more []string
			switch {
			case codec == H264 && n%2 == 0:
				more = []string{"-bf", "3", "-x264-params", "b-pyramid=normal:ref=4"}
			case codec == H265 && n%2 == 0:
				more = []string{"-x265-params", "log-level=none:bframes=4:b-pyramid=1"}
			}
			unit := keyframe(t, codec, grid(n, size), more...)
			camera := fmt.Sprintf("%s-%d", codec, n)
			wg.Go(func() {
				for range 4 {
					a, err := look(t, d, Keyframe{Camera: camera, Codec: codec, Unit: unit})
					if err != nil || a.Errors > 0 {
						t.Errorf("%s %s: %v, %d errors: %s", camera, size, err, a.Errors, a.Detail)
					} else if got := which(&a.Picture); got != n {
						t.Errorf("%s got the picture of camera %d", camera, got)
					}
				}
			})
		}
	}
	wg.Wait()
}

// garbage is what hostile or broken cameras send.
func garbage(t testing.TB, codec Codec) map[string][]byte {
	good := keyframe(t, codec, grid(7, "640x360"))
	head := keyframe(t, codec, grid(6, "640x360"))
	other := keyframe(t, codec, grid(7, "1280x720"))
	noise := make([]byte, 60_000)
	x := uint32(1)
	for i := range noise {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	broken := slices.Clone(good)
	for i := len(broken) / 3; i < len(broken); i += 37 {
		broken[i] ^= 0x5a
	}
	s := syntaxes[codec]
	m := s.markers()
	var signs []byte
	for g := range greys {
		signs = append(signs, m[g]...)
	}
	return map[string][]byte{
		"noise":                  noise,
		"zeros":                  make([]byte, 50_000),
		"start codes":            bytes.Repeat(startCode, 5000),
		"two pictures":           append(slices.Clone(good), other...),
		"cut short":              good[:len(good)/2],
		"bits flipped":           broken,
		"only parameters":        head[:min(60, len(head))],
		"all our greys":          signs,
		"noise behind a picture": append(slices.Clone(good), noise...),
		"a begun unit":           append(append(slices.Clone(good), startCode...), good[4]),
		"delimiters":             bytes.Repeat(s.delimiter, 2000),
		"many pictures":          bytes.Repeat(good, 40),
		"greys, then a picture":  append(slices.Clone(m[beginGrey]), good...),
	}
}

// TestGarbageSpoilsNobody: between the turns of a camera that sends every sort
// of garbage, the others get their own pictures, or none; and each of them
// gets its own in the end.
func TestGarbageSpoilsNobody(t *testing.T) {
	for _, codec := range []Codec{H264, H265} {
		t.Run(string(codec), func(t *testing.T) {
			t.Parallel()
			d := run(t, Options{FFmpeg: ffmpeg(t), Deadline: 8 * time.Second})
			for name, bad := range garbage(t, codec) {
				for round := range 2 {
					camera := fmt.Sprintf("%s %d", name, round) // a new name: nobody waits in quarantine
					a, err := look(t, d, Keyframe{Camera: camera, Codec: codec, Unit: bad})
					t.Logf("%s: error %v, %d complaints", name, err, a.Errors)
					if w := which(&a.Picture); err == nil && w >= 0 && w != 7 {
						t.Errorf("%s got the picture of camera %d", name, w)
					}
					n := 1 + round*2
					good, err := look(t, d, Keyframe{Camera: "good", Codec: codec, Unit: keyframe(t, codec, grid(n, "640x360"))})
					if err != nil || good.Errors > 0 {
						t.Errorf("after %s: %v, %d errors: %s", name, err, good.Errors, good.Detail)
					} else if got := which(&good.Picture); got != n {
						t.Errorf("after %s the good camera got picture %d, want %d", name, got, n)
					}
				}
			}
		})
	}
}

// process is the pid of the running child.
func process(t *testing.T) int {
	t.Helper()
	self := strconv.Itoa(os.Getpid())
	for _, file := range globs(t, "/proc/[0-9]*/stat") {
		text, _ := os.ReadFile(file)
		_, rest, ok := strings.Cut(string(text), "(ffmpeg) ")
		if f := strings.Fields(rest); ok && len(f) > 2 && f[1] == self && f[0] != "Z" && strings.Contains(cmdline(file), "rawvideo") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("no ffmpeg of ours runs")
	return 0
}

func cmdline(stat string) string {
	text, _ := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
	return string(text)
}

func globs(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestChildFails: the process is stopped, or killed, between two turns; who
// comes next waits, and then gets a picture of a new one.
func TestChildFails(t *testing.T) {
	d := run(t, Options{FFmpeg: ffmpeg(t), Deadline: 8 * time.Second})
	for name, sig := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGSTOP} {
		good := Keyframe{Camera: "good " + name, Codec: H264, Unit: keyframe(t, H264, grid(2, "640x360"))}
		if _, err := look(t, d, good); err != nil {
			t.Fatal(err)
		}
		pid := process(t)
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
		first := good
		first.Camera = "unlucky " + name
		began := time.Now()
		_, err := d.Look(t.Context(), first)
		broke, hung := errors.AsType[*BrokeError](err)
		if hung != (name == "stopped") && err != nil {
			if _, down := errors.AsType[*DownError](err); !down && !hung {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if hung && broke.Times != 1 {
			t.Errorf("%s: %d times, want 1", name, broke.Times)
		}
		if took := time.Since(began); took > patience {
			t.Errorf("%s: it took %v", name, took)
		}
		a, err := look(t, d, good)
		if err != nil || which(&a.Picture) != 2 {
			t.Errorf("%s: then error %v, picture %d, want 2", name, err, which(&a.Picture))
		}
		if now := process(t); now == pid {
			t.Errorf("%s: process %d still serves", name, pid)
		}
		if hung {
			if _, err := d.Look(t.Context(), first); !errorsIs[*QuarantineError](err) {
				t.Errorf("%s: who broke it gets %v, want quarantine", name, err)
			}
		}
	}
}

func errorsIs[E error](err error) bool { _, ok := errors.AsType[E](err); return ok }

// TestChildIsConfined: less priority, little memory, no file, and it is the
// first to go when memory ends.
func TestChildIsConfined(t *testing.T) {
	d := run(t, Options{FFmpeg: ffmpeg(t), Deadline: 20 * time.Second})
	if _, err := look(t, d, Keyframe{Camera: "a", Codec: H264, Unit: keyframe(t, H264, grid(2, "640x360"))}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("/proc", strconv.Itoa(process(t)))
	limits, err := os.ReadFile(filepath.Join(dir, "limits"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Max data size", "Max address space", "Max file size", "Max core file size"} {
		_, rest, _ := strings.Cut(string(limits), name)
		if f := strings.Fields(rest); len(f) == 0 || f[0] == "unlimited" {
			t.Errorf("%s is not limited", name)
		}
	}
	for _, task := range globs(t, filepath.Join(dir, "task/*/stat")) {
		text, _ := os.ReadFile(task)
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) < 17 || f[16] != strconv.Itoa(niceness) {
			t.Errorf("thread %s has nice %v, want %d", task, f, niceness)
		}
	}
	if score, _ := os.ReadFile(filepath.Join(dir, "oom_score_adj")); strings.TrimSpace(string(score)) != "900" {
		t.Errorf("oom_score_adj %s, want 900", score)
	}
}

// TestMemoryLimit: a picture that needs more than is allowed is refused or ends
// the process, and the next camera is served.
func TestMemoryLimit(t *testing.T) {
	huge := keyframe(t, H264, "color=c=0x505050:s=7680x4320")
	d := run(t, Options{FFmpeg: ffmpeg(t), Deadline: 20 * time.Second, Memory: 24 << 20})
	if a, err := look(t, d, Keyframe{Camera: "huge", Codec: H264, Unit: huge, Width: 7680, Height: 4320}); err == nil {
		t.Errorf("24 MiB were enough for 7680x4320: %d errors", a.Errors)
	} else {
		t.Log(err)
	}
	a, err := look(t, d, Keyframe{Camera: "good", Codec: H264, Unit: keyframe(t, H264, grid(2, "640x360"))})
	if err != nil || which(&a.Picture) != 2 {
		t.Errorf("error %v, picture %d, want 2", err, which(&a.Picture))
	}
	if _, err := d.Look(t.Context(), Keyframe{Camera: "bomb", Codec: H264, Unit: []byte{0}, Width: 16384, Height: 16384}); !errorsIs[*RefusedError](err) {
		t.Errorf("a bomb of a parameter set: %v, want refused", err)
	}
}

// TestDiesWithUs: a parent that is killed leaves no ffmpeg.
func TestDiesWithUs(t *testing.T) {
	if os.Getenv("KENTONGAN_DECODER_PARENT") != "" {
		d := New(Options{FFmpeg: Find(), Log: slog.New(slog.DiscardHandler), Deadline: 20 * time.Second})
		go func() { _ = d.Run(context.Background()) }()
		if _, err := look(t, d, Keyframe{Camera: "a", Codec: H264, Unit: keyframe(t, H264, grid(2, "640x360"))}); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("child %d\n", process(t))
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiesWithUs$")
	cmd.Env = append(os.Environ(), "KENTONGAN_DECODER_PARENT=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	_, err = fmt.Fscanf(out, "child %d\n", &pid)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		t.Fatalf("the parent said no pid: %v", err)
	}
	for late := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if _, rest, _ := strings.Cut(string(text), ") "); err != nil || strings.HasPrefix(rest, "Z") {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("process %d lives on", pid)
		}
	}
}

// TestNoSuchProgram: no ffmpeg, one that is none, one that says nothing.
func TestNoSuchProgram(t *testing.T) {
	key := Keyframe{Camera: "a", Codec: H264, Unit: []byte{0, 0, 1, 0x65, 1}}
	if _, err := run(t, Options{}).Look(t.Context(), key); !errors.Is(err, ErrNoFFmpeg) {
		t.Errorf("without: %v, want %v", err, ErrNoFFmpeg)
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "ffmpeg")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho 'out of order' >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, program := range map[string]string{"none": filepath.Join(dir, "none"), "ends at once": script} {
		d := run(t, Options{FFmpeg: program})
		began := time.Now()
		for range 50 {
			_, err := d.Look(t.Context(), key)
			if !errorsIs[*DownError](err) {
				t.Fatalf("%s: %v, want down", name, err)
			}
			if program == script && !strings.Contains(err.Error(), "out of order") {
				t.Errorf("%s: %q does not say why", name, err)
			}
		}
		if took := time.Since(began); took > patience {
			t.Errorf("%s: 50 looks took %v", name, took)
		}
	}
}

// TestEndsWhileItStarts: a decoder that is slow to start does not keep the agent
// from ending.
func TestEndsWhileItStarts(t *testing.T) {
	script := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nmkdir \"$0.started\"\nexec sleep 600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := New(Options{FFmpeg: script, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan struct{})
	go func() { defer close(over); _ = d.Run(ctx) }()
	go func() {
		for ctx.Err() == nil { // a busy machine may fail to start it
			_, _ = d.Look(ctx, Keyframe{Camera: "a", Codec: H264, Unit: []byte{0, 0, 1, 0x65, 1}})
			time.Sleep(10 * time.Millisecond)
		}
	}()
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(script + ".started"); err == nil {
			break
		}
		if time.Now().After(late) {
			t.Fatal("the decoder is not started")
		}
	}
	cancel()
	select {
	case <-over:
	case <-time.After(startDeadline * 2 / 3):
		t.Error("Run waits for the start of its decoder")
	}
}

func TestPause(t *testing.T) {
	for times, want := range map[int]time.Duration{0: time.Second, 1: time.Second, 2: 2 * time.Second, 6: 32 * time.Second, 7: time.Minute, 100: time.Minute} {
		if got := pause(firstPause, times, lastPause); got != want {
			t.Errorf("after %d: %v, want %v", times, got, want)
		}
	}
}

// TestFair: 64 cameras that ask as often as they can take turns, and the decoder
// rests half of the time.
func TestFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, cameras, rounds = 10 * time.Millisecond, 64, 5
		asks := make(chan *ask)
		ctx, cancel := context.WithCancel(t.Context())
		var order []string
		began := time.Now()
		go serve(ctx, asks, func() {}, func(_ context.Context, k Keyframe) (Answer, error) {
			time.Sleep(each)
			order = append(order, k.Camera)
			return Answer{}, nil
		})
		var wg sync.WaitGroup
		for n := range cameras {
			wg.Go(func() {
				for range rounds {
					a := &ask{key: Keyframe{Camera: strconv.Itoa(n)}, reply: make(chan reply, 1)}
					asks <- a
					<-a.reply
				}
			})
		}
		wg.Wait()
		cancel()
		synctest.Wait()
		for i := cameras; i < len(order); i++ {
			if order[i] != order[i-cameras] {
				t.Fatalf("turn %d is camera %s's, want %s's: %v", i, order[i], order[i-cameras], order)
			}
		}
		if took := time.Since(began); took < (2*cameras*rounds-1)*each {
			t.Errorf("%d turns of %v took %v, want as much rest", cameras*rounds, each, took)
		}
	})
}

// TestJPEG: what is decoded, and what is not.
func TestJPEG(t *testing.T) {
	d := run(t, Options{})
	good := keyframe(t, JPEG, grid(3, "1920x1080"))
	a, err := d.Look(t.Context(), Keyframe{Camera: "a", Codec: JPEG, Unit: good})
	if err != nil || which(&a.Picture) != 3 {
		t.Errorf("error %v, picture %d, want 3", err, which(&a.Picture))
	}
	var grey bytes.Buffer
	g := image.NewGray(image.Rect(0, 0, 33, 17))
	for i := range g.Pix {
		g.Pix[i] = 255
	}
	if err := jpeg.Encode(&grey, g, nil); err != nil {
		t.Fatal(err)
	}
	if a, err := d.Look(t.Context(), Keyframe{Codec: JPEG, Unit: grey.Bytes()}); err != nil || a.Picture[0] != 235 || a.Picture[len(a.Picture)-1] != 128 {
		t.Errorf("white in grey: error %v, luma %d, chroma %d, want 235 and 128", err, a.Picture[0], a.Picture[len(a.Picture)-1])
	}
	bomb := slices.Clone(grey.Bytes())
	sof := bytes.Index(bomb, []byte{0xff, 0xc0})
	copy(bomb[sof+5:], []byte{0xff, 0xff, 0xff, 0xff})
	slow := slices.Clone(good)
	slow[bytes.Index(slow, []byte{0xff, 0xc0})+1] = 0xc2
	slowed := slices.Clone(slow)
	copy(slowed[bytes.Index(slowed, []byte{0xff, 0xc2})+5:], []byte{0x08, 0, 0x10, 0})
	for name, data := range map[string][]byte{"a bomb": bomb, "a progressive bomb": slowed, "cut short": good[:len(good)/2], "no JPEG": []byte("GIF89a"), "nothing": nil} {
		if _, err := d.Look(t.Context(), Keyframe{Codec: JPEG, Unit: data}); !errorsIs[*RefusedError](err) {
			t.Errorf("%s: %v, want refused", name, err)
		} else {
			t.Log(name, err)
		}
	}
}

// FuzzJPEG: any bytes are decoded or refused, within the bounds.
func FuzzJPEG(f *testing.F) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewYCbCr(image.Rect(0, 0, 24, 16), image.YCbCrSubsampleRatio422), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{0xff, 0xd8, 0xff, 0xc2, 0, 11, 8, 1, 0, 1, 0, 1, 1, 0x11, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := DecodeJPEG(data)
		if err != nil {
			if !errorsIs[*RefusedError](err) {
				t.Errorf("error %v, want refused", err)
			}
			return
		}
		if n := img.Rect.Dx() * img.Rect.Dy(); n > maxJPEGPixels || progressive(data) && n > maxProgressive {
			t.Errorf("%v decoded", img.Rect)
		}
		shrink(img)
	})
}

// TestStill: the picture of a snapshot has the right size and is the right one.
func TestStill(t *testing.T) {
	d := run(t, Options{FFmpeg: ffmpeg(t)})
	for _, codec := range []Codec{H264, H265, JPEG} {
		img, err := d.Still(t.Context(), Keyframe{Camera: "a", Codec: codec, Unit: keyframe(t, codec, grid(5, "1280x720"))}, 640, 360)
		if err != nil {
			t.Fatalf("%s: %v", codec, err)
		}
		if img.Rect.Dx() != 640 || img.Rect.Dy() != 360 {
			t.Errorf("%s: %v, want 640x360", codec, img.Rect)
		}
		if p := shrink(img); which(&p) != 5 {
			t.Errorf("%s: it is picture %d, want 5", codec, which(&p))
		}
		if _, err := d.Still(t.Context(), Keyframe{Camera: "a", Codec: codec, Unit: bytes.Repeat([]byte{0, 0, 1, 9}, 100)}, 640, 360); !errorsIs[*RefusedError](err) {
			t.Errorf("%s: garbage gave %v, want refused", codec, err)
		}
	}
}

// TestTidy: a complaint is one line without addresses.
// TestStillsTakeTurns: snapshots of several cameras that send JPEG are not
// decoded side by side, or their memory would add up.
func TestStillsTakeTurns(t *testing.T) {
	d := New(Options{Log: slog.New(slog.DiscardHandler)})
	d.stills <- struct{}{} // another is decoded
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Still(ctx, Keyframe{Codec: JPEG, Unit: []byte("no JPEG")}, 2, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that it waits for its turn", err)
	}
}

func TestTidy(t *testing.T) {
	if got, want := tidy("[h264 @ 0x55bcbf1ace40] no frame!\nError \xff\n"), "h264: no frame!; Error ?;"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPanicInJPEG: a file that makes the library panic is garbage, and no end of
// the agent.
func TestPanicInJPEG(t *testing.T) {
	var file bytes.Buffer
	if err := jpeg.Encode(&file, image.NewGray(image.Rect(0, 0, 16, 16)), nil); err != nil {
		t.Fatal(err)
	}
	defer func() { decodeJPEG = jpeg.Decode }()
	decodeJPEG = func(io.Reader) (image.Image, error) { panic("index out of range") }
	if img, err := DecodeJPEG(file.Bytes()); img != nil || !errors.As(err, new(*RefusedError)) {
		t.Errorf("%v, %v", img, err)
	}
}

// TestQuarantineIsNotShaken: a camera that sends a good picture after each that
// breaks the decoder waits as long as one that does not; it is forgiven once it
// was good for long.
func TestQuarantineIsNotShaken(t *testing.T) {
	f := newFamily(H264, Options{Log: slog.New(slog.DiscardHandler)})
	at, broken := time.Unix(0, 0), 0
	for end := at.Add(24 * time.Hour); at.Before(end); at = at.Add(5 * time.Second) {
		at = f.struck("evil", at).Until
		f.forgive("evil", at)
		broken++
	}
	if broken > 55 {
		t.Errorf("it broke the decoder %d times in a day, want one time in half an hour", broken)
	}
	if f.forgive("evil", at.Add(lastQuarantine)); len(f.strike) != 0 {
		t.Error("it is never forgiven")
	}
}
