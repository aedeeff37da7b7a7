package console_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/rollout"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// rollouts adds devices that manage versions, a rollout to them that halted itself
// in its second stage, and one that was paused before it began. All is done at noon:
// the hours are any.
func (s *seeder) rollouts() {
	s.later = append(s.later, func() {
		for i := range 24 {
			id := fmt.Sprintf("post-%02d", i+1)
			s.version(id, 40, "")
			if err := s.st.SetDeviceAgency(s.t.Context(), id, "dishub"); err != nil {
				s.t.Fatal(err)
			}
		}
		s.version("kiosk-7", 40, "")
		spec := rollout.Default()
		spec.URL, spec.Number, spec.Reason, spec.AnyTime, spec.Soak, spec.Stages = "https://centre.example/firmware/41", 41, "perbaikan kamera gelap", true, 0, []int{5, 40, 100}
		spec.Scope, spec.Agency = store.RolloutAgency, "dishub"
		v := s.st.For(store.Everything())
		one, err := s.lead.Start(s.t.Context(), v, spec, "Sari Wulandari")
		if err != nil {
			s.t.Fatal(err)
		}
		// kiosk-7 goes back, the others of the first two stages are good but one.
		answered := map[string]bool{}
		for range 12 {
			s.step()
			for _, d := range s.rows(one.ID, store.DeviceOrdered) {
				if answered[d.Device] {
					continue
				}
				answered[d.Device] = true
				u := report.Update{Number: 41, Version: "v1.4.0", State: report.UpdateCommitted, Before: 40}
				switch {
				case d.Stage == 1:
				case d.Place%7 == 3:
					u.State, u.Detail = report.UpdateWentBack, "start: it ended 3 times without being well"
				case d.Place%7 == 4:
					u.State, u.Code, u.Detail = report.UpdateRefused, "no-space", "1,204 KiB free, 3,400 KiB needed"
				case d.Place%7 == 5:
					u.State = report.UpdateTrying
				}
				seq := uint64(1) // of a new post; nothing is missing of it
				if !strings.HasPrefix(d.Device, "post-") {
					seq = 950
				}
				s.batch(d.Device, report.Event, seq, seq+1, s.now, s.record(d.Device, report.Event, seq, s.now, report.ClockSynced, report.KindUpdate, u))
			}
		}
		spec.Number, spec.Scope, spec.Devices = 41, store.RolloutList, []string{"kiosk-7"}
		s.version("kiosk-12", 40, "")
		spec.Devices = []string{"kiosk-12"}
		two, err := s.lead.Start(s.t.Context(), v, spec, "Sari Wulandari")
		if err == nil {
			_, err = s.lead.Steer(s.t.Context(), v, two.ID, rollout.Pause, "Sari Wulandari", "tunggu rapat")
		}
		if err != nil {
			s.t.Fatal(err)
		}
	})
}

