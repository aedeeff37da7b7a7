package sensor

import (
	"log/slog"
	"slices"
	"testing"
	"time"
)

func TestHold(t *testing.T) {
	const s = time.Second
	type step struct {
		at    time.Duration
		level bool
	}
	type told struct {
		at      time.Duration
		active  bool
		changes int
	}
	tests := map[string]struct {
		on, off time.Duration
		steps   []step
		want    []told
	}{
		"as it stood at first": {1 * s, 5 * s, []step{{0, false}}, []told{{5 * s, false, 0}}},
		"a door opens":         {1 * s, 5 * s, []step{{0, false}, {60 * s, true}}, []told{{5 * s, false, 0}, {61 * s, true, 0}}},
		"a gust moves it":      {2 * s, 5 * s, []step{{0, false}, {60 * s, true}, {61 * s, false}}, []told{{5 * s, false, 0}}},
		"a loose contact": {2 * s, 2 * s, []step{{0, false}, {60 * s, true}, {61 * s, false}, {62 * s, true}, {63 * s, false}, {64 * s, true}},
			[]told{{2 * s, false, 0}, {66 * s, true, 4}}},
		"motion holds off": {0, 60 * s, []step{{0, true}, {10 * s, false}, {30 * s, true}, {40 * s, false}}, []told{{0, true, 0}, {100 * s, false, 2}}},
		"no hold, and a short circuit": {0, 0, []step{{0, false}, {10 * s, true}, {10*s + 10*time.Millisecond, false}, {10*s + 20*time.Millisecond, true}, {10*s + 30*time.Millisecond, false}},
			[]told{{0, false, 0}, {10 * s, true, 0}, {11 * s, false, 2}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := holder{on: tt.on, off: tt.off}
			var got []told
			steps := tt.steps
			for now := time.Duration(0); now < 200*s; now += 10 * time.Millisecond {
				for len(steps) > 0 && steps[0].at <= now {
					h.see(steps[0].level, steps[0].at)
					steps = steps[1:]
				}
				if c, ok := h.tell(now); ok {
					got = append(got, told{now, c.active, c.changes})
					if c.first != (len(got) == 1) {
						t.Errorf("change %d at %v: first is %v", len(got), now, c.first)
					}
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("told %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Lost edges are told at once, and then once a minute with what came together.
func TestLostEdges(t *testing.T) {
	var now time.Duration
	out := &seen{}
	l := &line{out: out, log: slog.New(slog.DiscardHandler), now: func() time.Duration { return now }}
	for _, step := range []struct {
		at   time.Duration
		lost uint64
	}{{10 * time.Second, 0}, {11 * time.Second, 3}, {12 * time.Second, 10}, {30 * time.Second, 12}, {71 * time.Second, 12}, {200 * time.Second, 12}} {
		now = step.at
		l.countLost(step.lost)
	}
	var counts []uint64
	for _, f := range out.faults {
		counts = append(counts, f.Count)
	}
	if want := []uint64{3, 9}; !slices.Equal(counts, want) || l.st.Lost != 12 {
		t.Errorf("told of %v, want %v; %d in all", counts, want, l.st.Lost)
	}
}
