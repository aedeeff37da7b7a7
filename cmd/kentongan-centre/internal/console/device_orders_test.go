package console_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// What the forms of the device's page order, is signed with what was written in
// them; what makes no sense is refused and orders nothing.
func TestDeviceOrdersAreGivenByForms(t *testing.T) {
	config := strings.Repeat("# seratus huruf per baris, supaya berkasnya besar, dan garis miring: /////////////////////////\r\n", 120)
	tests := map[string]struct {
		name   string
		form   url.Values
		status int
		signed string // in the order; "" = none is given
	}{
		"identify":               {"identify", url.Values{"seconds": {"90"}}, 303, `{"seconds":90,"who":"Sari Wulandari"}`},
		"identify, for how long": {"identify", url.Values{"seconds": {"nine"}}, 400, ""},
		"identify, for too long": {"identify", url.Values{"seconds": {"601"}}, 400, ""},
		"restart":                {"restart", url.Values{"reason": {"macet"}}, 303, `{"who":"Sari Wulandari","reason":"macet"}`},
		"restart, no reason":     {"restart", url.Values{}, 400, ""},
		"logs":                   {"logs", url.Values{"reason": {"mengapa merah"}}, 303, `{"who":"Sari Wulandari","reason":"mengapa merah"}`},
		"profile":                {"profile", url.Values{"reason": {"prosesor sibuk"}, "what": {"cpu"}, "seconds": {"10"}}, 303, `{"what":"cpu","seconds":10,"who":"Sari Wulandari","reason":"prosesor sibuk"}`},
		"profile, of memory":     {"profile", url.Values{"reason": {"x"}, "what": {"heap"}, "seconds": {"10"}}, 303, `{"what":"heap","who":"Sari Wulandari","reason":"x"}`},
		"profile, too long":      {"profile", url.Values{"reason": {"x"}, "what": {"cpu"}, "seconds": {"31"}}, 400, ""},
		"profile, of what":       {"profile", url.Values{"reason": {"x"}, "what": {"cmdline"}}, 400, ""},
		"profile, no reason":     {"profile", url.Values{"what": {"heap"}}, 400, ""},
		"config":                 {"config", url.Values{"reason": {"kamera baru"}, "text": {config}}, 303, `per baris, supaya berkasnya besar, dan garis miring: /////////////////////////\n# seratus`},
		"config, empty":          {"config", url.Values{"reason": {"x"}}, 400, ""},
		"config, too large":      {"config", url.Values{"reason": {"x"}, "text": {strings.Repeat("x", 12<<10+1)}}, 400, ""},
		"config, far too large":  {"config", url.Values{"reason": {"x"}, "text": {strings.Repeat("/", 40<<10)}}, 400, ""},
		"update":                 {"update", url.Values{"reason": {"rilis 41"}, "url": {" https://centre.example/firmware/41 "}, "number": {"41"}, "now": {"1"}}, 303, `{"url":"https://centre.example/firmware/41","number":41,"now":true,"who":"Sari Wulandari"}`},
		"update, the newest":     {"update", url.Values{"reason": {"x"}, "url": {"https://centre.example/firmware"}}, 303, `{"url":"https://centre.example/firmware","who":"Sari Wulandari"}`},
		"update, no reason":      {"update", url.Values{"url": {"https://centre.example/firmware"}}, 400, ""},
		"update, no address":     {"update", url.Values{"reason": {"x"}, "url": {"centre.example"}}, 400, ""},
		"update, from a file":    {"update", url.Values{"reason": {"x"}, "url": {"file:///etc/passwd"}}, 400, ""},
		"update, with password":  {"update", url.Values{"reason": {"x"}, "url": {"https://a:b@centre.example/"}}, 400, ""},
		"update, odd number":     {"update", url.Values{"reason": {"x"}, "url": {"https://centre.example/"}, "number": {"-1"}}, 400, ""},
		"update, cross-site":     {"update?x", url.Values{"reason": {"x"}, "url": {"https://centre.example/"}}, 403, ""},
	}
	srv, s, _ := serve(t, (*seeder).province)
	for name, tt := range tests {
		var header []string
		if tt.status == http.StatusForbidden {
			header = []string{"Sec-Fetch-Site", "cross-site"}
		}
		tt.form.Set("back", "/devices/kiosk-7")
		res, back := send(t, srv.URL+"/devices/kiosk-7/"+tt.name, tt.form, header...)
		if res.StatusCode != tt.status || tt.status == 303 && back != "/devices/kiosk-7" {
			t.Errorf("%s: %s, back to %q; want %d", name, res.Status, back, tt.status)
		}
		list, err := s.st.Orders(t.Context(), store.OrderFilter{Device: "kiosk-7", Name: tt.name, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		found := ""
		for _, o := range list {
			found += string(o.Note)
		}
		if tt.signed != "" && !strings.Contains(found, tt.signed) {
			t.Errorf("%s: no %s in %s", name, tt.signed, found)
		}
	}
	list, err := s.st.Orders(t.Context(), store.OrderFilter{Limit: 100})
	if err != nil || len(list) != 8 {
		t.Errorf("%d orders, %v; want the eight good ones", len(list), err)
	}
	for _, path := range []string{"/devices/nobody/restart", "/devices/KIOSK/restart"} {
		if res, _ := send(t, srv.URL+path, url.Values{"reason": {"x"}}); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

// The device's page offers each role what it may, and shows what was ordered and
// what became of it.
func TestDevicePageShowsOrdersAndVersions(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province, (*seeder).release)
	forms := map[access.Role]string{
		access.Viewer:   "",
		access.Operator: "identify",
		access.Approver: "identify logs profile restart config update",
		access.Admin:    "identify logs profile restart config update",
	}
	for role, want := range forms {
		_, html := get(t, srv.URL+"/devices/kiosk-7?lang=en", "Authorization", "Bearer "+s.tokenOf("as-"+string(role), role, ""))
		var got []string
		for rest := html; ; {
			_, after, ok := strings.Cut(rest, `action="/devices/kiosk-7/`)
			if !ok {
				break
			}
			name, _, _ := strings.Cut(after, `"`)
			got, rest = append(got, name), after
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is offered %q, want %q", role, got, want)
		}
	}
	if res, _ := send(t, srv.URL+"/devices/kiosk-7/update", url.Values{"url": {"https://centre.example/firmware"}, "number": {"42"}, "reason": {"rilis baru"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatal(res.Status)
	}
	for lang, wants := range map[string][]string{
		"en": {"Release number 41 is proven", "Update 42 · awaits an answer · Sari Wulandari: rilis baru", "Release 41 · v1.4.0 · failed; the version before runs again · start: it ended 3 times"},
		"id": {"Nomor rilis 41 terbukti baik", "Pembaruan 42 · menunggu jawaban", "Rilis 41 · v1.4.0 · gagal; kembali ke versi lama"},
	} {
		_, html := get(t, srv.URL+"/devices/kiosk-7?lang="+lang)
		for _, want := range wants {
			if !strings.Contains(words(html), want) {
				t.Errorf("no %q in %s", want, words(html))
			}
		}
	}
	if _, body := get(t, srv.URL+"/api/v1/devices?device=kiosk-7"); !strings.Contains(body, `"release": 41,`) {
		t.Errorf("the API does not tell the release: %s", body)
	}
}

// release adds a device's word on its firmware.
func (s *seeder) release() {
	s.commit(store.Arrival{Device: "kiosk-7", State: &report.DeviceState{V: 1, State: report.Online, Session: "5e551011.2", Since: s.now, Version: "v1.4.0", Site: "Balai Kota Serang",
		Boot: "b001b001", Epoch: seedEpoch, Streams: []string{"gate", "lobby"}, Lat: placeOf("kiosk-7")[0], Lon: placeOf("kiosk-7")[1], Firmware: &report.Firmware{Number: 41, Keys: 1, Trial: report.UpdateCommitted}}})
	s.batch("kiosk-7", report.Event, 900, 901, s.now, s.record("kiosk-7", report.Event, 900, s.now, report.ClockSynced, report.KindUpdate,
		report.Update{Number: 41, Version: "v1.4.0", State: report.UpdateWentBack, Detail: "start: it ended 3 times without being well"}))
}

// A program takes an alarm as a person does, and is told what is wrong.
func TestAckAPI(t *testing.T) {
	srv, s, _ := serve(t, everything, (*seeder).agencies)
	at := "/api/v1/alarms/kiosk-7/0000000000000004/ack"
	operator, foreign, viewer := s.tokenOf("operator", access.Operator, "dishub"), s.tokenOf("foreign", access.Operator, "dinkes"), s.tokenOf("viewer", access.Viewer, "dishub")
	for n, tt := range []struct {
		path, token, body string
		status            int
	}{
		{at, viewer, `{}`, 403},
		{at, foreign, `{}`, 404},
		{at, operator, `what`, 400},
		{"/api/v1/alarms/cam-kp3b/0000000000000004/ack", operator, `{}`, 404},
		{"/api/v1/alarms/kiosk-7/ffff/ack", operator, `{}`, 404},
		{at, operator, `{"note":"jalan memang kosong","false":true}`, 202},
		{at, operator, `{}`, 409}, // the device has not answered yet
	} {
		res, body := post(t, srv.URL+tt.path, tt.body, tt.token)
		if res.StatusCode != tt.status {
			t.Errorf("%d. %s %s: %s, want %d: %s", n, tt.path, tt.body, res.Status, tt.status, body)
		}
		if tt.status == 202 {
			list, err := s.st.Orders(t.Context(), store.OrderFilter{Name: report.OrderAckAlarm, Open: true, Limit: 10})
			if err != nil || len(list) != 1 || !strings.Contains(body, list[0].ID) || list[0].Who != "operator" || !strings.Contains(string(list[0].Note), `"false":true,"note":"jalan memang kosong"`) {
				t.Errorf("orders %+v, %v; answer %s", list, err, body)
			}
		}
	}
	list, err := s.room.Journal(t.Context(), "operator", "ack", 0, 10)
	if err != nil || len(list) == 0 || list[len(list)-1].Outcome != access.Refused || list[1].Outcome != access.Done {
		t.Errorf("access log %+v, %v", list, err)
	}
}

// post sends JSON as a program.
func post(t *testing.T, to, body, token string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(raw)
}
