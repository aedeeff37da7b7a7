package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// TestMetrics scrapes a running agent and reads the text with Prometheus' own
// parser; only this machine may ask.
func TestMetrics(t *testing.T) {
	t.Parallel()
	gate, addr := filmed(t), brokertest.FreeAddress(t)
	l := goLive(t, liveHead+"metrics: {listen: '"+addr+"'}\nstreams: [{name: gate, url: '"+gate.URL()+"'}]\n")
	await(t, func() bool { return l.playing("gate") })
	ask := func(method, path, host string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, ""
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	var text string
	await(t, func() bool {
		_, text = ask("GET", "/metrics", "")
		return strings.Contains(text, "kentongan_stream_up{stream=\"gate\"} 1\n")
	})
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for _, name := range []string{"kentongan_info", "kentongan_backlog_records", "kentongan_alarms", "kentongan_stream_fps", "kentongan_config_refused", "kentongan_resident_memory_bytes"} {
		if f := families[name]; f == nil || f.GetHelp() == "" || len(f.GetMetric()) == 0 {
			t.Errorf("no %s in\n%s", name, text)
		}
	}
	_, port, _ := net.SplitHostPort(addr)
	for _, tt := range []struct {
		method, path, host string
		want               int
	}{{"GET", "/", "", 404}, {"POST", "/metrics", "", 405}, {"GET", "/metrics", "evil.example", 403}, {"GET", "/metrics", "localhost:" + port, 200}, {"GET", "/debug/pprof/", "", 404}} {
		if got, _ := ask(tt.method, tt.path, tt.host); got != tt.want {
			t.Errorf("%s %s as %q: %d, want %d", tt.method, tt.path, tt.host, got, tt.want)
		}
	}
	// Who opens connections and keeps them gets some of them only.
	answered := 0
	const many = 40
	for range many {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if n, _ := c.Read(make([]byte, 1)); n == 1 {
			answered++
		}
	}
	if answered == 0 || answered == many {
		t.Errorf("%d of %d connections that stay open are served", answered, many)
	}
	// It is a unit as others are: off is off.
	l.take(liveHead)
	await(t, func() bool { code, _ := ask("GET", "/metrics", ""); return code == 0 })
}

// TestFiguresAreKept in the runtime directory.
func TestFiguresAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := goLive(t, liveHead)
	l.a.o.RunDir = dir // nothing else reads it: it was empty at the start
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.a.keepFigures(ctx) }()
	var f figures
	await(t, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, StatusFile))
		return err == nil && json.Unmarshal(text, &f) == nil
	})
	if f.Device != "kiosk-7" || f.Line == "" || f.Config.Version == "" {
		t.Errorf("%+v", f)
	}
	// What the page shows is what is read there.
	said, ago, err := ReadSaid(dir)
	page := onPage{l.a}.Status()
	if err != nil || ago > time.Hour || said.Status.Device != page.Device || !reflect.DeepEqual(said.Status.Config, page.Config) || len(said.Status.Lanes) != len(page.Lanes) {
		t.Errorf("said %+v, %v ago, %v; the page has %+v", said.Status, ago, err, page)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
