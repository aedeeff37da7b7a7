package rollout

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// spread puts devices into the order in which a rollout comes to them. It follows
// from the release's number and the devices' names alone, so it is the same
// whenever it is asked for; the first of any length are of all agencies, by their
// size, and of as many sites of each as can be.
func spread(list []store.Candidate, number uint64) []store.Candidate {
	agencies := map[string][]store.Candidate{}
	for _, c := range list {
		agencies[c.Agency] = append(agencies[c.Agency], c)
	}
	type placed struct {
		store.Candidate
		at   float64 // part of the agency that lies before it
		draw uint64
	}
	var all []placed
	for _, own := range agencies {
		for i, c := range bySite(own, number) {
			all = append(all, placed{c, (float64(i) + 0.5) / float64(len(own)), draw(number, c.Device)})
		}
	}
	slices.SortFunc(all, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.draw, b.draw), cmp.Compare(a.Device, b.Device))
	})
	out := make([]store.Candidate, len(all))
	for i, p := range all {
		out[i] = p.Candidate
	}
	return out
}

// bySite takes one device of each site in turn.
func bySite(list []store.Candidate, number uint64) []store.Candidate {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b store.Candidate) int {
		return cmp.Or(cmp.Compare(draw(number, a.Device), draw(number, b.Device)), cmp.Compare(a.Device, b.Device))
	})
	turns := map[string]int{}
	turn := make(map[string]int, len(list)) // by device
	for _, c := range list {
		turn[c.Device] = turns[c.Site]
		turns[c.Site]++
	}
	slices.SortStableFunc(list, func(a, b store.Candidate) int { return cmp.Compare(turn[a.Device], turn[b.Device]) })
	return list
}

// draw is a number that nobody chose.
func draw(number uint64, name string) uint64 {
	h := sha256.Sum256(fmt.Appendf(nil, "%d %s", number, name))
	return binary.BigEndian.Uint64(h[:])
}

// stageOf says in which stage each of n devices is, from 1, by the cumulative per
// cent of the stages. Each stage has one device at least; where there are fewer
// devices than stages, the last stages fall away.
func stageOf(n int, percent []int) []int {
	out := make([]int, 0, n)
	for i, p := range percent {
		upTo := max((n*p+99)/100, len(out)+1)
		if i == len(percent)-1 {
			upTo = n
		}
		for len(out) < min(upTo, n) {
			out = append(out, i+1)
		}
	}
	return out
}
