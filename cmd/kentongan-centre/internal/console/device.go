package console

import (
	"net/http"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

type devicePage struct {
	deviceRow
	Cameras    []store.Stream
	Apps       []appRow
	Around     []around
	Lanes      []store.Lane
	Events     []store.Happening
	Complaints []complaint
	History    map[string][]store.StreamPoint
	Orders     []store.Order
	Logs       []pictureView
	May        bool // order what changes nothing
	MayChange  bool // and what does
}

// Ranges tells whether any lane has holes or gaps to show.
func (d devicePage) Ranges() bool { return anyRanges(d.Lanes) }

func anyRanges(lanes []store.Lane) bool {
	for _, l := range lanes {
		if len(l.Holes)+len(l.Gaps) > 0 {
			return true
		}
	}
	return false
}

func (c *Console) device(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	ctx := r.Context()
	var list []store.Device
	var err error
	if report.ValidDevice(id) {
		list, err = c.view(r).Devices(ctx, id)
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if len(list) == 0 {
		c.show(w, r, http.StatusNotFound, "message.html", "devices", "notfound", "nodevice")
		return
	}
	p := devicePage{deviceRow: c.deviceRows(list)[0]}
	apps, err := c.view(r).Apps(ctx, id)
	p.Apps = c.appRows(apps)
	if err == nil {
		p.Cameras, err = c.view(r).Streams(ctx, id)
	}
	var said []store.Around
	if err == nil {
		said, err = c.view(r).Surroundings(ctx, id, c.cfg.Now())
	}
	p.Around = c.surroundings(said)
	if err == nil {
		p.Lanes, err = c.view(r).Lanes(ctx, id)
	}
	if err == nil {
		p.Events, err = c.view(r).Happenings(ctx, id, maxEvents)
	}
	var complaints []store.Complaint
	if err == nil {
		complaints, err = c.view(r).Complaints(ctx, store.ComplaintFilter{Device: id, Limit: maxFeed})
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if p.History, err = c.view(r).StreamHistory(ctx, id, c.cfg.Now().Add(-sparkSpan)); err != nil {
		c.fail(w, r, err)
		return
	}
	if p.Orders, p.Logs, err = c.deviceOrders(r, id); err != nil {
		c.fail(w, r, err)
		return
	}
	p.May, p.MayChange = may(r, access.Operator), may(r, access.Approver)
	p.Complaints = dressed(complaints)
	c.show(w, r, http.StatusOK, "device.html", "devices", id, p)
}
