package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// TestApplicationIsWatched runs the agent, without a broker, against a real web
// server, and reads from its spool what it said.
func TestApplicationIsWatched(t *testing.T) {
	asked := make(chan string, 16)
	site := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.UserAgent():
		default:
		}
	}))
	defer site.Close()
	cfg, err := config.Parse(t.TempDir()+"/kentongan.yaml", []byte(`
device: gateway-1
data: data
uplink: {acknowledge: broker, brokers: [{url: "mqtt://127.0.0.1:1"}]}
apps: [{name: e-lpse, url: "`+site.URL+`/?key=secret", label: {id: Pengadaan, en: Procurement}, every: 10s}]
`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(cfg, Options{Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- a.Run(ctx) }()
	select {
	case agent := <-asked:
		if agent != "kentongan/test (application check)" {
			t.Errorf("user agent %q", agent)
		}
	case err := <-over:
		t.Fatalf("the agent ended: %v", err)
	case <-ctx.Done():
		t.Fatal("nobody asked the application")
	}
	var state report.AppState
	for state.State == "" && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
		state = keptApp(t, cfg.Data)
	}
	if b := a.birth("s.1"); !slices.Equal(b.Apps, []string{"e-lpse"}) || !slices.Contains(b.Capabilities, "apps") {
		t.Errorf("birth %+v", b)
	}
	cancel()
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	if state.Name != "e-lpse" || state.State != report.AppOK || state.URL != site.URL+"/" || state.Label.EN != "Procurement" {
		t.Errorf("state %+v", state)
	}
}

// TestDeadNetworkIsOneAlarm: when no application can be reached any more, that is
// one alarm and not one for each. It uses real clocks and takes some 20 s.
func TestDeadNetworkIsOneAlarm(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer site.Close()
	text := "device: gateway-1\ndata: data\nuplink: {acknowledge: broker, brokers: [{url: \"mqtt://127.0.0.1:1\"}]}\napps:\n"
	names := []string{"e-bansos", "e-cctv", "e-lpse", "e-yankes"}
	for _, n := range names {
		text += fmt.Sprintf("  - {name: %s, url: \"%s/%s\", every: 10s, confirm: 1}\n", n, site.URL, n)
	}
	cfg, err := config.Parse(t.TempDir()+"/kentongan.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(cfg, Options{Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- a.Run(ctx) }()
	kept := func() (good int, alarms []report.Alarm) {
		if _, err := os.Stat(filepath.Join(cfg.Data, "spool", "event")); err != nil {
			return 0, nil // it has only just begun
		}
		events(t, cfg.Data, report.KindApp, func(s report.AppState) {
			if s.State == report.AppOK {
				good++
			}
		})
		events(t, cfg.Data, report.KindAlarm, func(a report.Alarm) { alarms = append(alarms, a) })
		return good, alarms
	}
	var alarms []report.Alarm
	for ctx.Err() == nil && len(alarms) == 0 {
		time.Sleep(200 * time.Millisecond)
		var good int
		if good, alarms = kept(); good >= len(names) {
			site.Close()
		}
	}
	cancel()
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	if len(alarms) != 1 || alarms[0].Source != "group/apps" || alarms[0].Condition != "apps_down" {
		t.Errorf("alarms %+v, want one of the group", alarms)
	}
}

// events reads the bodies of one kind from the event lane of a spool.
func events[T any](t *testing.T, data, kind string, take func(T)) {
	t.Helper()
	v, err := spool.OpenView(filepath.Join(data, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	err = v.Records(report.Event, 1, func(e report.Entry) error {
		r, err := report.DecodeRecord(e.Line)
		if err != nil || r.Kind != kind {
			return err
		}
		var body T
		if err := json.Unmarshal(r.Body, &body); err != nil {
			return err
		}
		take(body)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// keptApp reads the newest state of an application from a spool.
func keptApp(t *testing.T, data string) (s report.AppState) {
	t.Helper()
	events(t, data, report.KindApp, func(a report.AppState) { s = a })
	return s
}
