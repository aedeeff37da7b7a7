package audit

import (
	"context"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// shownPage holds presses against what the pages of the centre show of them,
// which stands in another table.
type shownPage struct {
	after, to uint64 // numbers behind after, up to to
	presses   []report.Record
}

func (p *shownPage) add(r report.Record) {
	if r.Kind == report.KindPress {
		p.presses = append(p.presses, r)
	}
}

// differs returns the first complaint that is not as its record; nil for none. A
// press that came again in a new epoch is shown once, by its ticket.
func (p *shownPage) differs(ctx context.Context, v *store.View, e *evidence) (*Finding, error) {
	rows, err := v.AuditComplaints(ctx, e.row.ID, p.after, p.to)
	if err != nil {
		return nil, err
	}
	at := make(map[uint64]store.AuditComplaint, len(rows))
	for _, c := range rows {
		at[c.Seq] = c
	}
	for _, r := range p.presses {
		want, readable := store.ComplaintOf(r)
		have, ok := at[r.Seq]
		delete(at, r.Seq)
		switch {
		case !readable:
		case !ok:
			if known, err := v.HasTicket(ctx, e.row.Device, want.Ticket); known || err != nil {
				if err != nil {
					return nil, err
				}
				continue
			}
			f := e.name().finding(Complaint, r.Seq, "the press of ticket %s is not among the complaints", want.Ticket)
			return &f, nil
		case have != want:
			f := e.name().finding(Complaint, r.Seq, "the record says %+v; shown is %+v", want, have)
			return &f, nil
		}
	}
	for _, c := range rows {
		if _, left := at[c.Seq]; left {
			f := e.name().finding(Complaint, c.Seq, "ticket %s is among the complaints, and there is no press that made it", c.Ticket)
			return &f, nil
		}
	}
	return nil, nil
}
