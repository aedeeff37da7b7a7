package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// maxOrderBody holds a configuration in JSON, where each line end is two bytes.
const maxOrderBody = 2*report.MaxConfigBytes + 4<<10

// apiOrder orders a device to do something, for programs: {"reason", "seconds",
// "version", "text"}, of which each order takes its own. Who orders it is whose
// token it is. The answer is the order, whose result comes later.
func (c *Console) apiOrder(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Reason  string
			Seconds int
			Version uint64
			Text    string
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrderBody)).Decode(&q); err != nil {
			refuse(w, http.StatusBadRequest, `write JSON, as {"reason": "…"}; identify takes "seconds", config "text" and "version"`)
			return
		}
		device := r.PathValue("id")
		known, err := c.view(r).Devices(r.Context(), device)
		if err == nil && (len(known) == 0 || device == "") {
			refuse(w, http.StatusNotFound, "no such device")
			return
		}
		var o store.Order
		if err == nil {
			o, err = c.order(r.Context(), name, device, who(r), q.Reason, q.Seconds, q.Version, q.Text)
		}
		switch {
		case err == nil:
			c.did(r)
			writeJSON(w, http.StatusAccepted, map[string]any{"order": o, "now": c.cfg.Now().UTC()})
		case errors.Is(err, store.ErrTooManyOrders):
			refuse(w, http.StatusTooManyRequests, err.Error())
		case errors.Is(err, orders.ErrReason), errors.Is(err, orders.ErrWho), errors.Is(err, orders.ErrBlink), errors.Is(err, orders.ErrConfig):
			refuse(w, http.StatusBadRequest, err.Error())
		default:
			c.cfg.Log.Error("order not given", "cmd", name, "device", device, "err", err)
			refuse(w, http.StatusInternalServerError, "the order could not be given")
		}
	}
}

func (c *Console) order(ctx context.Context, name, device, who, reason string, seconds int, version uint64, text string) (store.Order, error) {
	switch name {
	case report.OrderIdentify:
		return c.cfg.Desk.Identify(ctx, device, seconds, who)
	case report.OrderRestart:
		return c.cfg.Desk.Restart(ctx, device, who, reason)
	case report.OrderLogs:
		return c.cfg.Desk.Logs(ctx, device, who, reason)
	}
	return c.cfg.Desk.Configure(ctx, device, version, text, who, reason)
}
