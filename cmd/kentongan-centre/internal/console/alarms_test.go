package console_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

func TestAlarmPagesSay(t *testing.T) {
	all := func(s *seeder) { s.province(); s.trouble() }
	tests := map[string]struct {
		path string
		want []string
		not  []string
	}{
		"alarms, id": {"/alarms?lang=id", []string{"Kritis 1", "Berat 2", "3 belum ditangani", "Sakelar jaringan mati atau terputus", "kelompok Switch KP3B lantai 2",
			"Menjelaskan 12: lantai1-1, lantai1-2", "Listrik.", "Langkah: Periksa listrik sakelar", "Ditangani oleh Sari Wulandari: tim lapangan berangkat", "hilang-timbul", "94 % keyakinan",
			"alarm palsu", "jalan memang kosong", "Ternyata palsu?", "2,4 per 1.000 hari-kamera", "Saya tangani"}, []string{"Jam kamera tidak tepat"}},
		"alarms, en": {"/alarms?lang=en", []string{"Network switch is dead or cut off", "Explains 12", "What to do: Check the switch's power", "comes and goes"}, nil},
		"overview":   {"/?lang=en", []string{"Network switch is dead or cut off · critical", "Lens is covered · major"}, []string{"lantai1-1"}},
		"stream, en": {"/devices/kiosk-7/streams/gate?lang=en", []string{"Blurred 81 % confidence", "night", "Picture is blurred", "Camera's clock is wrong", "explained by another", "whole, and as the device recorded it",
			"Asked for by Sari Wulandari" + "", "laporan warga 0007-000E-7", "pieces did not come; ask again", "Erased by itself after 7 d", "Picture is frozen"}, nil},
		"stream, nothing known": {"/devices/cam-kp3b/streams/north?lang=id", []string{"Perangkat belum mengatakan apa pun tentang gambarnya.", "Tidak ada alarm.", "Belum ada gambar yang diminta"}, nil},
		"device":                {"/devices/kiosk-7?lang=en", []string{"Picture sent · gate · Sari Wulandari", "Order · Picture · done", "Alarm: new"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv, _, _ := serve(t, all)
			res, body := get(t, srv.URL+tt.path)
			text := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(words(body))
			if res.StatusCode != http.StatusOK {
				t.Fatalf("%s: %s", res.Status, text)
			}
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in: %s", want, text)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(text, not) {
					t.Errorf("%q stands in: %s", not, text)
				}
			}
		})
	}
}

// send posts a form as a browser of this site does.
func send(t *testing.T, to string, form url.Values, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only its head is wanted
	return res, res.Header.Get("Location")
}

