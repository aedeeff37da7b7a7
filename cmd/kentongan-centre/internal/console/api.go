package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// The API answers with one object: the list under the name of the path's last
// level, and now, the centre's clock. An error is {"error": "…"}.

func (c *Console) answer(w http.ResponseWriter, name string, list any, err error) {
	if err != nil {
		c.cfg.Log.Error("query failed", "err", err)
		refuse(w, http.StatusInternalServerError, "the database did not answer")
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{name: list, "now": c.cfg.Now().UTC()})
}

func refuse(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"error": text})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	_ = enc.Encode(v) // the client has gone
}

// deviceOf reads ?device=; false when it can't be one.
func deviceOf(w http.ResponseWriter, r *http.Request) (string, bool) {
	d := r.URL.Query().Get("device")
	if d != "" && !report.ValidDevice(d) {
		refuse(w, http.StatusBadRequest, "device: 1 to 40 of a-z, 0-9 and hyphen")
		return "", false
	}
	return d, true
}

func (c *Console) apiDevices(w http.ResponseWriter, r *http.Request) {
	if d, ok := deviceOf(w, r); ok {
		list, err := c.view(r).Devices(r.Context(), d)
		c.answer(w, "devices", list, err)
	}
}

func (c *Console) apiStreams(w http.ResponseWriter, r *http.Request) {
	if d, ok := deviceOf(w, r); ok {
		list, err := c.view(r).Streams(r.Context(), d)
		c.answer(w, "streams", list, err)
	}
}

func (c *Console) apiLanes(w http.ResponseWriter, r *http.Request) {
	if d, ok := deviceOf(w, r); ok {
		list, err := c.view(r).Lanes(r.Context(), d)
		c.answer(w, "lanes", list, err)
	}
}

func (c *Console) apiProblems(w http.ResponseWriter, r *http.Request) {
	list, err := c.view(r).Problems(r.Context(), c.cfg.Now(), maxProblems)
	c.answer(w, "problems", list, err)
}

// maxAPI is the most that one answer about alarms, orders or pictures lists.
const maxAPI = 1000

// apiAlarms takes device, source, hidden=1 (those too that another explains) and
// ended=1 (those that are over).
func (c *Console) apiAlarms(w http.ResponseWriter, r *http.Request) {
	if d, ok := deviceOf(w, r); ok {
		q := r.URL.Query()
		list, err := c.view(r).Alarms(r.Context(), store.AlarmFilter{Device: d, Source: q.Get("source"), Hidden: q.Get("hidden") == "1", Ended: q.Get("ended") == "1", Limit: maxAPI})
		c.answer(w, "alarms", list, err)
	}
}

// apiAck is what the form on the page of alarms does, for programs: {"note",
// "false"}. Who says it is whose token it is.
func (c *Console) apiAck(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Note  string
		False bool
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm)).Decode(&q); err != nil {
		refuse(w, http.StatusBadRequest, `write {"note": "…", "false": true or false}`)
		return
	}
	device, id := r.PathValue("device"), r.PathValue("id")
	list, err := c.view(r).Alarms(r.Context(), store.AlarmFilter{Device: device, ID: id, Limit: 1})
	var pending map[string]*store.Order
	if err == nil && len(list) > 0 {
		pending, err = c.pending(r, list)
	}
	switch {
	case err != nil:
		c.answer(w, "", nil, err)
		return
	case len(list) == 0:
		refuse(w, http.StatusNotFound, "no such alarm")
		return
	case alarmView{Alarm: list[0]}.Ours():
		refuse(w, http.StatusConflict, say("en", "err.ours"))
		return
	case list[0].False:
		refuse(w, http.StatusConflict, "it was called false already")
		return
	case pending[id] != nil:
		refuse(w, http.StatusConflict, "a word about it waits for the device already")
		return
	}
	o, err := c.cfg.Desk.AckAlarm(r.Context(), device, id, who(r), q.Note, q.False)
	switch {
	case errors.Is(err, store.ErrTooManyOrders):
		refuse(w, http.StatusTooManyRequests, err.Error())
	case err != nil:
		c.answer(w, "", nil, err)
	default:
		c.did(r)
		writeJSON(w, http.StatusAccepted, map[string]any{"order": o.ID, "now": c.cfg.Now().UTC()})
	}
}

func (c *Console) apiOrders(w http.ResponseWriter, r *http.Request) {
	if d, ok := deviceOf(w, r); ok {
		list, err := c.view(r).Orders(r.Context(), store.OrderFilter{Device: d, Name: r.URL.Query().Get("name"), Limit: maxAPI})
		c.answer(w, "orders", list, err)
	}
}

// apiPictures takes device and stream; the bytes are at /pictures/DEVICE/ID.
func (c *Console) apiPictures(w http.ResponseWriter, r *http.Request) {
	if d, ok := deviceOf(w, r); ok {
		list, err := c.view(r).Pictures(r.Context(), d, r.URL.Query().Get("stream"), maxAPI)
		c.answer(w, "pictures", list, err)
	}
}

// apiComplaints takes device, ticket (as people write it), limit and before (an
// id: those that arrived earlier).
func (c *Console) apiComplaints(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	d, ok := deviceOf(w, r)
	if !ok {
		return
	}
	f := store.ComplaintFilter{Device: d}
	if t := q.Get("ticket"); t != "" {
		ticket, err := report.ParseTicket(t)
		if err != nil {
			refuse(w, http.StatusBadRequest, "ticket: "+err.Error())
			return
		}
		f.Ticket = ticket.String()
	}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > store.MaxComplaints {
			refuse(w, http.StatusBadRequest, "limit: 1 to "+strconv.Itoa(store.MaxComplaints))
			return
		}
		f.Limit = n
	}
	if v := q.Get("before"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 1 {
			refuse(w, http.StatusBadRequest, "before: the id of a complaint")
			return
		}
		f.Before = n
	}
	list, err := c.view(r).Complaints(r.Context(), f)
	c.answer(w, "complaints", list, err)
}