func (s *seeder) step() {
	for range 5 {
		moved, err := s.lead.Step(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if !moved {
			return
		}
	}
}

func (s *seeder) rows(id int64, states ...string) []store.RolloutDevice {
	list, err := s.st.RolloutDevices(s.t.Context(), id, states, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// version is a device's word that it is there and what it runs.
func (s *seeder) version(id string, number uint64, trial string) {
	st := report.DeviceState{V: 1, State: report.Online, Session: "5e551011.9", Since: s.now, Version: "v1.3.0", Boot: "b001b001", Epoch: seedEpoch, Site: "Pos " + id, Lat: -6.2, Lon: 106.2, Firmware: &report.Firmware{Number: number, Trial: trial}}
	if site := map[string]string{"kiosk-7": "Balai Kota Serang", "kiosk-12": "Pasar Rau"}[id]; site != "" {
		st.Site, st.Apps = site, []string{"e-bansos", "e-pormas", "e-cctv", "e-statistik", "e-yankes", "e-lpse", "e-simparda"}
		st.Lat, st.Lon = placeOf(id)[0], placeOf(id)[1]
	}
	if id == "kiosk-7" {
		st.Streams = []string{"gate", "lobby"}
	}
	s.commit(store.Arrival{Device: id, State: &st})
}

// The pages tell how a rollout stands, in both languages, and each device that
// failed with its reason.
func TestRolloutPages(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province, (*seeder).agencies, (*seeder).rollouts)
	r, err := s.st.Rollout(t.Context(), 1)
	if err != nil || r.State != store.RolloutHalted || r.Stage != 2 {
		t.Fatalf("the seeded rollout is %+v, %v", r, err)
	}
	for path, wants := range map[string][]string{
		"/rollouts?lang=en":   {"1 · Release 41 halted itself devices of the agency dishub 2 of 3", "2 · Release 41 paused devices that are named 1 of 1 0 of 1 proven", "Start a rollout"},
		"/rollouts?lang=id":   {"1 · Rilis 41 berhenti sendiri perangkat dinas dishub 2 dari 3", "Mulai peluncuran"},
		"/rollouts/1?lang=en": {"Rollout 1 · Release 41", "halted itself · " + r.WhyText + " failed in one stage", "2 up to 40 % now", "failed; the version before runs again start: it ended 3 times without being well", "the device refused it · too little room on the disk 1,204 KiB free", "Under way", "on trial", "perbaikan kamera gelap", "Resume", "5 % in a stage, or 10"},
		"/rollouts/1?lang=id": {"Peluncuran 1 · Rilis 41", "gagal; kembali ke versi lama", "ditolak perangkat · ruang simpan tidak cukup", "Lanjutkan"},
		"/rollouts/2?lang=id": {"dijeda · oleh Sari Wulandari: tunggu rapat", "Tidak ada yang gagal."},
		"/rollouts/99":        {"Tidak ada peluncuran bernomor itu."},
		"/rollouts/x":         {"Tidak ada peluncuran bernomor itu."},
	} {
		_, html := get(t, srv.URL+path)
		for _, want := range wants {
			if !strings.Contains(words(html), want) {
				t.Errorf("%s: no %q in %s", path, want, words(html))
			}
		}
	}
	viewer := s.tokenOf("looker", access.Viewer, "")
	for _, path := range []string{"/rollouts", "/rollouts/1"} {
		if _, html := get(t, srv.URL+path, "Authorization", "Bearer "+viewer); strings.Contains(html, `method="post" action="/rollouts`) {
			t.Errorf("%s offers a viewer what they may not", path)
		}
	}
}

// The form starts a rollout with what was written in it, and says what is wrong
// without losing the rest.
func TestRolloutForm(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province, (*seeder).agencies)
	for _, id := range []string{"kiosk-7", "kiosk-12", "cam-kp3b"} {
		s.version(id, 40, "")
	}
	form := func(change ...string) url.Values {
		f := url.Values{"url": {"https://centre.example/firmware/41"}, "number": {"41"}, "reason": {"uji"}, "scope": {"list"}, "devices": {"kiosk-7, kiosk-12\r\nkiosk-7"},
			"stages": {"50, 100 %"}, "hours": {"23:00-02:30"}, "soak_hours": {"1,5"}, "wait_hours": {"24"}, "max_failed_percent": {"7"}, "max_failed": {"3"}, "at_once": {"9"}, "now": {"1"}}
		for i := 0; i+1 < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return f
	}
	for name, tt := range map[string]struct {
		f      url.Values
		status int
		say    string
	}{
		"number":      {form("number", "x"), 400, "The number of the release is needed"},
		"url":         {form("url", "ftp://x/"), 400, "no address of a release"},
		"stages":      {form("stages", "50"), 400, "as 1, 10, 100 (50)"},
		"soak":        {form("soak_hours", "-1"), 400, "Well for 0 to 720 hours"},
		"hours":       {form("hours", "night"), 400, "Write hours as 01:00-04:00"},
		"share":       {form("max_failed_percent", "200"), 400, "0 to 100 per cent (200)"},
		"no device":   {form("devices", "nobody"), 400, "(nobody)"},
		"no agency":   {form("scope", "agency"), 400, "Choose the agency"},
		"nothing new": {form("number", "40"), 400, "No device can be updated"},
	} {
		res, html := sendForm(t, srv.URL+"/rollouts?lang=en", tt.f)
		if res.StatusCode != tt.status || !strings.Contains(words(html), tt.say) || !strings.Contains(html, `value="23:00-02:30"`) && name != "hours" {
			t.Errorf("%s: %s: %s", name, res.Status, words(html))
		}
	}
	if list, err := s.st.Rollouts(t.Context(), 10); err != nil || len(list) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	res, back := send(t, srv.URL+"/rollouts", form())
	r, err := s.st.Rollout(t.Context(), 1)
	if res.StatusCode != 303 || back != "/rollouts/1" || err != nil {
		t.Fatalf("%s to %q, %v", res.Status, back, err)
	}
	if r.Number != 41 || r.Hours != "23:00-02:30" || !r.AnyHour || r.Soak != 90*time.Minute || r.Wait != 24*time.Hour || r.Share != 7 || r.Count != 3 || r.AtOnce != 9 || r.Who != "Sari Wulandari" || len(r.Stages) != 2 || r.Stages[0] != 50 {
		t.Errorf("%+v", r)
	}
	if res, html := sendForm(t, srv.URL+"/rollouts?lang=en", form("scope", "all")); res.StatusCode != 409 || !strings.Contains(words(html), "in another rollout") {
		t.Errorf("twice: %s", res.Status)
	}
	for _, step := range []struct {
		do     string
		status int
		state  string
	}{{"resume", 409, "running"}, {"pause", 303, "paused"}, {"resume", 303, "running"}, {"fly", 405, "running"}, {"cancel", 303, "cancelled"}, {"pause", 409, "cancelled"}} {
		res, _ := send(t, srv.URL+"/rollouts/1/"+step.do, url.Values{"reason": {"uji"}})
		r, err := s.st.Rollout(t.Context(), 1)
		if err != nil || res.StatusCode != step.status || r.State != step.state {
			t.Errorf("%s: %s, then %s", step.do, res.Status, r.State)
		}
	}
	list, err := s.room.Journal(t.Context(), "", "rollout", 0, 20)
	if err != nil || len(list) != 11 || list[1].Outcome != access.Done || !strings.Contains(list[1].Detail, "number: 41") || !strings.Contains(list[1].Detail, "stages: 50, 100 %") {
		t.Errorf("access log: %d lines, %+v, %v", len(list), list, err)
	}
}

// sendForm is send, with the page that came back.
func sendForm(t *testing.T, to string, form url.Values) (*http.Response, string) {
	t.Helper()
	res, err := http.PostForm(to, form)
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

// Programs do the same by JSON; an agency's those of its own devices.
func TestRolloutAPI(t *testing.T) {
	srv, s, _ := serve(t, (*seeder).province, (*seeder).agencies)
	for _, id := range []string{"kiosk-7", "kiosk-12"} {
		s.version(id, 40, "")
	}
	if err := s.st.SetDeviceAgency(t.Context(), "kiosk-12", "dinkes"); err != nil {
		t.Fatal(err)
	}
	province, own, foreign, operator := s.tokenOf("prov", access.Approver, ""), s.tokenOf("own", access.Approver, "dishub"), s.tokenOf("foreign", access.Approver, "dinkes"), s.tokenOf("op", access.Operator, "dishub")
	const good = `{"url":"https://centre.example/firmware/41","number":41,"reason":"x","hours":"","soak_hours":0}`
	for n, tt := range []struct {
		path, token, body string
		status            int
	}{
		{"", operator, good, 403},
		{"", own, `{"number":41}`, 400},
		{"", own, `{"surprise":41}`, 400},
		{"", own, strings.Replace(good, `"hours"`, `"scope":"list","devices":["kiosk-12"],"hours"`, 1), 400},
		{"", own, good, 201},
		{"", own, good, 409},
		{"/1/pause", foreign, `{}`, 404},
		{"/1/pause", operator, `{}`, 403},
		{"/1/pause", own, `{"reason":"x"}`, 200},
		{"/1/pause", own, `{}`, 409},
		{"/1/fly", own, `{}`, 400},
		{"/1/cancel", province, `{}`, 200},
		{"", province, good, 201},
		{"/2/cancel", foreign, `{}`, 403}, // it may be seen, since a device is its own
	} {
		if res, body := post(t, srv.URL+"/api/v1/rollouts"+tt.path, tt.body, tt.token); res.StatusCode != tt.status {
			t.Errorf("%d. %s %s: %s, want %d: %s", n, tt.path, tt.body, res.Status, tt.status, body)
		}
	}
	var one struct {
		Rollout struct {
			ID        int64
			State     string
			SoakHours float64            `json:"soak_hours"`
			Sums      []store.RolloutSum `json:"devices_by_state"`
		}
		Devices []store.RolloutDevice
	}
	_, body := get(t, srv.URL+"/api/v1/rollouts/2", "Authorization", "Bearer "+foreign)
	if err := json.Unmarshal([]byte(body), &one); err != nil || one.Rollout.ID != 2 || len(one.Devices) != 1 || one.Devices[0].Device != "kiosk-12" || len(one.Rollout.Sums) != 1 {
		t.Errorf("%+v, %v: %s", one, err, body)
	}
	if _, body := get(t, srv.URL+"/api/v1/rollouts", "Authorization", "Bearer "+own); !strings.Contains(body, `"state": "cancelled"`) || strings.Contains(body, "kiosk-12") {
		t.Errorf("%s", body)
	}
	if _, body := get(t, srv.URL+"/metrics"); !strings.Contains(body, "\nkentongan_rollouts{state=\"running\"} 1\n") || !strings.Contains(body, "\nkentongan_rollout_devices{state=\"waiting\"} 2\n") {
		t.Errorf("metrics: %s", body)
	}
}