func TestOrdersAreGivenByForms(t *testing.T) {
	shot := "/devices/kiosk-7/streams/gate/snapshot"
	ack := "/alarms/kiosk-7/0000000000000004/ack"
	good := url.Values{"who": {"Budi, says the form"}, "reason": {"laporan\nwarga"}, "note": {"x"}, "back": {"/devices/kiosk-7/streams/gate"}}
	without := func(key string) url.Values {
		f := url.Values{}
		for k, v := range good {
			if k != key {
				f[k] = v
			}
		}
		return f
	}
	with := func(key, value string) url.Values {
		f := without(key)
		f.Set(key, value)
		return f
	}
	tests := map[string]struct {
		path   string
		form   url.Values
		header []string
		status int
		back   string
		orders int
	}{
		"picture":                       {shot, good, nil, http.StatusSeeOther, "/devices/kiosk-7/streams/gate", 1},
		"picture, nobody":               {shot, good, nobody, http.StatusUnauthorized, "", 0},
		"picture, no reason":            {shot, without("reason"), nil, http.StatusBadRequest, "", 0},
		"picture of no stream":          {"/devices/kiosk-7/streams/nothing/snapshot", good, nil, http.StatusNotFound, "", 0},
		"picture of no device":          {"/devices/KIOSK/streams/gate/snapshot", good, nil, http.StatusNotFound, "", 0},
		"from another site":             {shot, good, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden, "", 0},
		"from another origin":           {shot, good, []string{"Origin", "https://evil.example"}, http.StatusForbidden, "", 0},
		"a form that is too large":      {shot, with("reason", strings.Repeat("x", 20<<10)), nil, http.StatusBadRequest, "", 0},
		"back to another site":          {shot, with("back", "//evil.example/"), nil, http.StatusSeeOther, "/alarms", 1},
		"back to another site, in full": {shot, with("back", "https://evil.example/"), nil, http.StatusSeeOther, "/alarms", 1},
		"alarm":                         {ack, good, nil, http.StatusSeeOther, "/devices/kiosk-7/streams/gate", 1},
		"false alarm":                   {ack, with("false", "1"), nil, http.StatusSeeOther, "/devices/kiosk-7/streams/gate", 1},
		"alarm, nobody":                 {ack, good, nobody, http.StatusUnauthorized, "", 0},
		"no such alarm":                 {"/alarms/kiosk-7/ffff/ack", good, nil, http.StatusNotFound, "", 0},
		"alarm of another device":       {"/alarms/cam-kp3b/0000000000000004/ack", good, nil, http.StatusNotFound, "", 0},
		"alarm, from another site":      {ack, good, []string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden, "", 0},
		"erase, from another site":      {"/pictures/kiosk-7/5f0c9a1d2e4b5a00/erase", good, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden, "", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv, s, _ := serve(t, func(s *seeder) { s.province(); s.trouble() })
			res, back := send(t, srv.URL+tt.path, tt.form, tt.header...)
			if res.StatusCode != tt.status || back != tt.back {
				t.Errorf("%s, back to %q; want %d and %q", res.Status, back, tt.status, tt.back)
			}
			list, err := s.st.Orders(context.Background(), store.OrderFilter{Open: true, Limit: 10})
			if err != nil || len(list) != tt.orders {
				t.Fatalf("orders %+v (%v), want %d", list, err, tt.orders)
			}
			if tt.orders == 0 {
				return
			}
			o := list[0]
			if o.Who != "Sari Wulandari" || o.Device != "kiosk-7" || len(o.Note) == 0 || strings.Contains(o.Reason, "\n") {
				t.Errorf("order %+v", o)
			}
			if strings.Contains(tt.path, "ack") != strings.Contains(string(o.Note), report.OrderAckAlarm) || strings.Contains(string(o.Note), `"false":true`) != (tt.form.Get("false") == "1") {
				t.Errorf("signed: %s", o.Note)
			}
		})
	}
}

func TestPictureIsShownAndErased(t *testing.T) {
	srv, _, _ := serve(t, func(s *seeder) { s.province(); s.trouble() })
	at := srv.URL + "/pictures/kiosk-7/5f0c9a1d2e4b5a00"
	res, body := get(t, at)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "image/jpeg" || !strings.HasPrefix(body, "\xff\xd8") || !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	if res, _ := get(t, srv.URL+"/pictures/kiosk-7/5f0c9a1d2e4b5a01"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a picture that did not come whole: %s", res.Status)
	}
	if res, _ := send(t, at+"/erase", url.Values{}, nobody...); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("erased by nobody: %s", res.Status)
	}
	if res, _ := send(t, at+"/erase", url.Values{}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("erase: %s", res.Status)
	}
	if res, _ := get(t, at); res.StatusCode != http.StatusNotFound {
		t.Errorf("after it was erased: %s", res.Status)
	}
	if _, body := get(t, srv.URL+"/devices/kiosk-7/streams/gate?lang=en"); !strings.Contains(words(body), "erased by Sari Wulandari") {
		t.Error("the page does not say who erased it")
	}
}

