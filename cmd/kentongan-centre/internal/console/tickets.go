package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// How complaints stand: said here, shown to the citizen at the kiosk.

// doStatus says how a complaint stands.
func (c *Console) doStatus(w http.ResponseWriter, r *http.Request) {
	if err := c.passOn(r); err != nil {
		c.refused(w, r, err)
		return
	}
	if err := c.setStatus(r, r.PostForm.Get("state"), r.PostForm.Get("note")); err != nil {
		c.refused(w, r, err)
		return
	}
	c.did(r)
	if r.PostForm.Get("back") == "" {
		r.PostForm.Set("back", "/complaints")
	}
	done(w, r)
}

// apiStatus is the same for programs: {"state", "note"}. Who says it is whose
// token it is.
func (c *Console) apiStatus(w http.ResponseWriter, r *http.Request) {
	var q struct{ State, Note string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm)).Decode(&q); err != nil {
		refuse(w, http.StatusBadRequest, `write {"state": "assigned", "note": "…"}`)
		return
	}
	switch err := c.setStatus(r, q.State, q.Note); {
	case err == nil:
		c.did(r)
		writeJSON(w, http.StatusOK, map[string]any{"state": q.State, "now": c.cfg.Now().UTC()})
	case errors.Is(err, store.ErrNoComplaint):
		refuse(w, http.StatusNotFound, err.Error())
	case errors.Is(err, orders.ErrState):
		refuse(w, http.StatusBadRequest, err.Error()+": write one of "+strings.Join(report.TicketStates(), ", "))
	case errors.Is(err, store.ErrTooManyOrders):
		refuse(w, http.StatusTooManyRequests, err.Error())
	default:
		c.cfg.Log.Error("state of complaint not set", "err", err)
		refuse(w, http.StatusInternalServerError, "the database did not answer")
	}
}

// doEraseComplaint erases what is known of a complaint. Why is for the access log:
// who asked, and under which number the answer was written.
func (c *Console) doEraseComplaint(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	switch {
	case err != nil:
		err = store.ErrNoComplaint
	case strings.TrimSpace(r.PostForm.Get("reason")) == "":
		err = orders.ErrReason
	default:
		var device string
		if device, err = c.view(r).EraseComplaint(r.Context(), id); err == nil {
			c.cfg.Log.Info("complaint erased", "device", device, "id", id, "who", who(r))
		}
	}
	if err != nil {
		c.refused(w, r, err)
		return
	}
	c.did(r)
	if r.PostForm.Get("back") == "" {
		r.PostForm.Set("back", "/complaints")
	}
	done(w, r)
}

// passOn gives the complaint to the agency that the form names, where that is
// another one.
func (c *Console) passOn(r *http.Request) error {
	agency := r.PostForm.Get("agency")
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if agency == "" || err != nil {
		return nil // setStatus says what is wrong with the number
	}
	v := c.view(r)
	has, err := v.AgencyOfComplaint(r.Context(), id)
	if err != nil || has == agency {
		return err
	}
	return v.PassOn(r.Context(), id, agency, who(r), c.cfg.Now())
}

func (c *Console) setStatus(r *http.Request, state, note string) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return store.ErrNoComplaint
	}
	device, ticket, err := c.view(r).ComplaintOf(r.Context(), id)
	if err != nil {
		return err
	}
	_, err = c.cfg.Desk.TicketStatus(r.Context(), device, ticket, state, who(r), note)
	return err
}

// kioskText says in words what a kiosk tells of itself.
func kioskText(lang, kind string, body []byte) string {
	switch kind {
	case report.KindSelfTest:
		var s report.SelfTest
		if json.Unmarshal(body, &s) == nil {
			return selfTestText(lang, s)
		}
	case report.KindPrinter:
		var s report.PrinterState
		if json.Unmarshal(body, &s) == nil {
			return join(say(lang, "kind.printer"), sayAfter(lang, "printer", s.State), s.Detail)
		}
	case report.KindCancel:
		var s report.Cancel
		if json.Unmarshal(body, &s) == nil {
			return join(say(lang, "kind.cancel"), s.Ticket)
		}
	}
	return ""
}

// selfTestText names what failed.
func selfTestText(lang string, s report.SelfTest) string {
	var failed []string
	for _, c := range s.Checks {
		if !c.OK {
			failed = append(failed, strings.TrimSuffix(c.Name+": "+c.Detail, ": "))
		}
	}
	if s.OK {
		return join(say(lang, "kind.self_test"), say(lang, "selftest.ok"))
	}
	return join(say(lang, "kind.self_test"), say(lang, "selftest.failed"), strings.Join(failed, "; "))
}

// kioskTexts are the words of kiosks and of how complaints stand.
var kioskTexts = map[string][2]string{
	"c.status":    {"Status", "Status"},
	"setstatus":   {"Ubah status", "Change the status"},
	"statusgo":    {"Simpan", "Save"},
	"citizennote": {"Catatan untuk warga", "Note for the citizen"},
	"citizenhint": {"Warga melihatnya di layar kios, dengan nomor dan PIN-nya.", "The citizen sees it on the kiosk's screen, with number and PIN."},

	"ticket.received":  {"diterima", "received"},
	"ticket.assigned":  {"diteruskan ke dinas", "passed on to an agency"},
	"ticket.done":      {"selesai", "done"},
	"ticket.rejected":  {"tidak dapat ditangani", "can't be dealt with"},
	"ticket.withdrawn": {"dibatalkan warga", "taken back by the citizen"},

	"erasecomplaint":  {"Hapus isi pengaduan", "Erase the complaint"},
	"erasehint":       {"Tidak dapat dibatalkan. Yang tersisa: bahwa ada tekanan dari kios ini, kapan diterima, serta nomor dan sidik catatannya.", "This can't be undone. What stays: that this kiosk was pressed, when that came in, and the record's number and hash."},
	"erasewhy":        {"Dasar permintaan, tanpa nama", "Why, without names"},
	"complainterased": {"isinya dihapus", "erased"},

	"err.state":       {"Status itu tidak ada.", "There is no such status."},
	"err.nocomplaint": {"Pengaduan itu tidak ada di sini.", "That complaint is not here."},

	"kind.self_test":    {"Uji harian kios", "Kiosk's daily self-test"},
	"kind.printer":      {"Pencetak kios", "Kiosk's printer"},
	"kind.cancel":       {"Pengaduan dibatalkan", "Complaint taken back"},
	"selftest.ok":       {"semua baik", "all is well"},
	"selftest.failed":   {"gagal", "failed"},
	"printer.ok":        {"baik", "fine"},
	"printer.paper_low": {"kertas hampir habis", "paper low"},
	"printer.paper_out": {"kertas habis", "no paper"},
	"printer.cover":     {"penutup terbuka", "cover open"},
	"printer.offline":   {"luring", "offline"},
	"printer.error":     {"rusak", "error"},
	"printer.silent":    {"tidak menjawab", "does not answer"},
	"printer.hung":      {"macet", "hung"},
	"printer.missing":   {"tidak ada", "missing"},

	"state.flood":         {"ditekan tanpa henti", "pressed without a pause"},
	"order.ticket-status": {"Status pengaduan", "Status of a complaint"},
	"source.kiosk":        {"kios", "kiosk"},
	"cond.out_of_service": {"kios tidak melayani", "kiosk out of service"},
	"cond.button":         {"sebagian tombol rusak", "some buttons out of order"},
	"cond.printer":        {"pencetak tidak mencetak", "printer does not print"},
	"cond.self_test":      {"uji harian gagal", "self-test failed"},
}
