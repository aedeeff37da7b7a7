package console_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// complaintID finds a complaint of kiosk-7.
func complaintID(t *testing.T, s *seeder, seq uint64) string {
	t.Helper()
	list, err := s.st.Complaints(context.Background(), store.ComplaintFilter{Ticket: report.NewTicket(7, seq).String()})
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	return strconv.FormatInt(list[0].ID, 10)
}

func TestStatusIsSaid(t *testing.T) {
	good := url.Values{"state": {"assigned"}, "note": {"Dinas  PUPR"}, "back": {"/complaints?device=kiosk-7"}}
	with := func(key, value string) url.Values {
		f := url.Values{}
		for k, v := range good {
			f[k] = v
		}
		f.Set(key, value)
		return f
	}
	tests := map[string]struct {
		id     string // "" is the complaint's own
		form   url.Values
		header []string
		status int
		back   string
	}{
		"said":                {"", good, nil, http.StatusSeeOther, "/complaints?device=kiosk-7"},
		"nowhere to go back":  {"", with("back", ""), nil, http.StatusSeeOther, "/complaints"},
		"nobody says it":      {"", good, nobody, http.StatusUnauthorized, ""},
		"no such status":      {"", with("state", "withdrawn"), nil, http.StatusBadRequest, ""},
		"no such complaint":   {"99999", good, nil, http.StatusNotFound, ""},
		"no number":           {"x", good, nil, http.StatusNotFound, ""},
		"from another site":   {"", good, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden, ""},
		"from another origin": {"", good, []string{"Origin", "https://evil.example"}, http.StatusForbidden, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv, s, _ := serve(t, (*seeder).province)
			id := tt.id
			if id == "" {
				id = complaintID(t, s, 3)
			}
			res, back := send(t, srv.URL+"/complaints/"+id+"/status", tt.form, tt.header...)
			if res.StatusCode != tt.status || back != tt.back {
				t.Errorf("%s, back to %q; want %d and %q", res.Status, back, tt.status, tt.back)
			}
			list, err := s.st.Orders(context.Background(), store.OrderFilter{Name: report.OrderTicket, Limit: 10})
			if err != nil || len(list) != map[bool]int{true: 1}[tt.status == http.StatusSeeOther] {
				t.Fatalf("orders %+v, %v", list, err)
			}
			if len(list) == 0 {
				return
			}
			n := string(list[0].Note)
			if list[0].Device != "kiosk-7" || !strings.Contains(n, `"ticket":"`+report.NewTicket(7, 3).String()+`","state":"assigned"`) || !strings.Contains(n, `"note":{"id":"Dinas PUPR","en":""}`) {
				t.Errorf("signed: %s", n)
			}
			if _, body := get(t, srv.URL+"/complaints?lang=en"); !strings.Contains(words(body), "passed on to an agency Sari Wulandari Dinas PUPR") {
				t.Errorf("the page does not say it: %s", words(body))
			}
		})
	}
}

func TestStatusAPI(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province)
	id := complaintID(t, s, 3)
	post := func(id, body string, header ...string) (int, string) {
		req, err := http.NewRequest(http.MethodPost, srv.URL+"/api/v1/complaints/"+id+"/status", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	for _, tt := range []struct {
		id, body string
		header   []string
		status   int
		want     string
	}{
		{id, `{"state": "done", "note": "Selesai"}`, nil, 200, `"state": "done"`},
		{id, `{"state": "lost"}`, nil, 400, "write one of received, assigned, done, rejected"},
		{id, `{"state": "done"}`, nobody, 401, "log in"},
		{id, `done`, nil, 400, `write {\"state\"`},
		{"77777", `{"state": "done"}`, nil, 404, "no such complaint"},
		{id, `{"state": "done"}`, []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
	} {
		if status, got := post(tt.id, tt.body, tt.header...); status != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %d %s, want %d %s", tt.body, status, got, tt.status, tt.want)
		}
	}
	_, body := get(t, srv.URL+"/api/v1/complaints?ticket="+report.NewTicket(7, 3).String())
	if !strings.Contains(body, `"who": "Sari Wulandari"`) || strings.Contains(body, `"pin"`) {
		t.Errorf("the API says %s", body)
	}
}

func TestKioskEventsInWords(t *testing.T) {
	srv, _, _ := serve(t, (*seeder).province, func(s *seeder) {
		at := s.now
		s.batch("kiosk-7", report.Event, 5, 8, at,
			s.record("kiosk-7", report.Event, 5, at, report.ClockSynced, report.KindSelfTest, report.SelfTest{OK: true}),
			s.record("kiosk-7", report.Event, 6, at, report.ClockSynced, report.KindSelfTest, report.SelfTest{Checks: []report.SelfTestCheck{{Name: "lamp saved", OK: true}, {Name: "printer", Detail: "paper_out"}}}),
			s.record("kiosk-7", report.Event, 7, at, report.ClockSynced, report.KindPrinter, report.PrinterState{State: "paper_out"}))
		s.batch("kiosk-7", report.Complaint, 15, 16, at, s.record("kiosk-7", report.Complaint, 15, at, report.ClockSynced, report.KindCancel, report.Cancel{Ticket: report.NewTicket(7, 14).String()}))
	})
	_, body := get(t, srv.URL+"/devices/kiosk-7?lang=en")
	for _, want := range []string{"Kiosk's daily self-test · all is well", "Kiosk's daily self-test · failed · printer: paper_out", "Kiosk's printer · no paper"} {
		if !strings.Contains(strings.ReplaceAll(words(body), "&#39;", "'"), want) {
			t.Errorf("no %q in %s", want, words(body))
		}
	}
	if _, body := get(t, srv.URL+"/complaints?lang=en"); !strings.Contains(words(body), "taken back by the citizen") {
		t.Error("the page does not say that a complaint was taken back")
	}
}
