package uplink

import (
	"slices"
	"sort"

	"kentongan/agent/report"
)

// ranges is a set of sequence numbers: sorted, disjoint, not touching.
type ranges []report.Range

// add puts from to to into the set.
func (r *ranges) add(from, to uint64) {
	s := *r
	i := sort.Search(len(s), func(i int) bool { return s[i].To+1 >= from })
	j := i
	for j < len(s) && s[j].From <= to+1 {
		from, to = min(from, s[j].From), max(to, s[j].To)
		j++
	}
	*r = slices.Replace(s, i, j, report.Range{From: from, To: to})
}

// remove takes from to to out of the set.
func (r *ranges) remove(from, to uint64) {
	s := *r
	i := sort.Search(len(s), func(i int) bool { return s[i].To >= from })
	j := i
	var rest []report.Range
	for j < len(s) && s[j].From <= to {
		if s[j].From < from {
			rest = append(rest, report.Range{From: s[j].From, To: from - 1})
		}
		if s[j].To > to {
			rest = append(rest, report.Range{From: to + 1, To: s[j].To})
		}
		j++
	}
	*r = slices.Replace(s, i, j, rest...)
}

// without takes all of o out of the set.
func (r *ranges) without(o ranges) {
	for _, x := range o {
		r.remove(x.From, x.To)
	}
}

// below forgets every number under seq.
func (r *ranges) below(seq uint64) {
	if seq > 0 && len(*r) > 0 && (*r)[0].From < seq {
		r.remove(0, seq-1)
	}
}

// free returns the first number from seq on that is not in the set, and the
// last number of that gap; end, which is excluded, bounds both. ok is false
// when all are taken.
func (r ranges) free(seq, end uint64) (from, to uint64, ok bool) {
	i := sort.Search(len(r), func(i int) bool { return r[i].To >= seq })
	if i < len(r) && r[i].From <= seq {
		seq = r[i].To + 1
		i++
	}
	if seq >= end {
		return 0, 0, false
	}
	to = end - 1
	if i < len(r) && r[i].From <= to {
		to = r[i].From - 1
	}
	return seq, to, true
}

// meets tells whether any of from to to is in the set.
func (r ranges) meets(from, to uint64) bool {
	i := sort.Search(len(r), func(i int) bool { return r[i].To >= from })
	return i < len(r) && r[i].From <= to
}
