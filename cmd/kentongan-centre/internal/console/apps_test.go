package console_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// applications adds the seven, as three places see them, to province.
func (s *seeder) applications() {
	names := []string{"e-bansos", "e-cctv", "e-lpse", "e-pormas", "e-simparda", "e-statistik", "e-yankes"}
	labels := []report.Text{{ID: "Bantuan sosial", EN: "Social aid"}, {ID: "CCTV", EN: "CCTV"}, {ID: "Pengadaan barang dan jasa", EN: "Procurement"}, {ID: "Pengaduan masyarakat", EN: "Public complaints"}, {ID: "Pendapatan daerah", EN: "Regional revenue"}, {ID: "Statistik daerah", EN: "Regional statistics"}, {ID: "Pelayanan kesehatan", EN: "Health services"}}
	for d, dev := range []string{"kiosk-7", "kiosk-12", "cam-kp3b", "cam-pandeglang"} {
		at := s.now.Add(-3 * time.Hour)
		st := &report.DeviceState{V: 1, State: report.Online, Session: "5e551011.2", Since: at, Version: "0.1.0", Boot: "b001b001", Epoch: seedEpoch, Site: []string{"Balai Kota Serang", "Pasar Rau", "KP3B gerbang timur", "Alun-alun Pandeglang"}[d], Lat: placeOf(dev)[0], Lon: placeOf(dev)[1], Apps: names}
		if dev == "kiosk-7" {
			st.Streams = []string{"gate", "lobby"}
		} else if dev == "cam-kp3b" {
			st.Streams = []string{"north", "south", "parking"}
		}
		s.commit(store.Arrival{Device: dev, At: at, State: st})
		for i, name := range names {
			days := 61 + i
			a := report.AppState{Name: name, State: report.AppOK, Status: 200, Label: labels[i], URL: "https://" + strings.TrimPrefix(name, "e-") + ".example/", CertDays: &days}
			s.commit(store.Arrival{Device: dev, At: at, App: &a})
		}
	}
	s.commit(store.Arrival{Device: "cam-pandeglang", At: s.now.Add(-44 * time.Minute), State: &report.DeviceState{V: 1, State: report.Offline, Session: "5e551011.2"}})
	six, over := 6, -2
	for _, x := range []struct {
		dev string
		ago time.Duration
		st  report.AppState
	}{
		{"kiosk-12", 4 * time.Minute, report.AppState{Name: "e-bansos", State: report.AppUnreachable, Class: "timeout", Detail: "connect to bansos.example: dial tcp 203.0.113.7:443: i/o timeout", Label: labels[0], URL: "https://bansos.example/"}},
		{"kiosk-7", 90 * time.Second, report.AppState{Name: "e-lpse", State: report.AppSlow, Class: "slow", Detail: "took 7.412s, longer than 5s", Label: labels[2], URL: "https://lpse.example/", CertDays: &six}},
		{"cam-kp3b", 26 * time.Hour, report.AppState{Name: "e-simparda", State: report.AppUnreachable, Class: "tls", Detail: "TLS with simparda.example: x509: certificate has expired or is not yet valid", Label: labels[4], URL: "https://simparda.example/", CertDays: &over}},
		{"kiosk-12", 11 * time.Minute, report.AppState{Name: "e-yankes", State: report.AppWrong, Class: "status", Detail: "status 503, not 2xx", Label: labels[6], URL: "https://yankes.example/"}},
	} {
		s.commit(store.Arrival{Device: x.dev, At: s.now.Add(-x.ago), App: &x.st})
	}
	s.batch("kiosk-7", report.Telemetry, 3, 5, s.now.Add(-time.Minute),
		s.record("kiosk-7", report.Telemetry, 3, s.now, report.ClockSynced, report.KindAppStats, report.AppStats{Name: "e-lpse", TotalMS: 7412, Status: 200}),
		s.record("kiosk-7", report.Telemetry, 4, s.now, report.ClockSynced, report.KindAppStats, report.AppStats{Name: "e-bansos", TotalMS: 84.6, Status: 200}))
	s.batch("cam-kp3b", report.Event, 50, 51, s.now.Add(-26*time.Hour), s.record("cam-kp3b", report.Event, 50, s.now.Add(-26*time.Hour), report.ClockSynced, report.KindApp, report.AppState{Name: "e-simparda", State: report.AppUnreachable, Class: "tls"}))
}

