package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
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

// keptApp reads the newest state of an application from a spool.
func keptApp(t *testing.T, data string) (s report.AppState) {
	t.Helper()
	v, err := spool.OpenView(filepath.Join(data, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	err = v.Records(report.Event, 1, func(e report.Entry) error {
		r, err := report.DecodeRecord(e.Line)
		if err == nil && r.Kind == report.KindApp {
			err = json.Unmarshal(r.Body, &s)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
