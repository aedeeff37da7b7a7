package stream

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"kentongan/agent/stream/streamtest"
)

// TestDriftAsSent: sender reports of a clock that is off and drifts, through
// their bytes and over a network with a queue, for 40 minutes of a bubble's
// time. Offset and drift come out as they were put in.
func TestDriftAsSent(t *testing.T) {
	for name, tt := range map[string]struct {
		offset time.Duration
		ppm    float64
		delay  time.Duration // mean of the network's, exponential
		step   time.Duration // after 20 min
	}{
		"a good clock":            {0, 0, 5 * time.Millisecond, 0},
		"a quartz":                {300 * time.Millisecond, 20, 5 * time.Millisecond, 0},
		"a bad one":               {-4 * time.Second, 350, 10 * time.Millisecond, 0},
		"slow, over cellular":     {2 * time.Second, -250, 80 * time.Millisecond, 0},
		"set back while we watch": {0, 100, 10 * time.Millisecond, -90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			draw := rand.New(rand.NewPCG(1, 2))
			start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
			m := newMeter(H264, 90000, start)
			var now time.Time
			var truth time.Duration
			for at := time.Duration(0); at <= 40*time.Minute; at += 5 * time.Second {
				truth = tt.offset + time.Duration(float64(at)*tt.ppm/1e6)
				if at >= 20*time.Minute {
					truth += tt.step
				}
				sent := start.Add(at)
				text, err := (&rtcp.SenderReport{SSRC: 7, NTPTime: ntpOf(sent.Add(truth)), RTPTime: uint32(at.Seconds() * 90000)}).Marshal()
				if err != nil {
					t.Fatal(err)
				}
				packets, err := rtcp.Unmarshal(text)
				if err != nil {
					t.Fatal(err)
				}
				now = sent.Add(time.Duration(draw.ExpFloat64() * float64(tt.delay)))
				m.report(now, now, packets[0])
			}
			got := m.measure(now)
			if off := (got.ClockOffset - truth).Abs(); off > 100*time.Millisecond {
				t.Errorf("offset %v, want %v", got.ClockOffset, truth)
			}
			// The least delay of a minute varies by about a tenth of the mean.
			tolerance := 5 + tt.delay.Seconds()*1e6/10/1200
			if !got.DriftKnown || math.Abs(got.ClockDrift-tt.ppm) > tolerance {
				t.Errorf("drift %.1f ppm (known: %v), want %.0f within %.0f", got.ClockDrift, got.DriftKnown, tt.ppm, tolerance)
			}
			if steps := got.ClockSteps; (steps == 1) != (tt.step != 0) || steps > 1 {
				t.Errorf("%d steps, want one only where the clock was set", steps)
			}
			t.Logf("offset %v of %v, drift %.1f of %.0f ppm", got.ClockOffset.Round(time.Millisecond), truth.Round(time.Millisecond), got.ClockDrift, tt.ppm)
		})
	}
}

// jitterOf is RFC 3550, A.8, written anew: of times at which frames were sent
// that should have been sent every interval.
func jitterOf(sent []time.Duration, interval time.Duration) (j time.Duration) {
	for i := 1; i < len(sent); i++ {
		d := (sent[i] - sent[i-1] - interval).Abs()
		j += (d - j) / 16
	}
	return j
}

