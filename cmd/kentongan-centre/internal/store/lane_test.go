package store

import (
	"slices"
	"testing"

	"kentongan/agent/report"
)

func TestLaneArithmetic(t *testing.T) {
	type r = report.Range
	rec := func(seqs ...uint64) func(*lane) {
		return func(l *lane) {
			for _, s := range seqs {
				l.take(s)
			}
		}
	}
	head := func(first, next uint64) func(*lane) {
		return func(l *lane) { l.head(report.Head{First: first, Next: next}) }
	}
	gap := func(from, to uint64) func(*lane) { return func(l *lane) { l.explain(r{From: from, To: to}) } }
	tests := map[string]struct {
		steps          []func(*lane)
		thru           uint64
		holes, want    []r
		missing, waits uint64
	}{
		"nothing":                      {nil, 0, nil, nil, 0, 0},
		"only a head":                  {[]func(*lane){head(1, 4)}, 0, nil, nil, 0, 3},
		"in order":                     {[]func(*lane){rec(1, 2, 3), head(1, 4)}, 3, nil, nil, 0, 0},
		"backwards":                    {[]func(*lane){rec(3, 2, 1), head(1, 4)}, 3, nil, nil, 0, 0},
		"hole that the device has":     {[]func(*lane){rec(1, 2, 5), head(1, 6)}, 2, []r{{From: 3, To: 4}}, []r{{From: 3, To: 4}}, 0, 2},
		"hole half let go":             {[]func(*lane){rec(1, 2, 6), head(4, 7)}, 2, []r{{From: 3, To: 5}}, []r{{From: 4, To: 5}}, 1, 2},
		"hole let go":                  {[]func(*lane){rec(1, 2, 5), head(6, 7)}, 5, []r{{From: 3, To: 4}}, nil, 2, 1},
		"late record closes it":        {[]func(*lane){rec(1, 2, 5), head(6, 7), rec(4, 3)}, 5, nil, nil, 0, 1},
		"gap explains it":              {[]func(*lane){rec(1, 5), head(1, 6), gap(2, 4)}, 5, nil, nil, 0, 0},
		"gap wider than the hole":      {[]func(*lane){rec(1, 3, 6), head(1, 7), gap(1, 5)}, 6, nil, nil, 0, 0},
		"gap in the middle":            {[]func(*lane){rec(1, 9), head(1, 10), gap(4, 5)}, 1, []r{{From: 2, To: 3}, {From: 6, To: 8}}, []r{{From: 2, To: 3}, {From: 6, To: 8}}, 0, 5},
		"gap ahead of the records":     {[]func(*lane){rec(1), head(1, 2), gap(4, 6)}, 1, []r{{From: 2, To: 3}}, []r{{From: 2, To: 3}}, 0, 2},
		"gap at the end":               {[]func(*lane){rec(1), gap(2, 3), head(1, 5)}, 3, nil, nil, 0, 1},
		"record within a gap":          {[]func(*lane){rec(1), gap(2, 4), rec(3), head(1, 5)}, 4, nil, nil, 0, 0},
		"centre begins in the middle":  {[]func(*lane){head(501, 503), rec(501, 502)}, 502, []r{{From: 1, To: 500}}, nil, 500, 0},
		"old head comes late":          {[]func(*lane){rec(1, 2, 3), head(3, 4), head(1, 2)}, 3, nil, nil, 0, 0},
		"two holes, the first let go":  {[]func(*lane){rec(1, 4, 7), head(4, 8)}, 4, []r{{From: 2, To: 3}, {From: 5, To: 6}}, []r{{From: 5, To: 6}}, 2, 2},
		"head ahead joins older holes": {[]func(*lane){rec(1, 3), head(6, 8)}, 3, []r{{From: 2, To: 2}, {From: 4, To: 5}}, nil, 3, 2},
		"only a head that let go":      {[]func(*lane){head(101, 101)}, 0, []r{{From: 1, To: 100}}, nil, 100, 0},
		"let go beyond what is held":   {[]func(*lane){rec(1, 2), head(5, 5)}, 2, []r{{From: 3, To: 4}}, nil, 2, 0},
		"late record after a big head": {[]func(*lane){head(1000, 1000), rec(1, 2)}, 2, []r{{From: 3, To: 999}}, nil, 997, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := &lane{first: 1, next: 1}
			for _, step := range tt.steps {
				step(l)
			}
			if got := l.thru(); got != tt.thru {
				t.Errorf("thru %d, want %d", got, tt.thru)
			}
			if !slices.Equal(l.holes, tt.holes) {
				t.Errorf("holes %v, want %v", l.holes, tt.holes)
			}
			if got := l.want(); !slices.Equal(got, tt.want) {
				t.Errorf("wants %v, want %v", got, tt.want)
			}
			if got := l.missing(); got != tt.missing {
				t.Errorf("missing %d, want %d", got, tt.missing)
			}
			if got := l.next - 1 - l.top + l.holeCount() - l.missing(); got != tt.waits {
				t.Errorf("waiting %d, want %d", got, tt.waits)
			}
		})
	}
}

func TestWantIsBounded(t *testing.T) {
	l := &lane{first: 1, next: 1}
	for seq := uint64(2); seq < 400; seq += 2 {
		l.take(seq)
	}
	if got := len(l.want()); got != report.MaxWant {
		t.Errorf("%d ranges wanted, want %d", got, report.MaxWant)
	}
}

func TestLimitOfHoles(t *testing.T) {
	l := &lane{first: 1, next: 1}
	seq := uint64(2)
	for ; l.canTake(seq) == nil; seq += 2 {
		l.take(seq)
	}
	if len(l.holes) != maxHoles {
		t.Fatalf("%d holes, want %d", len(l.holes), maxHoles)
	}
	if err := l.canTake(l.top + 1); err != nil {
		t.Errorf("the next in order is refused: %v", err)
	}
	if err := l.canTake(1); err != nil {
		t.Errorf("a record that closes a hole is refused: %v", err)
	}
	if err := l.canTake(maxSeq + 1); err == nil {
		t.Error("a number beyond SQLite's is taken")
	}
}

// missing counts the numbers below First that are neither held nor explained.
func (l *lane) missing() uint64 {
	var n uint64
	for _, h := range l.holes {
		if h.From >= l.first {
			break
		}
		n += min(h.To, l.first-1) - h.From + 1
	}
	return n
}

// holeCount counts all numbers in holes.
func (l *lane) holeCount() uint64 {
	var n uint64
	for _, h := range l.holes {
		n += h.Count()
	}
	return n
}
