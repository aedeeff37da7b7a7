package console

import (
	"context"
	"net/http"

	"kentongan/cmd/kentongan-centre/internal/audit"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Auditor is who reads everything again; *audit.Auditor is one.
type Auditor interface {
	Proofs(context.Context, *store.View) ([]audit.Device, error)
	Status() audit.Status
}

// proofRow is what was found of a device.
type proofRow struct{ audit.Device }

// Records are those that were read.
func (p proofRow) Records() (n uint64) {
	for _, l := range p.Lanes {
		n += l.Records
	}
	return n
}

// Signed are those that the device has signed for.
func (p proofRow) Signed() (n uint64) {
	for _, l := range p.Lanes {
		n += l.SignedTo
	}
	return n
}

// Verdict is green, red, or that nothing is signed.
func (p proofRow) Verdict() string {
	switch {
	case !p.OK():
		return "red"
	case p.Signed() == 0:
		return "unsigned"
	}
	return "green"
}

// proofs is the part of the page of proof that the auditor knows.
type proofs struct {
	Rows   []proofRow
	All    int
	Status audit.Status
	Known  bool // there is an auditor
	Whole  bool // who looks may know of the database as a whole
}

func (c *Console) proofs(r *http.Request) (p proofs, err error) {
	if c.cfg.Auditor == nil {
		return p, nil
	}
	list, err := c.cfg.Auditor.Proofs(r.Context(), c.view(r))
	if err != nil {
		return p, err
	}
	p.Known, p.All, p.Whole = true, len(list), c.view(r).Scope().All()
	if p.Whole {
		p.Status = c.cfg.Auditor.Status()
	}
	for _, d := range list[:min(len(list), maxRows)] {
		p.Rows = append(p.Rows, proofRow{d})
	}
	return p, nil
}

// apiProofs is what was found of each device, those that don't fit first.
func (c *Console) apiProofs(w http.ResponseWriter, r *http.Request) {
	if c.cfg.Auditor == nil {
		refuse(w, http.StatusNotFound, "nobody reads the records again at this centre")
		return
	}
	list, err := c.cfg.Auditor.Proofs(r.Context(), c.view(r))
	c.answer(w, "proofs", list, err)
}
