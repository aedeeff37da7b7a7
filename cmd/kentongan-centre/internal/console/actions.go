package console

import (
	"context"
	"errors"
	"net/http"

	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// What people do on the pages. Each is a form's POST, of a page of the same
// session (admit), and who did it is whose session it is.

// Desk is where orders are given; *orders.Desk is one.
type Desk interface {
	Snapshot(ctx context.Context, device, stream, who, reason string) (store.Order, error)
	AckAlarm(ctx context.Context, device, alarm, who, remark string, isFalse bool) (store.Order, error)
	TicketStatus(ctx context.Context, device, ticket, state, who, remark string) (store.Order, error)
	Restart(ctx context.Context, device, who, reason string) (store.Order, error)
	Identify(ctx context.Context, device string, seconds int, who string) (store.Order, error)
	Logs(ctx context.Context, device, who, reason string) (store.Order, error)
	Profile(ctx context.Context, device, what string, seconds int, who, reason string) (store.Order, error)
	Configure(ctx context.Context, device string, version uint64, text, who, reason string) (store.Order, error)
	Update(ctx context.Context, device, address string, number uint64, now bool, who, reason string) (store.Order, error)
}

const maxForm = 16 << 10

// done goes back to the page that the form stood on.
func done(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, ownPage(r.PostForm.Get("back"), "/alarms"), http.StatusSeeOther)
}

// refused says why something was not done.
func (c *Console) refused(w http.ResponseWriter, r *http.Request, err error) {
	for _, known := range []struct {
		err    error
		status int
		text   string
	}{
		{orders.ErrWho, http.StatusBadRequest, "err.who"},
		{orders.ErrReason, http.StatusBadRequest, "err.reason"},
		{orders.ErrBlink, http.StatusBadRequest, "err.seconds"},
		{orders.ErrProfile, http.StatusBadRequest, "err.profile"},
		{orders.ErrConfig, http.StatusBadRequest, "err.config"},
		{orders.ErrAddress, http.StatusBadRequest, "err.address"},
		{orders.ErrState, http.StatusBadRequest, "err.state"},
		{store.ErrNoComplaint, http.StatusNotFound, "err.nocomplaint"},
		{store.ErrTooManyOrders, http.StatusTooManyRequests, "err.many"},
		{store.ErrNoPicture, http.StatusNotFound, "err.nopic"},
		{store.ErrNoAgency, http.StatusBadRequest, "err.noagency"},
	} {
		if errors.Is(err, known.err) {
			c.show(w, r, known.status, "message.html", "", "notdone", known.text)
			return
		}
	}
	c.fail(w, r, err)
}

// doAck orders a device to take a word about an alarm.
func (c *Console) doAck(w http.ResponseWriter, r *http.Request) {
	device, id := r.PathValue("device"), r.PathValue("id")
	list, err := c.view(r).Alarms(r.Context(), store.AlarmFilter{Device: device, ID: id, Limit: 1})
	switch {
	case err != nil:
		c.fail(w, r, err)
		return
	case len(list) == 0 || device == "":
		c.show(w, r, http.StatusNotFound, "message.html", "alarms", "notdone", "err.noalarm")
		return
	case alarmView{Alarm: list[0]}.Ours():
		c.show(w, r, http.StatusConflict, "message.html", "alarms", "notdone", "err.ours")
		return
	}
	if _, err := c.cfg.Desk.AckAlarm(r.Context(), device, id, who(r), r.PostForm.Get("note"), r.PostForm.Get("false") == "1"); err != nil {
		c.refused(w, r, err)
		return
	}
	c.did(r)
	done(w, r)
}

// doSnapshot orders a picture.
func (c *Console) doSnapshot(w http.ResponseWriter, r *http.Request) {
	s, found, err := c.streamOf(r)
	switch {
	case err != nil:
		c.fail(w, r, err)
		return
	case !found:
		c.show(w, r, http.StatusNotFound, "message.html", "devices", "notdone", "err.nostream")
		return
	}
	if _, err := c.cfg.Desk.Snapshot(r.Context(), s.Device, s.Name, who(r), r.PostForm.Get("reason")); err != nil {
		c.refused(w, r, err)
		return
	}
	c.did(r)
	done(w, r)
}

// doErase erases a picture.
func (c *Console) doErase(w http.ResponseWriter, r *http.Request) {
	device, id := r.PathValue("device"), r.PathValue("id")
	if err := c.view(r).ErasePicture(r.Context(), device, id, who(r), c.cfg.Now()); err != nil {
		c.refused(w, r, err)
		return
	}
	c.cfg.Log.Info("picture erased", "device", device, "id", id, "who", who(r))
	c.did(r)
	done(w, r)
}