func TestAlarmAPIAndMetrics(t *testing.T) {
	srv, _, _ := serve(t, func(s *seeder) { s.province(); s.trouble() })
	for path, want := range map[string]int{
		"/api/v1/alarms": 4, "/api/v1/alarms?hidden=1": 5, "/api/v1/alarms?ended=1": 2, "/api/v1/alarms?device=cam-kp3b": 2,
		"/api/v1/alarms?source=stream/gate": 1, "/api/v1/orders": 2, "/api/v1/orders?name=ack-alarm": 0, "/api/v1/pictures": 2, "/api/v1/pictures?stream=lobby": 0,
	} {
		_, body := get(t, srv.URL+path)
		var got map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(path, "/api/v1/"), "?")
		var list []map[string]any
		if err := json.Unmarshal(got[name], &list); err != nil || len(list) != want {
			t.Errorf("%s: %d of %d (%v): %s", path, len(list), want, err, body)
		}
	}
	_, text := get(t, srv.URL+"/metrics")
	for _, want := range []string{`kentongan_alarms{severity="critical"} 1`, `kentongan_alarms{severity="major"} 2`, `kentongan_alarms{severity="warning"} 0`, "kentongan_alarms_unacknowledged 3",
		"kentongan_alarms_hidden 1", "kentongan_false_alarms 3", "kentongan_camera_watched_seconds 107136000"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %q in the metrics", want)
		}
	}
}

// What somebody is writing is not taken out of their hands by a refresh, and an
// alarm shows up without one.
func TestBrowserAlarms(t *testing.T) {
	srv, s, c := serve(t, func(s *seeder) { s.province(); s.trouble() })
	b := startChromium(t)
	b.enter(srv.URL, s.room, "sari")
	b.Size(1280, 900)
	b.Open(srv.URL + "/alarms?lang=en")
	b.Until("live", "!document.getElementById('livemark').hidden && !document.getElementById('livemark').classList.contains('off')")
	fresh := report.Alarm{ID: "00000000000000aa", N: 20, Source: "stream/gate", Condition: "black", Severity: report.Major, State: report.AlarmRaised, Since: noon, Text: report.Text{ID: "Gambar hitam", EN: "Picture is black"}}
	s.batchTold(c.Notify, "kiosk-7", report.Event, 400, 401, s.record("kiosk-7", report.Event, 400, noon, report.ClockSynced, report.KindAlarm, fresh))
	b.Until("the new alarm", "document.querySelector('.alarms').innerText.includes('Picture is black')")
	b.Until("its announcement", "document.getElementById('announce').textContent.includes('Picture is black')")

	b.Eval("document.querySelector('.alarms details').open = true; document.querySelector('.alarms details input[name=note]').value = 'tim berangkat'; document.querySelector('.alarms details input[name=note]').focus()")
	fresh.ID, fresh.N, fresh.Text.EN = "00000000000000ab", 21, "Picture is white"
	s.batchTold(c.Notify, "kiosk-7", report.Event, 401, 402, s.record("kiosk-7", report.Event, 401, noon, report.ClockSynced, report.KindAlarm, fresh))
	b.Until("the count", "document.querySelector('[data-live=unacked]').innerText.includes('5')")
	if b.Eval("document.querySelector('.alarms details').open && document.querySelector('.alarms details input[name=note]').value") != "tim berangkat" {
		t.Fatal("the form was taken away while somebody wrote in it")
	}
	b.Eval("document.querySelector('.alarms details form button').click()")
	b.Until("the order, on the page", "document.readyState === 'complete' && location.pathname === '/alarms' && document.querySelector('.alarms').innerText.includes('Waits for the device to come online')")
	if b.Eval("document.querySelector('.alarms').innerText.includes('Sari Wulandari')") != true {
		t.Error("the page does not say who took it")
	}

	b.Open(srv.URL + "/devices/kiosk-7/streams/gate?lang=en")
	b.Until("the picture", "document.querySelector('.pictures img').complete && document.querySelector('.pictures img').naturalWidth === 640")
	b.Eval("document.querySelector('form[action$=snapshot] button').click()")
	if b.Eval("location.pathname.endsWith('gate') && !document.querySelector('#reason').validity.valid") != true {
		t.Error("a picture can be asked for without a reason")
	}
	b.Eval("document.querySelector('#reason').value = 'laporan warga'; document.querySelector('form[action$=snapshot] button').click()")
	b.Until("the order", "document.readyState === 'complete' && document.querySelector('[data-live=orders]').innerText.includes('awaits an answer') && document.querySelector('[data-live=orders]').innerText.includes('laporan warga')")
	if e := b.Errors(); len(e) > 0 {
		t.Errorf("the pages complain: %s", e)
	}
}
