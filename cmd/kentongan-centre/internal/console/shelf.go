package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// shelfView is an alarm on the shelf, and whether who looks may take it down.
type shelfView struct {
	store.Shelf
	May bool
}

func (c *Console) shelf(r *http.Request) ([]shelfView, error) {
	list, err := c.view(r).Shelved(r.Context(), c.cfg.Now())
	out := make([]shelfView, len(list))
	for i, s := range list {
		out[i] = shelfView{s, may(r, access.Operator)}
	}
	return out, err
}

// doShelve puts an alarm aside until a time, with a reason. The device is not
// told: it goes on watching, and the centre keeps quiet.
func (c *Console) doShelve(w http.ResponseWriter, r *http.Request) {
	list, err := c.view(r).Alarms(r.Context(), store.AlarmFilter{Device: r.PathValue("device"), ID: r.PathValue("id"), Limit: 1})
	if err != nil {
		c.fail(w, r, err)
		return
	}
	if len(list) == 0 {
		c.show(w, r, http.StatusNotFound, "message.html", "alarms", "notdone", "err.noalarm")
		return
	}
	reason := report.Clip(strings.Join(strings.Fields(r.PostForm.Get("reason")), " "), orders.MaxReason)
	hours, err := strconv.Atoi(r.PostForm.Get("hours"))
	switch {
	case reason == "":
		c.show(w, r, http.StatusBadRequest, "message.html", "alarms", "notdone", "err.shelfreason")
		return
	case err != nil || hours < 1 || time.Duration(hours)*time.Hour > store.MaxShelf:
		c.show(w, r, http.StatusBadRequest, "message.html", "alarms", "notdone", "err.shelfhours")
		return
	}
	a, now := list[0], c.cfg.Now()
	err = c.view(r).Shelve(r.Context(), store.Shelf{Device: a.Device, Source: a.Source, Condition: a.Condition, At: now, Until: now.Add(time.Duration(hours) * time.Hour), Who: who(r), Reason: reason})
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.did(r)
	done(w, r)
}

// doUnshelve brings an alarm back before its time.
func (c *Console) doUnshelve(w http.ResponseWriter, r *http.Request) {
	if err := c.view(r).Unshelve(r.Context(), r.PathValue("device"), r.PostForm.Get("source"), r.PostForm.Get("condition")); err != nil {
		c.fail(w, r, err)
		return
	}
	c.did(r)
	done(w, r)
}

// shelfTexts are the words of the shelf, and of passing complaints on.
var shelfTexts = map[string][2]string{
	"shelf":           {"Disisihkan", "Shelved"},
	"shelf.stands":    {"masih ada", "still there"},
	"shelf.gone":      {"sudah hilang", "gone"},
	"shelf.back":      {"Kembalikan", "Bring back"},
	"shelve":          {"Sisihkan", "Shelve"},
	"shelve.for":      {"Selama", "For"},
	"shelve.go":       {"Sisihkan", "Shelve it"},
	"shelve.hint":     {"teknisi datang pukul 07.00", "technician comes at 07:00"},
	"shelve.what":     {"Alarm ini tidak tampak merah sampai waktunya habis, lalu kembali sendiri. Paling lama 24 jam.", "This alarm is not shown as red until the time is over, and comes back by itself. 24 hours at most."},
	"err.shelfreason": {"Alasannya kosong. Mengapa alarm disisihkan selalu dicatat.", "The reason is empty. Why an alarm is shelved is always recorded."},
	"err.shelfhours":  {"Alarm dapat disisihkan selama 1 sampai 24 jam.", "An alarm can be shelved for 1 to 24 hours."},
	"act.shelve":      {"Alarm disisihkan", "Alarm shelved"},
	"act.unshelve":    {"Alarm dikembalikan", "Alarm brought back"},
	"passon":          {"Diteruskan ke dinas", "Pass on to agency"},
	"anystatus":       {"semua status", "any status"},
	"anyagency":       {"semua dinas", "any agency"},
	"filter":          {"Saring", "Filter"},
}
