package stream

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"

	"kentongan/agent/report"
	"kentongan/agent/stream/decoder"
	"kentongan/agent/stream/streamtest"
)

// lookTime is how long each is measured: three looks of a camera.
const lookTime = 15 * time.Second

// BenchmarkPictures watches n streams of real H.264, 1080p25 at 4 Mbit/s with a
// keyframe every 2 s: from packets alone, and with a look at the picture every
// 5 s. It gives the processor time of this process, server included, and of
// the decoder, as a share of one core per stream. Beside them ffmpeg reads one
// such stream: copying it, and decoding it all.
func BenchmarkPictures(b *testing.B) {
	s, stop := serve1080p(b)
	defer stop()
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprintf("packets/n=%d", n), func(b *testing.B) { benchLooks(b, s.URL(), n, nil) })
		b.Run(fmt.Sprintf("pictures/n=%d", n), func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			e := NewEye(decoder.Find(), slog.New(slog.DiscardHandler))
			var wg sync.WaitGroup
			wg.Go(func() { _ = e.Run(ctx) })
			defer wg.Wait()
			defer cancel()
			benchLooks(b, s.URL(), n, e)
		})
	}
	b.Run("ffmpeg-copy", func(b *testing.B) { benchFFmpeg(b, s.URL(), "-c", "copy") })
	b.Run("ffmpeg-decode", func(b *testing.B) { benchFFmpeg(b, s.URL(), "-threads", "1") })
}

// looks counts what is seen of a stream.
type looks struct {
	quiet
	seen *atomic.Int64
}

func (l *looks) StreamChanged(s report.StreamState) {
	l.quiet.StreamChanged(s)
	if s.Picture != nil && s.Picture.Checked {
		l.seen.Add(1)
	}
}

func benchLooks(b *testing.B, url string, n int, e *Eye) {
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		var plays, wg sync.WaitGroup
		var seen atomic.Int64
		for i := range n {
			plays.Add(1)
			cfg := Config{Name: fmt.Sprintf("s%d", i), URL: url, Picture: PictureConfig{Eye: e, Every: 5 * time.Second}}
			w, err := New(cfg, slog.New(slog.DiscardHandler), &looks{quiet{play: plays.Done}, &seen})
			if err != nil {
				b.Fatal(err)
			}
			wg.Go(func() { _ = w.Run(ctx) })
		}
		plays.Wait()
		<-time.After(8 * time.Second) // the decoder has started, each has looked
		if e != nil && seen.Load() < int64(n) {
			b.Errorf("%d of %d cameras were looked at", seen.Load(), n)
		}
		own, child := cpuTime(), decoders()
		began := time.Now()
		<-time.After(lookTime)
		took := time.Since(began).Seconds() * float64(n) / 100
		b.ReportMetric((cpuTime()-own).Seconds()/took, "%core/stream")
		b.ReportMetric((decoders()-child).Seconds()/took, "%decoder/stream")
		cancel()
		wg.Wait()
	}
}

// decoders is the processor time of the ffmpeg processes of ours that run.
func decoders() (sum time.Duration) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(text), "(ffmpeg) ")
		if f := strings.Fields(rest); len(f) > 13 && f[1] == strconv.Itoa(os.Getpid()) {
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			sum += time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
		}
	}
	return sum
}

func benchFFmpeg(b *testing.B, url string, how ...string) {
	for b.Loop() {
		args := append([]string{"-v", "error", "-rtsp_transport", "tcp", "-i", url, "-t", fmt.Sprint(lookTime.Seconds())}, how...)
		cmd := exec.Command("ffmpeg", append(args, "-f", "null", "-")...)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		b.ReportMetric(100*used.Seconds()/lookTime.Seconds(), "%core/stream")
	}
}

// serve1080p sends two seconds of real video again and again.
func serve1080p(b *testing.B) (s *streamtest.Server, stop func()) {
	stream := encode(b, "-i", "testsrc2=s=1920x1080:r=25", "-frames:v", "50", "-vf", "noise=alls=6:allf=t", "-pix_fmt", "yuv420p",
		"-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M", "-g", "50", "-f", "h264")
	m := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.H264{PayloadTyp: 96, PacketizationMode: 1}}}
	s, err := streamtest.Start(streamtest.Options{Medias: []*description.Media{m}})
	if err != nil {
		b.Fatal(err)
	}
	all := group(H264, units(stream))
	e := rtph264.Encoder{PayloadType: 96, PayloadMaxSize: 1350, PacketizationMode: 1}
	if err := e.Init(); err != nil {
		b.Fatal(err)
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(40 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			list, err := e.Encode(all[n%len(all)])
			for _, p := range list {
				p.Timestamp = uint32(n * 3600)
				if err == nil {
					err = s.WritePacket(m, p)
				}
			}
		}
	})
	b.Logf("%d frames, %d bytes", len(all), len(stream))
	return s, func() { close(quit); wg.Wait(); s.Close() }
}
