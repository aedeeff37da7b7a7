package uplink

import (
	"math/rand/v2"
	"sort"
	"testing"
)

// Against a plain set, on random operations.
func TestRangesAgainstASet(t *testing.T) {
	const top = 60
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var r ranges
		var want [top + 2]bool
		for step := range 60 {
			from := uint64(rng.IntN(top))
			to := from + uint64(rng.IntN(top-int(from)))
			switch rng.IntN(5) {
			case 0, 1:
				r.add(from, to)
				for i := from; i <= to; i++ {
					want[i] = true
				}
			case 2:
				r.remove(from, to)
				for i := from; i <= to; i++ {
					want[i] = false
				}
			case 3:
				r.below(from)
				for i := range from {
					want[i] = false
				}
			}
			compareRanges(t, r, want[:top+1], seed, step)
			gotFrom, gotTo, ok := r.free(from, to)
			wantFrom := from
			for wantFrom < to && want[wantFrom] {
				wantFrom++
			}
			wantTo := wantFrom
			for wantTo+1 < to && !want[wantTo+1] {
				wantTo++
			}
			if wantOK := wantFrom < to; ok != wantOK || ok && (gotFrom != wantFrom || gotTo != wantTo) {
				t.Fatalf("seed %d step %d: free(%d, %d) of %v = %d, %d, %v; want %d, %d, %v", seed, step, from, to, r, gotFrom, gotTo, ok, wantFrom, wantTo, wantOK)
			}
		}
	}
}

func compareRanges(t *testing.T, r ranges, want []bool, seed uint64, step int) {
	t.Helper()
	for i, w := range want {
		if got := r.covers(uint64(i), uint64(i)); got != w {
			t.Fatalf("seed %d step %d: %v: covers(%d) = %v", seed, step, r, i, got)
		}
	}
	for i := 1; i < len(r); i++ {
		if r[i].From <= r[i-1].To+1 {
			t.Fatalf("seed %d step %d: %v: not disjoint or not joined", seed, step, r)
		}
	}
}

// covers tells whether all of from to to is in the set.
func (r ranges) covers(from, to uint64) bool {
	i := sort.Search(len(r), func(i int) bool { return r[i].To >= from })
	return i < len(r) && r[i].From <= from && to <= r[i].To
}
