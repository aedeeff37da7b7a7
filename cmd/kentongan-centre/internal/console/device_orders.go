package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// configForm is the one form that holds more than some words.
const configForm = "POST /devices/{id}/config"

// Bounds of what holds a configuration: in a form a byte is three at most, in
// JSON each line end is two.
const (
	maxConfigBody = 3*report.MaxConfigBytes + maxForm
	maxOrderBody  = 2*report.MaxConfigBytes + 4<<10
)

// wish is what an order to a device takes; each takes its own.
type wish struct {
	Reason  string
	Seconds int    // identify, and profile of cpu
	What    string // profile
	Version uint64 // config
	Text    string
	URL     string // update
	Number  uint64
	Now     bool
}

// order orders a device to do something; who has come in is who orders it.
func (c *Console) order(ctx context.Context, name, device, who string, q wish) (store.Order, error) {
	switch name {
	case report.OrderIdentify:
		return c.cfg.Desk.Identify(ctx, device, q.Seconds, who)
	case report.OrderRestart:
		return c.cfg.Desk.Restart(ctx, device, who, q.Reason)
	case report.OrderLogs:
		return c.cfg.Desk.Logs(ctx, device, who, q.Reason)
	case report.OrderProfile:
		return c.cfg.Desk.Profile(ctx, device, q.What, q.Seconds, who, q.Reason)
	case report.OrderUpdate:
		return c.cfg.Desk.Update(ctx, device, q.URL, q.Number, q.Now, who, q.Reason)
	}
	return c.cfg.Desk.Configure(ctx, device, q.Version, q.Text, who, q.Reason)
}

// knows tells whether who asks may see a device of that name.
func (c *Console) knows(r *http.Request, device string) (bool, error) {
	if !report.ValidDevice(device) {
		return false, nil
	}
	list, err := c.view(r).Devices(r.Context(), device)
	return len(list) > 0, err
}

// apiOrder is for programs: wish in JSON. The answer is the order, whose result
// comes later.
func (c *Console) apiOrder(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q wish
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrderBody)).Decode(&q); err != nil {
			refuse(w, http.StatusBadRequest, `write JSON, as {"reason": "…"}; identify takes "seconds", profile "what" and "seconds", config "text" and "version", update "url", "number" and "now"`)
			return
		}
		device := r.PathValue("id")
		known, err := c.knows(r, device)
		if err == nil && !known {
			refuse(w, http.StatusNotFound, "no such device")
			return
		}
		var o store.Order
		if err == nil {
			o, err = c.order(r.Context(), name, device, who(r), q)
		}
		switch {
		case err == nil:
			c.did(r)
			writeJSON(w, http.StatusAccepted, map[string]any{"order": o, "now": c.cfg.Now().UTC()})
		case errors.Is(err, store.ErrTooManyOrders):
			refuse(w, http.StatusTooManyRequests, err.Error())
		case errors.Is(err, orders.ErrReason), errors.Is(err, orders.ErrWho), errors.Is(err, orders.ErrBlink), errors.Is(err, orders.ErrProfile), errors.Is(err, orders.ErrConfig), errors.Is(err, orders.ErrAddress):
			refuse(w, http.StatusBadRequest, err.Error())
		default:
			c.cfg.Log.Error("order not given", "cmd", name, "device", device, "err", err)
			refuse(w, http.StatusInternalServerError, "the order could not be given")
		}
	}
}

// doOrder is for people: wish as the form of the device's page.
func (c *Console) doOrder(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		device := r.PathValue("id")
		known, err := c.knows(r, device)
		switch {
		case err != nil:
			c.fail(w, r, err)
			return
		case !known:
			c.show(w, r, http.StatusNotFound, "message.html", "devices", "notdone", "nodevice")
			return
		}
		f := r.PostForm
		q := wish{Reason: f.Get("reason"), URL: strings.TrimSpace(f.Get("url")), Now: f.Get("now") == "1"}
		q.Seconds, _ = strconv.Atoi(f.Get("seconds")) // the Desk refuses 0
		if q.What = f.Get("what"); name == report.OrderProfile && q.What != report.ProfileCPU {
			q.Seconds = 0 // the form always has some
		}
		q.Text = strings.ReplaceAll(f.Get("text"), "\r\n", "\n")
		if n := strings.TrimSpace(f.Get("number")); n != "" && name == report.OrderUpdate {
			if q.Number, err = strconv.ParseUint(n, 10, 64); err != nil {
				c.show(w, r, http.StatusBadRequest, "message.html", "devices", "notdone", "err.number")
				return
			}
		}
		if _, err := c.order(r.Context(), name, device, who(r), q); err != nil {
			c.refused(w, r, err)
			return
		}
		c.did(r)
		done(w, r)
	}
}

// deviceOrders are the newest orders to a device as a whole, and the logs and
// profiles that came of them.
func (c *Console) deviceOrders(r *http.Request, device string) (list []store.Order, logs []pictureView, err error) {
	for _, name := range []string{report.OrderRestart, report.OrderIdentify, report.OrderLogs, report.OrderProfile, report.OrderConfig, report.OrderUpdate} {
		some, err := c.view(r).Orders(r.Context(), store.OrderFilter{Device: device, Name: name, Limit: maxDeviceOrders})
		if err != nil {
			return nil, nil, err
		}
		list = append(list, some...)
	}
	newestFirst(list)
	came := []string{report.LogStream}
	for _, what := range report.ProfileKinds() {
		came = append(came, report.ProfileStream+what)
	}
	for _, stream := range came {
		pictures, err := c.view(r).Pictures(r.Context(), device, stream, maxLogs)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range pictures {
			logs = append(logs, pictureView{Picture: p, Now: c.cfg.Now()})
		}
	}
	slices.SortStableFunc(logs, func(a, b pictureView) int { return b.Told.Compare(a.Told) })
	return list[:min(len(list), maxDeviceOrders)], logs, nil
}

// orderOf is the order that brought a log or a profile.
func orderOf(stream string) string {
	if stream == report.LogStream {
		return report.OrderLogs
	}
	return report.OrderProfile
}

// subjectOf is what an order to a device is about, where its name does not say it.
func subjectOf(subject string) string {
	if subject == report.LogStream {
		return ""
	}
	return strings.TrimPrefix(subject, report.ProfileStream)
}

const (
	maxDeviceOrders = 8
	maxLogs         = 3
)