func TestApplicationPages(t *testing.T) {
	srv, _, _ := serve(t, (*seeder).province, (*seeder).applications)
	for path, want := range map[string][]string{
		"/apps?lang=en": {
			"Social aid e-bansos 2 of 3 places can use it", "kiosk-12 Pasar Rau unreachable since 4 min ago No answer in time",
			"Procurement e-lpse 3 of 3 places can use it", "kiosk-7 Balai Kota Serang slow since 1 min ago It takes too long", "7,412 ms 6 days left", "2 days over",
			"cam-pandeglang Alun-alun Pandeglang unknown (ok)", "Its certificate or secure connection is bad", "wrong answer",
		},
		"/apps?lang=id":                {"Bantuan sosial e-bansos 2 dari 3 tempat dapat memakainya", "tak terjangkau", "Tidak menjawab pada waktunya", "85 ms", "hari lagi"},
		"/devices/cam-kp3b?lang=en":    {"e-simparda Regional revenue unreachable since 1 d 2 h ago", "Application e-simparda · unreachable · its certificate or secure connection is bad"},
		"/devices/kiosk-7?lang=id":     {"e-bansos Bantuan sosial baik"},
		"/devices/nobody/apps?lang=en": {"Page not found"},
	} {
		_, html := get(t, srv.URL+path)
		for _, w := range want {
			if !strings.Contains(words(html), w) {
				t.Errorf("%s: no %q in: %s", path, w, words(html))
			}
		}
	}
	_, text := get(t, srv.URL+"/metrics")
	for _, w := range []string{`kentongan_apps{state="ok"} 17`, `kentongan_apps{state="slow"} 1`, `kentongan_apps{state="unreachable"} 2`, `kentongan_apps{state="wrong"} 1`} {
		if !strings.Contains(text, w+"\n") {
			t.Errorf("no %q in /metrics", w)
		}
	}
	_, text = get(t, srv.URL+"/api/v1/apps?device=kiosk-12")
	var answer struct{ Apps []store.App }
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Apps) != 7 || answer.Apps[0].Class != "timeout" || answer.Apps[0].Site != "Pasar Rau" {
		t.Errorf("%v: %s", err, text)
	}
}

func TestNoApplications(t *testing.T) {
	srv, _, _ := serve(t, (*seeder).province)
	for path, want := range map[string]string{"/apps?lang=en": "No device looks at applications yet", "/devices/kiosk-7?lang=en": "This device looks at no applications"} {
		if _, html := get(t, srv.URL+path); !strings.Contains(words(html), want) {
			t.Errorf("%s: no %q in: %s", path, want, words(html))
		}
	}
}

// TestBrowserShowsApplications: the page fits from the narrowest phone to the
// wall, and becomes red by itself.
func TestBrowserShowsApplications(t *testing.T) {
	srv, s, c := serve(t, (*seeder).province, (*seeder).applications)
	b := startChromium(t)
	b.enter(srv.URL, s.room, "sari")
	for _, lang := range []string{"id", "en"} {
		b.Size(320, 900)
		b.Scheme(false)
		b.Open(srv.URL + "/apps?lang=" + lang)
		for _, width := range []int{320, 360, 768, 1280, 1920} {
			b.Size(width, 1080)
			if got := b.Eval("document.documentElement.scrollWidth").(float64); int(got) > width {
				t.Errorf("in %s it is %v pixels wide on a screen of %d: %v", lang, got, width, b.Eval(widest))
			}
			if *screens != "" {
				keep(t, b, "/apps", lang, width, "light")
			}
		}
		for _, dark := range []bool{false, true} {
			b.Scheme(dark)
			if low := b.Eval(contrast); low != "" {
				t.Errorf("in %s, dark %v: low contrast: %v", lang, dark, low)
			}
		}
	}
	b.Until("live", "!document.getElementById('livemark').hidden && !document.getElementById('livemark').classList.contains('off')")
	b.Eval("window.same = true")
	c.Notify(s.commit(store.Arrival{Device: "cam-kp3b", App: &report.AppState{Name: "e-cctv", State: report.AppUnreachable, Class: "dns", Label: report.Text{EN: "CCTV"}, URL: "https://cctv.example/"}}))
	b.Until("the new state", "document.querySelector('[data-live=apps]').innerText.includes('Its name is not found')")
	if b.Eval("window.same === true") != true {
		t.Error("the page was loaded again")
	}
	if e := b.Errors(); len(e) > 0 {
		t.Errorf("the page complains: %s", e)
	}
}
