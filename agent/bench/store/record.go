package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"kentongan/agent/report"
)

// Record is one record in two forms of the same content: Line is finished, as
// the peers get it; Body is what our spool is given, which adds the rest (number,
// hash of the record before, time) itself, so that it stores a line of the same
// size.
type Record struct {
	Line []byte
	Body any
}

// LineBytes is about the size of a finished record in these benchmarks.
const LineBytes = 300

const device = "kiosk-7"

// padded is the body of a complaint: N says which it is, Pad fills the line up
// to LineBytes.
type padded struct {
	N   string `json:"n"` // 8 digits
	Pad string `json:"pad"`
}

// Records makes n records numbered from first, 100 ms apart. Those of the
// telemetry lane are measurements of streams, whose figures change as a camera's
// do, because how well they compress is part of what is measured.
func Records(first, n int, lane report.Lane) ([]Record, error) {
	stamp := stamps()
	recs := make([]Record, n)
	for i := range recs {
		r, err := newRecord(lane, first+i, stamp())
		if err != nil {
			return nil, err
		}
		recs[i] = r
	}
	return recs, nil
}

func newRecord(lane report.Lane, n int, s report.Stamp) (Record, error) {
	if lane == report.Telemetry {
		b := measurement(n)
		line, err := encode(lane, n, s, report.KindStreamStats, b)
		return Record{Line: line, Body: b}, err
	}
	b := padded{N: fmt.Sprintf("%08d", n)}
	bare, err := encode(lane, n, s, report.KindPress, b)
	if err != nil {
		return Record{}, err
	}
	b.Pad = fmt.Sprintf("%0*x", max(1, LineBytes-len(bare)), rand.Uint64())
	line, err := encode(lane, n, s, report.KindPress, b)
	return Record{Line: line, Body: b}, err
}

// measurement is what a watcher says of one of four cameras each window.
func measurement(n int) report.StreamStats {
	return report.StreamStats{
		Name:         [...]string{"gate", "lobby", "parking", "street"}[n%4],
		WindowMS:     9_990 + rand.Int64N(20),
		FPS:          float64(2400+rand.IntN(200)) / 100,
		BitsPerS:     3_500_000 + rand.Int64N(1_000_000),
		Packets:      uint64(n), // tells which it is
		PacketsLost:  uint64(n/1000 + rand.IntN(3)),
		SinceFrameMS: rand.Int64N(45),
	}
}

func encode(lane report.Lane, n int, s report.Stamp, kind string, body any) ([]byte, error) {
	r, err := report.NewRecord(device, lane, 0x0f3a9c1d2e4b5a67, uint64(n), report.HashLine(fmt.Append(nil, n)), s, kind, body)
	if err != nil {
		return nil, err
	}
	return r.Encode()
}

// stamps returns a clock that goes on by about 100 ms at each call, from any
// goroutine, so that a backlog which is made in a second looks like one that
// took its time.
func stamps() func() report.Stamp {
	var mu sync.Mutex
	now, up := time.Now(), 26*time.Hour
	return func() report.Stamp {
		mu.Lock()
		defer mu.Unlock()
		step := 95*time.Millisecond + rand.N(10*time.Millisecond)
		now, up = now.Add(step), up+step
		return report.Stamp{Time: now, Clock: report.ClockSynced, Boot: "0f3a9c1d", Uptime: up}
	}
}
