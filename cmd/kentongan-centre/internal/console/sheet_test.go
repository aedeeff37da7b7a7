package console_test

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"kentongan/agent/report"
)

// formulas makes a complaint whose texts a spreadsheet would run.
func (s *seeder) formulas() {
	p := report.Press{Ticket: report.NewTicket(9, 1).String(), Category: "=HYPERLINK(\"http://evil\")", ServiceCode: "+1", Label: report.Text{ID: "@SUM(A1)", EN: "-2"}, Line: "\tx", Presses: 2}
	s.batch("kiosk-8", report.Complaint, 1, 2, s.now, s.record("kiosk-8", report.Complaint, 1, s.now, report.ClockSynced, report.KindPress, p))
}

func TestExport(t *testing.T) {
	srv, _, _ := serve(t, func(s *seeder) { s.province(); s.trouble(); s.formulas() })
	for _, what := range []string{"complaints", "alarms", "apps"} {
		res, body := get(t, srv.URL+"/export/"+what+".csv")
		text, mark := strings.CutPrefix(body, "\xEF\xBB\xBF")
		if res.StatusCode != 200 || !mark || !strings.Contains(res.Header.Get("Content-Disposition"), "kentongan-"+what+"-") {
			t.Fatalf("%s: %s, headers %v, want a CSV file with a byte order mark", what, res.Status, res.Header)
		}
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v in\n%s", what, err, text)
		}
		_, lines := get(t, srv.URL+"/export/"+what+".jsonl")
		var objects int
		for line := range strings.Lines(lines) {
			var v map[string]any
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Errorf("%s: %v in %s", what, err, line)
			}
			objects++
		}
		if objects != len(rows)-1 || what != "apps" && objects == 0 {
			t.Errorf("%s: %d objects, %d rows", what, objects, len(rows)-1)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
					t.Errorf("%s: the cell %q is a formula", what, cell)
				}
			}
		}
	}
	if _, body := get(t, srv.URL+"/export/complaints.csv?device=kiosk-8"); strings.Count(body, "\r\n") != 2 || !strings.Contains(body, `"'=HYPERLINK(""http://evil"")",'@SUM(A1),'-2,`) {
		t.Errorf("one device's complaints:\n%s", body)
	}
	for _, path := range []string{"/export/orders.csv", "/export/complaints.xlsx", "/export/complaints"} {
		if res, _ := get(t, srv.URL+path); res.StatusCode != 404 {
			t.Errorf("%s: %s, want 404", path, res.Status)
		}
	}
}
