package console

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// sparkSpan is the time that a sparkline shows, and sparkGap the silence after
// which its line is broken: measurements come every 10 s.
const (
	sparkSpan = time.Hour
	sparkGap  = 90 * time.Second
)

// spark is a small drawing of how a stream was in the last hour.
type spark struct {
	Points []store.StreamPoint
	Now    time.Time
	Rate   bool // the bit rate, not the frames
}

const sparkWidth, sparkHeight = 160.0, 28.0

func (s spark) value(p store.StreamPoint) float64 {
	if s.Rate {
		return float64(p.Bits)
	}
	return p.FPS
}

// Top is the highest value, where the drawing ends above.
func (s spark) Top() (top float64) {
	for _, p := range s.Points {
		top = max(top, s.value(p))
	}
	return top
}

// Low is the lowest value.
func (s spark) Low() float64 {
	low := s.Top()
	for _, p := range s.Points {
		low = min(low, s.value(p))
	}
	return low
}

// Top64 and Low64 are the bounds of a bit rate.
func (s spark) Top64() int64 { return int64(s.Top()) }

// Low64 is the lowest bit rate.
func (s spark) Low64() int64 { return int64(s.Low()) }

// Path is the line: from an hour ago at the left to now at the right, from
// nothing below to the highest value above. Of points that fall on one place the
// lowest is drawn, so that a short fall is not smoothed away.
func (s spark) Path() template.HTMLAttr {
	top := s.Top()
	if top == 0 {
		top = 1
	}
	var out strings.Builder
	column, low := -1, 0.0
	var last time.Time
	broken := true
	flush := func() {
		if column < 0 {
			return
		}
		fmt.Fprintf(&out, "%c%d %.1f", "LM"[b2i(broken)], column, sparkHeight-1-low/top*(sparkHeight-2))
		broken = false
	}
	for _, p := range s.Points {
		age := s.Now.Sub(p.At)
		if age < 0 || age > sparkSpan {
			continue
		}
		at := int(sparkWidth * (1 - age.Seconds()/sparkSpan.Seconds()))
		gap := !last.IsZero() && p.At.Sub(last) > sparkGap
		if at != column || gap {
			flush()
			broken = broken || gap
			column, low = at, s.value(p)
		}
		low, last = min(low, s.value(p)), p.At
	}
	flush()
	return template.HTMLAttr(`d="` + out.String() + `"`) // figures only
}
