package console

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"kentongan/cmd/kentongan-centre/internal/store"
)

type gapsPage struct {
	Proofs proofs
	Lanes  []store.Lane
	All    int
	store.Overview
}

// Accounted is how many numbers there are below the newest.
func (g gapsPage) Accounted() uint64 { return g.Records + g.Explained + g.Missing }

func (g gapsPage) Ranges() bool { return anyRanges(g.Lanes) }

func (c *Console) gaps(w http.ResponseWriter, r *http.Request) {
	o, err := c.view(r).Overview(r.Context(), time.Time{})
	if err != nil {
		c.fail(w, r, err)
		return
	}
	lanes, err := c.view(r).Lanes(r.Context(), "")
	if err != nil {
		c.fail(w, r, err)
		return
	}
	found, err := c.proofs(r)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	slices.SortStableFunc(lanes, func(a, b store.Lane) int { return cmp.Compare(severity(a), severity(b)) })
	p := gapsPage{Proofs: found, Lanes: lanes[:min(maxRows, len(lanes))], All: len(lanes), Overview: o}
	c.show(w, r, http.StatusOK, "gaps.html", "gaps", "gaps", p)
}

// severity puts the lanes that break the proof first, then those with an
// explanation or something to come.
func severity(l store.Lane) int {
	switch {
	case l.Missing > 0 || l.Conflicts > 0:
		return 0
	case l.Waiting > 0 || l.Explained > 0:
		return 1
	}
	return 2
}
