package agent

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/alarm"
	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/stream"
)

// TestEveryConditionIsInTheCatalogue reads what a stream can find.
func TestEveryConditionIsInTheCatalogue(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("stream", "finding.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range alarm.Catalogue() {
		known[string(c.Kind)+" "+c.Name] = true
	}
	found := 0
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(v.Names[0].Name, "Cond") {
			return true
		}
		name, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if found++; !known["stream "+name] {
			t.Errorf("%s (%q) has no row in the alarms' catalogue", v.Names[0].Name, name)
		}
		return true
	})
	if found < 16 {
		t.Errorf("found %d conditions in finding.go, want all of them", found)
	}
}

func TestAlarmGroups(t *testing.T) {
	c := &config.Config{
		Groups: []config.Group{{Name: "sw", Kind: "switch", Label: "Lantai 2"}},
		Streams: []config.Stream{
			{Name: "a", URL: "rtsp://10.0.0.1/1", Group: "sw"},
			{Name: "b", URL: "rtsp://10.0.0.1:8554/2", Group: "sw"},
			{Name: "c", URL: "rtsps://NVR.example/1"},
			{Name: "d", URL: "rtsp://nvr.example/2", Group: "sw"},
			{Name: "e", URL: "rtsp://10.0.0.9/1"},
			{Name: "f", URL: "rtsp://[fe80::1]/1"},
			{Name: "g", URL: "rtsp://[fe80::1]/2"},
		},
	}
	var got []string
	for _, g := range alarmGroups(c) {
		if !report.ValidName(g.Name) {
			t.Errorf("name %q", g.Name)
		}
		got = append(got, g.Name+" "+g.Kind+" "+g.Label+" "+strings.Join(g.Members, ","))
	}
	want := []string{
		"sw switch Lantai 2 stream/a,stream/b,stream/d", "address-10-0-0-1 address 10.0.0.1 stream/a,stream/b",
		"address-nvr-example address nvr.example stream/c,stream/d", "address-fe80--1 address fe80::1 stream/f,stream/g",
	}
	if !slices.Equal(got, want) {
		t.Errorf("groups %q, want %q", got, want)
	}
}

func TestAddressNamesAreNamesAndDiffer(t *testing.T) {
	taken := map[string]bool{}
	for _, host := range []string{"10.0.0.1", "10-0-0-1", "kamera.simpang-ciceri.serang.bantenprov.go.id", "xn--kamera.simpang-ciceri.serang.bantenprov.go.id", "_"} {
		if name := addressName(host, taken); !report.ValidName(name) {
			t.Errorf("%s is called %q", host, name)
		}
	}
	if len(taken) != 5 {
		t.Errorf("names %v, want five", taken)
	}
}

// TestNothingNewBecomesAlarm: where releases are looked for, that there is nothing new
// is an alarm; where they only come by order, there is nothing to look at.
func TestNothingNewBecomesAlarm(t *testing.T) {
	for name, tt := range map[string]struct {
		update config.Update
		want   string
	}{
		"looked for": {config.Update{Dir: "/fw", URL: "https://x/fw", StaleAfter: time.Hour}, "kept alarm raised update_stale, kept alarm cleared update_stale"},
		"by order":   {config.Update{Dir: "/fw", StaleAfter: time.Hour}, ""},
		"never":      {config.Update{Dir: "/fw", URL: "https://x/fw"}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := &config.Config{Device: "kiosk-7", Data: t.TempDir(), Update: tt.update}
			log := slog.New(slog.NewTextHandler(io.Discard, nil))
			d := &disk{}
			a := &Agent{cfg: cfg, o: Options{Log: log}, journal: newJournal("kiosk-7", d, d, log)}
			a.journal.alarms = a.newAlarms(cfg)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- a.journal.alarms.Run(ctx) }()
			go a.journal.run()
			a.journal.staleFound(true, "in 45 days of uptime")
			time.Sleep(time.Minute)
			a.journal.staleFound(false, "")
			time.Sleep(time.Minute)
			cancel()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			a.journal.close()
			synctest.Wait()
			var events []string
			for _, did := range d.did {
				if strings.HasPrefix(did, "kept alarm") {
					events = append(events, did)
				}
			}
			if got := strings.Join(events, ", "); got != tt.want {
				t.Errorf("%s: %q, want %q", name, got, tt.want)
			}
		})
	}
}

// TestStreamBecomesAlarm goes from a stream's findings to the event and the
// retained set, in this order.
func TestStreamBecomesAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &config.Config{Device: "kiosk-7", Data: t.TempDir(), Streams: []config.Stream{{Name: "gate", URL: "rtsp://10.0.0.1/1"}}}
		log := slog.New(slog.NewTextHandler(io.Discard, nil))
		d := &disk{}
		a := &Agent{cfg: cfg, o: Options{Log: log}, journal: newJournal("kiosk-7", d, d, log)}
		a.journal.alarms = a.newAlarms(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.journal.alarms.Run(ctx) }()
		go a.journal.run()
		found := func(condition string, present bool) {
			a.journal.StreamFound("gate", stream.Finding{Condition: condition, Present: present, Confidence: 1})
		}
		found(stream.CondSilent, true)
		time.Sleep(time.Second)
		found(stream.CondDown, true)
		time.Sleep(7 * time.Second)
		found(stream.CondDown, false)
		found(stream.CondSilent, false)
		time.Sleep(12 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		a.journal.close()
		synctest.Wait()
		var events []string
		for _, did := range d.did {
			if strings.HasPrefix(did, "kept alarm") {
				events = append(events, did)
			}
		}
		want := []string{"kept alarm raised silent", "kept alarm raised down", "kept alarm hidden silent", "kept alarm cleared down", "kept alarm cleared silent"}
		if !slices.Equal(events, want) || !slices.Contains(d.did, "said kentongan/v1/kiosk-7/state/alarms") {
			t.Errorf("did %q, want %q and the set", d.did, want)
		}
		if text, err := loadFile(filepath.Join(cfg.Data, "alarms.json"), maxAlarmsFile); err != nil || len(text) == 0 {
			t.Errorf("memory %q: %v", text, err)
		}
	})
}
