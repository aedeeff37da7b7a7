package open311_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/open311"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/store/storetest"
)

var noon = time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC)

// The field lists of wiki.open311.org/GeoReport_v2.
var (
	serviceFields = []string{"service_code", "service_name", "description", "metadata", "type", "keywords", "group"}
	requestFields = []string{"service_request_id", "status", "status_notes", "service_name", "service_code", "description", "agency_responsible", "service_notice",
		"requested_datetime", "updated_datetime", "expected_datetime", "address", "address_id", "zipcode", "lat", "long", "media_url"}
	tokenFields = []string{"service_request_id", "token"}
	errorFields = []string{"code", "description"}
)

// serve is the API over a store with four complaints of kiosk-7: roads on three
// days, of which the first is done, and one of a service that is not public.
func serve(t *testing.T) *httptest.Server {
	t.Helper()
	st := storetest.Open(t)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(st.PutAgency(ctx, store.Agency{ID: "dpupr", Name: report.Text{ID: "Dinas PUPR", EN: "Public Works"}}))
	must(st.PutService(ctx, store.Service{Code: "jalan-rusak", Agency: "dpupr", Name: report.Text{ID: "Jalan rusak", EN: "Damaged road"}, Public: true}))
	must(st.PutService(ctx, store.Service{Code: "bansos", Name: report.Text{ID: "Bantuan sosial", EN: "Social aid"}}))
	_, err := st.Commit(ctx, []store.Arrival{{Device: "kiosk-7", At: noon, State: &report.DeviceState{V: 1, State: report.Online, Session: "b.1", Site: "Balai Kota <Serang>", Lat: -6.12, Lon: 106.15}}})
	must(err)
	var rs []report.Received
	for n, code := range []string{"jalan-rusak", "jalan-rusak", "jalan-rusak", "bansos"} {
		at := noon.Add(time.Duration(n-3) * 24 * time.Hour)
		r, err := report.NewRecord("kiosk-7", report.Complaint, 1, uint64(n+1), report.Hash{}, report.Stamp{Time: at, Clock: report.ClockSynced, Boot: "b"}, report.KindPress,
			report.Press{Ticket: report.NewTicket(7, uint64(n+1)).String(), ServiceCode: code, Label: report.Text{ID: "x", EN: "x"}, Presses: 1, PIN: "S3CR"})
		must(err)
		line, err := r.Encode()
		must(err)
		rs = append(rs, report.Received{Record: r, Line: line})
	}
	_, err = st.Commit(ctx, []store.Arrival{{Device: "kiosk-7", At: noon, Batch: &report.Batch{Head: report.Head{Lane: report.Complaint, Epoch: 1, First: 1, Next: 5}, Records: rs}}})
	must(err)
	must(st.SetTicket(ctx, "kiosk-7", report.NewTicket(7, 1).String(), store.TicketState{State: "done", At: noon, Who: "Sari", Note: report.Text{ID: "untuk Ibu Ani"}}))
	api := open311.New(st, func() time.Time { return noon }, func(r *http.Request) string { return r.Header.Get("X-Test-Addr") }, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.Handle("GET /v2/{path...}", api)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

func get(t *testing.T, url, addr string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Test-Addr", addr)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// node is any XML.
type node struct {
	XMLName xml.Name
	Nodes   []node `xml:",any"`
	Text    string `xml:",chardata"`
}

func TestAnswersAreTheStandards(t *testing.T) {
	srv := serve(t)
	tests := map[string]struct {
		path, root, item string
		status, count    int
		fields           []string
		want             []string // in both formats
	}{
		"services":              {"services", "services", "service", 200, 1, serviceFields, []string{"jalan-rusak", "Jalan rusak", "batch", "Dinas PUPR"}},
		"services, English":     {"services?lang=en", "services", "service", 200, 1, serviceFields, []string{"Damaged road"}},
		"definition":            {"services/jalan-rusak", "errors", "error", 404, 1, errorFields, nil},
		"requests":              {"requests", "service_requests", "request", 200, 3, requestFields, []string{"Dinas PUPR", "106.15", "-6.12", "2026-11-23T05:00:00Z", "closed", "open"}},
		"open":                  {"requests?status=open", "service_requests", "request", 200, 2, requestFields, []string{"Diterima"}},
		"closed":                {"requests?status=closed", "service_requests", "request", 200, 1, requestFields, []string{"Selesai", "2026-11-26T05:00:00Z"}},
		"open and closed":       {"requests?status=open,closed", "service_requests", "request", 200, 3, requestFields, nil},
		"of a service":          {"requests?service_code=lampu,jalan-rusak", "service_requests", "request", 200, 3, requestFields, nil},
		"of no public service":  {"requests?service_code=bansos", "service_requests", "request", 200, 0, nil, nil},
		"by numbers":            {"requests?service_request_id=1,3&status=closed", "service_requests", "request", 200, 2, requestFields, nil},
		"since":                 {"requests?start_date=2026-11-24T12:00:00%2B07:00", "service_requests", "request", 200, 2, requestFields, nil},
		"since, plus unescaped": {"requests?start_date=2026-11-24T12:00:00+07:00", "service_requests", "request", 200, 2, requestFields, nil},
		"until":                 {"requests?end_date=2026-11-23T05:00:00Z", "service_requests", "request", 200, 1, requestFields, nil},
		"second page":           {"requests?page=2&page_size=2", "service_requests", "request", 200, 1, requestFields, nil},
		"one":                   {"requests/2", "service_requests", "request", 200, 1, requestFields, nil},
		"one that is not":       {"requests/99", "errors", "error", 404, 1, errorFields, nil},
		"one that is private":   {"requests/4", "errors", "error", 404, 1, errorFields, nil},
		"token":                 {"tokens/0007-0001-S", "service_requests", "request", 200, 1, tokenFields, []string{"0007-0001-S"}},
		"token of a private":    {"tokens/" + report.NewTicket(7, 4).String(), "errors", "error", 404, 1, errorFields, nil},
		"token that is none":    {"tokens/0007-0001-T", "errors", "error", 400, 1, errorFields, nil},
		"wrong status":          {"requests?status=lost", "errors", "error", 400, 1, errorFields, []string{"open, closed"}},
		"wrong date":            {"requests?start_date=yesterday", "errors", "error", 400, 1, errorFields, []string{"start_date"}},
		"no zone":               {"requests?end_date=2026-11-26T00:00:00", "errors", "error", 400, 1, errorFields, []string{"end_date"}},
		"too long":              {"requests?start_date=2026-01-01T00:00:00Z&end_date=2026-11-01T00:00:00Z", "errors", "error", 400, 1, errorFields, []string{"90 days"}},
		"backwards":             {"requests?start_date=2026-11-02T00:00:00Z&end_date=2026-11-01T00:00:00Z", "errors", "error", 400, 1, errorFields, nil},
		"wrong number":          {"requests?service_request_id=1;2", "errors", "error", 400, 1, errorFields, nil},
		"wrong page":            {"requests?page=0", "errors", "error", 400, 1, errorFields, nil},
		"nothing":               {"nothing", "errors", "error", 404, 1, errorFields, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path, query, _ := strings.Cut(tt.path, "?")
			at := func(format string) string { return fmt.Sprintf("%s/v2/%s.%s?%s", srv.URL, path, format, query) }
			res, body := get(t, at("json"), name)
			var list []map[string]any
			if err := json.Unmarshal([]byte(body), &list); err != nil || res.StatusCode != tt.status || len(list) != tt.count || res.Header.Get("Content-Type") != "application/json; charset=utf-8" {
				t.Fatalf("JSON: %s %s (%v), want %d and %d", res.Status, body, err, tt.status, tt.count)
			}
			for _, one := range list {
				for _, f := range tt.fields {
					if _, ok := one[f]; !ok || len(one) != len(tt.fields) {
						t.Errorf("JSON: %v is not %v", one, tt.fields)
					}
				}
			}
			for _, want := range tt.want {
				if !strings.Contains(body, want) {
					t.Errorf("JSON: no %q in %s", want, body)
				}
			}
			for _, private := range []string{"S3CR", "Ibu Ani", "Sari"} {
				if strings.Contains(body, private) {
					t.Errorf("JSON says %q: %s", private, body)
				}
			}
			checkXML(t, at("xml"), name, tt.root, tt.item, tt.status, tt.count, tt.fields, tt.want)
		})
	}
}

func checkXML(t *testing.T, url, addr, root, item string, status, count int, fields, wants []string) {
	t.Helper()
	res, body := get(t, url, addr)
	var n node
	err := xml.Unmarshal([]byte(body), &n)
	if err != nil || res.StatusCode != status || n.XMLName.Local != root || len(n.Nodes) != count || res.Header.Get("Content-Type") != "text/xml; charset=utf-8" || !strings.HasPrefix(body, `<?xml version="1.0" encoding="UTF-8"?>`) {
		t.Fatalf("XML: %s %s (%v), want %d, %s and %d", res.Status, body, err, status, root, count)
	}
	for _, one := range n.Nodes {
		var has []string
		for _, f := range one.Nodes {
			has = append(has, f.XMLName.Local)
		}
		if one.XMLName.Local != item || !slices.Equal(has, fields) {
			t.Errorf("XML: %s with %v, want %s with %v", one.XMLName.Local, has, item, fields)
		}
	}
	for _, want := range wants {
		if !strings.Contains(body, want) {
			t.Errorf("XML: no %q in %s", want, body)
		}
	}
}

func TestAskersAreLimited(t *testing.T) {
	srv := serve(t)
	for n := range 61 {
		res, body := get(t, srv.URL+"/v2/services.json", "192.0.2.1")
		if want := map[bool]int{false: 200, true: 429}[n == 60]; res.StatusCode != want {
			t.Fatalf("request %d: %s, want %d", n+1, res.Status, want)
		}
		if n == 60 && (res.Header.Get("Retry-After") == "" || !strings.Contains(body, `"code":429`)) {
			t.Errorf("%v %s", res.Header, body)
		}
	}
	if res, _ := get(t, srv.URL+"/v2/services.json", "192.0.2.2"); res.StatusCode != 200 {
		t.Errorf("somebody else: %s", res.Status)
	}
}
