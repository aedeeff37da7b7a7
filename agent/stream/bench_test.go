package stream

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"kentongan/agent/report"
	"kentongan/agent/stream/streamtest"
)

// quiet is an Output that only tells when the stream plays.
type quiet struct {
	once sync.Once
	play func()
}

func (q *quiet) StreamChanged(s report.StreamState) {
	if s.State == StatePlaying {
		q.once.Do(q.play)
	}
}
func (*quiet) StreamMeasured(report.StreamStats) {}
func (*quiet) StreamFound(string, Finding)       {}

// BenchmarkStreams watches n streams of 1080p25 at 4 Mbit/s (380 packets a
// second) for some seconds, and beside them the library's own client that
// reads and does nothing. It gives the CPU time of the whole process, server
// and kernel included, as a share of one core per stream, and the memory of
// both sides.
func BenchmarkStreams(b *testing.B) {
	for _, n := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("watcher/n=%d", n), func(b *testing.B) { benchStreams(b, n, watchAll) })
		b.Run(fmt.Sprintf("library/n=%d", n), func(b *testing.B) { benchStreams(b, n, readAll) })
	}
}

// benchTime is how long each is measured.
const benchTime = 4 * time.Second

func benchStreams(b *testing.B, n int, start func(b *testing.B, url string, n int) (stop func())) {
	m := h264Media()
	s, err := streamtest.Start(streamtest.Options{Medias: []*description.Media{m}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { feed4Mbit(s, m, quit) })
	defer wg.Wait()
	defer close(quit)
	for b.Loop() {
		before := heap()
		stop := start(b, s.URL(), n)
		mem := heap() - before
		cpu := cpuTime()
		began := time.Now()
		<-time.After(benchTime)
		b.ReportMetric(100*(cpuTime()-cpu).Seconds()/time.Since(began).Seconds()/float64(n), "%core/stream")
		b.ReportMetric(float64(mem)/1024/float64(n), "KiB/stream")
		stop()
	}
}

func watchAll(b *testing.B, url string, n int) func() {
	ctx, cancel := context.WithCancel(context.Background())
	var plays, wg sync.WaitGroup
	for i := range n {
		plays.Add(1)
		w, err := New(Config{Name: fmt.Sprintf("s%d", i), URL: url}, slog.New(slog.DiscardHandler), &quiet{play: plays.Done})
		if err != nil {
			b.Fatal(err)
		}
		wg.Go(func() { _ = w.Run(ctx) })
	}
	plays.Wait()
	return func() { cancel(); wg.Wait() }
}

func readAll(b *testing.B, url string, n int) func() {
	u, err := base.ParseURL(url)
	if err != nil {
		b.Fatal(err)
	}
	var clients []*gortsplib.Client
	for range n {
		tcp := gortsplib.TransportTCP
		c := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Transport: &tcp}
		if err := c.Start2(); err != nil {
			b.Fatal(err)
		}
		desc, _, err := c.Describe(u)
		if err == nil {
			err = c.SetupAll(desc.BaseURL, desc.Medias)
		}
		if err == nil {
			c.OnPacketRTPAny(func(*description.Media, format.Format, *rtp.Packet) {})
			_, err = c.Play(nil)
		}
		if err != nil {
			b.Fatal(err)
		}
		clients = append(clients, c)
	}
	return func() {
		for _, c := range clients {
			c.Close()
		}
	}
}

// feed4Mbit writes 25 frames a second of 15 packets of 1350 bytes.
func feed4Mbit(s *streamtest.Server, m *description.Media, quit <-chan struct{}) {
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	var seq uint16
	for n := 0; ; n++ {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		for i := range 15 {
			nal := make([]byte, 1350)
			nal[0], nal[1] = 0x41, 0x9a
			if n%50 == 0 {
				nal[0] = 0x65
			}
			_ = s.WritePacket(m, &rtp.Packet{Header: rtp.Header{
				Version: 2, PayloadType: 96, SequenceNumber: seq, Timestamp: uint32(n * 3600), SSRC: 7, Marker: i == 14,
			}, Payload: nal})
			seq++
		}
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heap is what is in use with the stacks, after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
