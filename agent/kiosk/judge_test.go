package kiosk

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"kentongan/hal"
)

func TestJudge(t *testing.T) {
	const ms = time.Millisecond
	edge := func(at time.Duration, active bool) hal.Edge { return hal.Edge{At: at, Active: active} }
	tests := map[string]struct {
		quiet, hold time.Duration
		begin       bool
		edges       []hal.Edge
		want        []string
	}{
		"clean":              {20 * ms, 0, false, []hal.Edge{edge(0, true), edge(100*ms, false)}, []string{"0s press 0s", "100ms release 100ms"}},
		"contact bounces":    {20 * ms, 0, false, []hal.Edge{edge(0, true), edge(1*ms, false), edge(2*ms, true), edge(90*ms, false)}, []string{"0s bounce 0s", "1ms bounce 0s", "2ms press 0s", "90ms release 88ms"}},
		"bounces on release": {20 * ms, 0, true, []hal.Edge{edge(90*ms, false), edge(91*ms, true), edge(92*ms, false)}, []string{"90ms bounce 0s", "91ms bounce 0s", "92ms release 92ms"}},
		"noise":              {20 * ms, 0, false, []hal.Edge{edge(0, true), edge(1*ms, false)}, []string{"0s bounce 0s", "1ms bounce 0s"}},
		"let go too soon":    {20 * ms, 300 * ms, false, []hal.Edge{edge(0, true), edge(200*ms, false)}, []string{"0s press 0s", "200ms too_short 200ms"}},
		"no debouncing":      {0, 0, false, []hal.Edge{edge(0, true), edge(1*ms, false)}, []string{"0s press 0s", "1ms release 1ms"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			j := Judge{Quiet: tt.quiet, Hold: tt.hold}
			j.Begin(tt.begin, 0)
			var got []string
			say := func(v Judged, ok bool) {
				if ok {
					got = append(got, fmt.Sprintf("%v %s %v", v.At, v.Verdict, v.Held))
				}
			}
			for _, e := range tt.edges {
				say(j.Edge(e))
			}
			say(j.Settle())
			say(j.Settle()) // nothing is left
			if !slices.Equal(got, tt.want) {
				t.Errorf("verdicts %q, want %q", got, tt.want)
			}
		})
	}
}
