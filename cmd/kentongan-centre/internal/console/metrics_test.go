package console_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"kentongan/agent/report"
)

// surroundings makes a kiosk that has a sensor and a contact.
func (s *seeder) surroundings() {
	heat, damp := 41.5, 62.0
	s.batch("kiosk-7", report.Telemetry, 900, 901, s.now, s.record("kiosk-7", report.Telemetry, 900, s.now, report.ClockSynced, report.KindReading, report.Reading{Sensor: "panel", Temperature: &heat, Humidity: &damp}))
	s.batch("kiosk-7", report.Event, 900, 901, s.now, s.record("kiosk-7", report.Event, 900, s.now, report.ClockSynced, report.KindInput, report.InputState{Line: "mains", Kind: "mains", Active: true}))
}

// Names and units are as Prometheus wants them, and docs/reference/metrics.md has
// all of them. KENTONGAN_UPDATE=1 writes it again.
func TestMetricsNames(t *testing.T) {
	srv, _, _ := serve(t, func(s *seeder) { s.province(); s.trouble(); s.surroundings() })
	var table strings.Builder
	for _, path := range []string{"/metrics", "/metrics/devices"} {
		res, body := get(t, srv.URL+path)
		if res.StatusCode != 200 {
			t.Fatalf("%s: %s", path, res.Status)
		}
		problems, err := promlint.New(strings.NewReader(body)).Lint()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s: %s", path, p.Metric, p.Text)
		}
		fmt.Fprintf(&table, "## `%s`\n\n| name | type | meaning |\n| --- | --- | --- |\n", path)
		help := regexp.MustCompile(`(?m)^# HELP (\S+) (.+)\n# TYPE \S+ (\S+)$`)
		found := help.FindAllStringSubmatch(body, -1)
		slices.SortFunc(found, func(a, b []string) int { return strings.Compare(a[1], b[1]) })
		for _, m := range found {
			if !strings.HasPrefix(m[1], "kentongan_") {
				t.Errorf("%s does not begin with kentongan_", m[1])
			}
			fmt.Fprintf(&table, "| `%s` | %s | %s |\n", m[1], m[3], m[2])
		}
		table.WriteString("\n")
	}
	const file = "../../../../docs/reference/metrics.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "## ")
	want := before + strings.TrimRight(table.String(), "\n") + "\n"
	if os.Getenv("KENTONGAN_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("docs/reference/metrics.md is not what the centre says; run KENTONGAN_UPDATE=1 go test -run TestMetricsNames ./cmd/kentongan-centre/internal/console")
	}
}

func TestDeviceMetrics(t *testing.T) {
	srv, _, _ := serve(t, func(s *seeder) { s.province(); s.surroundings() })
	_, body := get(t, srv.URL+"/metrics/devices")
	for _, want := range []string{
		`kentongan_device_up{device="kiosk-7"} 1`, `kentongan_sensor_temperature_celsius{device="kiosk-7",sensor="panel"} 41.5`,
		`kentongan_sensor_humidity_ratio{device="kiosk-7",sensor="panel"} 0.62`, `kentongan_input_active{device="kiosk-7",input="mains",kind="mains"} 1`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("no line %q in:\n%s", want, body)
		}
	}
	seen := regexp.MustCompile(`kentongan_device_last_seen_timestamp_seconds\{device="kiosk-7"\} (\S+)`).FindStringSubmatch(body)
	if seen == nil || len(seen[1]) < len(fmt.Sprint(time.Now().Unix())) {
		t.Errorf("last seen %q, want seconds since 1970", seen)
	}
}
