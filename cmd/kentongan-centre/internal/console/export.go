package console

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// maxExport is how many alarms one export holds, of those that stand and of those
// that are over. Complaints have no limit: they are read piece by piece.
const maxExport = 50_000

// exportWithin is how long the reader may take for the next piece.
const exportWithin = 30 * time.Second

// export gives complaints, alarms, or the days of applications, of what the
// account may see: /export/complaints.csv for spreadsheets, /export/complaints.jsonl
// (an object a line, as the API has it) for programs. ?device= restricts complaints
// and alarms to one device, ?days= the applications (30).
func (c *Console) export(w http.ResponseWriter, r *http.Request) {
	what, form, _ := strings.Cut(r.PathValue("file"), ".")
	if form != "csv" && form != "jsonl" {
		refuse(w, http.StatusNotFound, "write complaints, alarms or apps, and .csv or .jsonl")
		return
	}
	d, ok := deviceOf(w, r)
	if !ok {
		return
	}
	out := &sheet{w: w, control: http.NewResponseController(w), lines: form == "jsonl"}
	out.name = fmt.Sprintf("kentongan-%s-%s.%s", what, c.cfg.Now().UTC().Format("20060102"), form)
	var err error
	switch what {
	case "complaints":
		err = c.exportComplaints(r, out, d)
	case "alarms":
		err = c.exportAlarms(r, out, d)
	case "apps":
		days, bad := strconv.Atoi(r.URL.Query().Get("days"))
		if bad != nil {
			days = 30
		}
		err = c.exportApps(r, out, min(max(days, 1), 3660))
	default:
		refuse(w, http.StatusNotFound, "write complaints, alarms or apps, and .csv or .jsonl")
		return
	}
	if err == nil {
		err = out.flush()
	}
	switch {
	case err == nil || r.Context().Err() != nil:
	case !out.begun:
		c.answer(w, "", nil, err)
	default:
		c.cfg.Log.Error("export cut off", "err", err)
		panic(http.ErrAbortHandler) // the reader sees that it is not whole
	}
}

func (c *Console) exportComplaints(r *http.Request, out *sheet, device string) error {
	out.head = []string{"ticket", "device", "site", "service_code", "category", "label_id", "label_en", "line", "presses", "time", "clock", "received", "status", "status_at", "status_by", "status_note"}
	f := store.ComplaintFilter{Device: device}
	for {
		list, err := c.view(r).Complaints(r.Context(), f)
		if err != nil {
			return err
		}
		for _, x := range list {
			st := store.TicketState{}
			at := ""
			if x.Status != nil {
				st, at = *x.Status, stamp(x.Status.At)
			}
			err := out.row(x, x.Ticket, x.Device, x.Site, x.Service, x.Category, x.Label.ID, x.Label.EN, x.Line, x.Presses, stamp(x.Time), x.Clock, stamp(x.Received), st.State, at, st.Who, st.Note.ID)
			if err != nil {
				return err
			}
		}
		if len(list) < store.MaxComplaints {
			return nil
		}
		f.Before = list[len(list)-1].ID
	}
}

func (c *Console) exportAlarms(r *http.Request, out *sheet, device string) error {
	out.head = []string{"device", "site", "id", "source", "condition", "severity", "state", "since", "raised", "ended", "text_id", "text_en", "detail", "by", "note", "false"}
	for _, ended := range []bool{false, true} {
		list, err := c.view(r).Alarms(r.Context(), store.AlarmFilter{Device: device, Hidden: true, Ended: ended, Limit: maxExport})
		if err != nil {
			return err
		}
		for _, x := range list {
			over := ""
			if x.Ended != nil {
				over = stamp(*x.Ended)
			}
			err := out.row(x, x.Device, x.Site, x.ID, x.Source, x.Condition, x.Severity, x.State, stamp(x.Since), stamp(x.Raised), over, x.Text.ID, x.Text.EN, x.Detail, x.By, x.Note, strconv.FormatBool(x.False))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Console) exportApps(r *http.Request, out *sheet, days int) error {
	out.head = []string{"app", "day", "looks", "good", "places", "availability"}
	list, err := c.view(r).AppDays(r.Context(), c.cfg.Now().AddDate(0, 0, 1-days))
	if err != nil {
		return err
	}
	for _, x := range list {
		if err := out.row(x, x.Name, x.Day, x.Looks, x.Good, x.Places, x.Ratio()); err != nil {
			return err
		}
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// piece is after how many rows the reader gets more time.
const piece = 500

// sheet writes rows as they come.
type sheet struct {
	w       http.ResponseWriter
	control *http.ResponseController
	lines   bool // an object a line
	name    string
	head    []string
	begun   bool
	csv     *csv.Writer
	rows    int
}

func (s *sheet) begin() error {
	if s.begun {
		return nil
	}
	s.begun = true
	kind := "text/csv; charset=utf-8; header=present"
	if s.lines {
		kind = "application/jsonl; charset=utf-8"
	}
	s.w.Header().Set("Content-Type", kind)
	s.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", s.name))
	s.w.Header().Set("Cache-Control", "no-store")
	if s.lines {
		return nil
	}
	// The mark by which spreadsheets know UTF-8.
	if _, err := s.w.Write([]byte("\xEF\xBB\xBF")); err != nil {
		return err
	}
	s.csv = csv.NewWriter(s.w)
	s.csv.UseCRLF = true // RFC 4180
	return s.csv.Write(s.head)
}

// row writes v, or the cells that stand for it.
func (s *sheet) row(v any, cells ...any) error {
	if err := s.begin(); err != nil {
		return err
	}
	if s.rows++; s.rows%piece == 0 {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if s.lines {
		return json.NewEncoder(s.w).Encode(v)
	}
	text := make([]string, len(cells))
	for i, c := range cells {
		if t, ok := c.(string); ok {
			text[i] = harmless(t)
		} else {
			text[i] = fmt.Sprint(c)
		}
	}
	return s.csv.Write(text)
}

// harmless keeps a spreadsheet from taking what a stranger wrote for a formula:
// an apostrophe makes it text (OWASP, CSV injection).
func harmless(t string) string {
	first, _ := utf8.DecodeRuneInString(t)
	if t != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + t
	}
	return t
}

// flush sends what is written, and gives the reader time for the next piece.
func (s *sheet) flush() error {
	if err := s.begin(); err != nil {
		return err
	}
	if s.csv != nil {
		s.csv.Flush()
		if err := s.csv.Error(); err != nil {
			return err
		}
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(exportWithin)) // a recorder of tests has none
	return s.control.Flush()
}