// TestJitterAsSent: a sender that holds frames back by random times, as a
// network would, and a clock 3 s ahead, over real sockets. Jitter is measured
// as by the sender's own record, the clock's offset to 100 ms.
func TestJitterAsSent(t *testing.T) {
	for name, most := range map[string]time.Duration{"little": 10 * time.Millisecond, "much": 60 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			// A busy machine adds its own to what the sender did: not each time.
			for tries := 1; ; tries++ {
				got, want, ahead := jitterSent(t, most)
				t.Logf("jitter %v, the sender's own %v; offset %v of %v", got.Jitter.Round(10*time.Microsecond), want.Round(10*time.Microsecond), got.ClockOffset.Round(time.Millisecond), ahead)
				wrongJitter := (got.Jitter - want).Abs() > max(want/3, 4*time.Millisecond)
				wrongOffset := (got.ClockOffset - ahead).Abs() > 100*time.Millisecond
				if !wrongJitter && !wrongOffset {
					return
				}
				if tries < 10 {
					continue
				}
				if wrongJitter {
					t.Errorf("jitter %v, the sender's own record gives %v", got.Jitter, want)
				}
				if wrongOffset {
					t.Errorf("offset %v, the sender's clock was %v ahead", got.ClockOffset, ahead)
				}
				return
			}
		})
	}
}

// jitterSent sends frames, each late by at most that much, with a clock that is
// ahead. It returns what was measured and what the sender's own record gives.
func jitterSent(t *testing.T, most time.Duration) (got Measure, want, ahead time.Duration) {
	t.Helper()
	m := h264Media()
	s, err := streamtest.Start(streamtest.Options{Medias: []*description.Media{m}, NoSenderReports: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const interval, frames = 80 * time.Millisecond, 100
	ahead = 3 * time.Second
	w, _ := watch(t, Config{URL: s.URL(), SilentAfter: time.Minute})
	defer w.stop()
	readers(t, s, 1)
	draw := rand.New(rand.NewPCG(3, 4))
	began := time.Now()
	sent := make([]time.Duration, 0, frames)
	for n := range frames {
		due := time.Duration(n)*interval + time.Duration(draw.Float64()*float64(most))
		<-time.After(due - time.Since(began))
		sent = append(sent, time.Since(began))
		_ = s.WritePacket(m, &rtp.Packet{Header: rtp.Header{
			Version: 2, PayloadType: 96, SequenceNumber: uint16(n), Timestamp: uint32(n) * uint32(interval.Seconds()*90000), SSRC: 7, Marker: true,
		}, Payload: append([]byte{0x65, 0x88}, make([]byte, 500)...)})
		if n%10 == 0 {
			_ = s.WriteReport(m, &rtcp.SenderReport{SSRC: 7, NTPTime: ntpOf(time.Now().Add(ahead)), RTPTime: uint32(n * 7200)})
		}
	}
	got = waitMeasure(t, w, func(m Measure) bool { return m.Frames == frames })
	return got, jitterOf(sent, interval), ahead
}

// readers waits until a server has n readers.
func readers(t *testing.T, s *streamtest.Server, n int) {
	t.Helper()
	late := time.After(patience)
	for {
		changed := s.Changed()
		if s.Readers() >= n {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%d readers within %v, want %d", s.Readers(), patience, n)
		}
	}
}

// TestJitterIsNotTheLibrarys: over UDP the library holds packets back after a
// gap and lets go of all at once. That is no jitter of the network.
func TestJitterIsNotTheLibrarys(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for name, holds := range map[string]bool{"held back": true, "taken as they come": false} {
		m := newMeter(H264, 90000, start)
		m.holds = holds
		now := start
		for n := 0; n < 3000; n++ { // a packet a frame, 25 a second; one in 100 is lost, and 64 come at once
			if n%100 == 50 {
				continue
			}
			now = start.Add(time.Duration(n) * 40 * time.Millisecond)
			if n%100 > 50 && n%100 < 98 {
				now = start.Add(time.Duration(n-n%100+98)*40*time.Millisecond + time.Duration(n%100)*10*time.Microsecond)
			}
			m.packet(now, &rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(n), Timestamp: uint32(n * 3600)}, Payload: []byte{0x41, 0x9a, 0}})
		}
		got := m.measure(now).Jitter
		if holds && got > 5*time.Millisecond {
			t.Errorf("%s: jitter %v, want none", name, got)
		}
		if !holds && got < 10*time.Millisecond {
			t.Errorf("%s: jitter %v; the test does not show the fault", name, got)
		}
	}
}
