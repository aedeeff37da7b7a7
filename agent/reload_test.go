package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/stream/streamtest"
)

// filmed is a real RTSP server whose camera sends a picture ten times a second.
func filmed(t *testing.T) *streamtest.Server {
	t.Helper()
	media := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.H264{PayloadTyp: 96, PacketizationMode: 1}}}
	s, err := streamtest.Start(streamtest.Options{Medias: []*description.Media{media}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := uint16(0); ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			_ = s.WritePacket(media, &rtp.Packet{ // an error is a reader that has gone
				Header:  rtp.Header{Version: 2, Marker: true, PayloadType: 96, SequenceNumber: n, Timestamp: uint32(n) * 9000, SSRC: 1},
				Payload: append([]byte{0x65}, make([]byte, 200)...),
			})
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait(); s.Close() })
	return s
}

// live is an agent whose configuration stands in a real file.
type live struct {
	t      *testing.T
	a      *Agent
	file   string
	log    *syncBuffer
	level  *slog.LevelVar
	again  chan struct{}
	end    context.CancelFunc
	ended  chan error
	socket string
}

// syncBuffer may be written by many goroutines.
type syncBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const liveHead = `device: kiosk-7
data: data
uplink: {acknowledge: broker, brokers: [{url: "mqtt://127.0.0.1:9"}]}
spool: {complaint: 1MiB, event: 1MiB, telemetry: 1MiB}
pictures: {ffmpeg: "off"}
`

func goLive(t *testing.T, text string) *live {
	t.Helper()
	dir := t.TempDir()
	l := &live{t: t, file: filepath.Join(dir, "k.yaml"), log: &syncBuffer{}, level: &slog.LevelVar{}, again: make(chan struct{}), ended: make(chan error, 1), socket: filepath.Join(dir, "board.sock")}
	l.save(text)
	cfg, err := config.Load(l.file)
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	log := slog.New(slog.NewMultiHandler(
		slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: l.level}),
		slog.NewTextHandler(&startLog{started: started}, nil)))
	if l.a, err = New(cfg, Options{Version: "test", Log: log, Level: l.level, Reload: l.again}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	l.end = cancel
	go func() { l.ended <- l.a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-l.ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-started:
	case err := <-l.ended:
		l.ended <- err
		t.Fatal(err)
	}
	return l
}

// save renames a new text into place.
func (l *live) save(text string) {
	l.t.Helper()
	if err := os.WriteFile(l.file+".new", []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(l.file+".new", l.file); err != nil {
		l.t.Fatal(err)
	}
}

// take saves a text and waits until it counts.
func (l *live) take(text string) {
	l.t.Helper()
	l.save(text)
	await(l.t, func() bool { return l.a.ConfigStatus().Version == config.VersionOf(text) })
}

// told are the config events that are on the disk.
func (l *live) told() (all []report.Config) {
	l.t.Helper()
	for _, rec := range records(l.t, l.a.spool, report.Event) {
		var c report.Config
		if rec.Kind != report.KindConfig {
			continue
		}
		if err := json.Unmarshal(rec.Body, &c); err != nil {
			l.t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func (l *live) playing(name string) bool {
	w := l.a.watcher(name)
	return w != nil && w.Status().State.State == "playing"
}

// unit returns a running unit.
func (l *live) unit(name string) *unit {
	for _, u := range l.a.crew.all() {
		if u.name == name {
			return u
		}
	}
	return nil
}

// TestReloadDisturbsNobodyElse changes one thing after another of a running agent,
// with real cameras: the session of a camera that is not changed goes on, and its
// packets are counted on.
func TestReloadDisturbsNobodyElse(t *testing.T) {
	t.Parallel()
	gate, yard := filmed(t), filmed(t)
	const kiosk = `board: {driver: sim, socket: board.sock}
kiosk:
  number: 7
  buttons: [{name: road, line: GPIO17, service_code: x, category: y, label: {id: a, en: b}}]
  lamps: {saved: {line: %s}}
lines: [{name: door, kind: door, line: %s}]
apps: [{name: bansos, url: "http://127.0.0.1:9/", label: {id: a, en: b}}]
log: {level: %s}
streams:
  - {name: gate, url: "%s", silent_after: 10m} # a busy machine sends no picture for seconds
`
	text := func(lamp, door, level, more string) string {
		return liveHead + fmt.Sprintf(kiosk, lamp, door, level, gate.URL()) + more
	}
	yardAt := func(silent string) string {
		return fmt.Sprintf("  - {name: yard, url: %q, silent_after: %s}\n", yard.URL(), silent)
	}
	l := goLive(t, text("GPIO22", "GPIO6", "info", ""))
	await(t, func() bool { return l.playing("gate") && l.unit("app bansos") != nil })
	watcher, packets := l.a.watcher("gate"), uint64(0)
	units := map[string]*unit{}
	for _, u := range l.a.crew.all() {
		units[u.name] = u
	}
	// same sees that all units but these are the ones of before.
	same := func(what string, changed ...string) {
		t.Helper()
		for _, u := range l.a.crew.all() {
			if was := units[u.name]; (was != u) != slices.Contains(changed, u.name) {
				t.Errorf("%s: unit %s is another: %v", what, u.name, was != u)
			}
			units[u.name] = u
		}
		if l.a.watcher("gate") != watcher || gate.Readers() != 1 {
			t.Errorf("%s: the gate is watched by another, %d readers", what, gate.Readers())
		}
		before := packets // since the session began
		await(t, func() bool { packets = watcher.Status().Measure.Packets; return packets != before })
		if s := watcher.Status().State; s.State != "playing" || packets < before {
			t.Errorf("%s: the gate is %s, %d packets after %d", what, s.State, packets, before)
		}
	}
	same("at the start")

	l.take(text("GPIO22", "GPIO6", "info", yardAt("5s")))
	await(t, func() bool { return l.playing("yard") })
	same("a camera more", "stream yard")
	l.take(text("GPIO22", "GPIO6", "info", yardAt("6s")))
	await(t, func() bool { return l.playing("yard") })
	same("a camera changed", "stream yard")
	l.take(text("GPIO22", "GPIO6", "info", ""))
	await(t, func() bool { return l.a.watcher("yard") == nil && yard.Readers() == 0 })
	same("a camera less")
	l.take(text("GPIO23", "GPIO6", "info", ""))
	same("a lamp", "kiosk")
	l.take(text("GPIO23", "GPIO22", "info", "")) // the line that the lamp had
	same("a sensor", "sensors")
	l.take(text("GPIO23", "GPIO22", "debug", ""))
	same("the log's level")
	if l.level.Level() != slog.LevelDebug {
		t.Errorf("the level is %v", l.level.Level())
	}
	l.take(strings.Replace(text("GPIO23", "GPIO22", "debug", ""), "127.0.0.1:9\"}]}", "127.0.0.1:10\"}]}", 1))
	same("the broker")
	await(t, func() bool { return strings.HasSuffix(l.a.uplink.Status().Broker, ":10") })
	l.take(strings.Replace(text("GPIO23", "GPIO22", "debug", ""), "label: {id: a, en: b}}]\n  lamps", "label: {id: c, en: d}}]\n  lamps", 1))
	same("a button, and the broker of before", "kiosk")

	var changed []string
	await(t, func() bool { return len(l.told()) == 8 })
	for _, c := range l.told() {
		changed = append(changed, strings.Join(append([]string{c.State}, c.Changed...), " "))
	}
	want := []string{
		"applied streams[yard].name streams[yard].silent_after streams[yard].url",
		"applied streams[yard].silent_after",
		"", // as the first
		"applied kiosk.lamps.saved.line", "applied lines[door].line", "applied log.level", "applied uplink.brokers[0].url",
		"applied kiosk.buttons[road].label.en kiosk.buttons[road].label.id uplink.brokers[0].url",
	}
	want[2] = want[0]
	if !slices.Equal(changed, want) {
		t.Errorf("told %q\nwant %q", changed, want)
	}
}

// TestReloadThatCannotBeTaken: the old one stays, and everybody is told why.
func TestReloadThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	good := liveHead + "apps: [{name: bansos, url: \"http://127.0.0.1:9/\", label: {id: a, en: b}}]\n"
	l := goLive(t, good)
	await(t, func() bool { return l.unit("app bansos") != nil })
	app := l.unit("app bansos")
	l.save(liveHead + "apps: [{name: bansos, url: \"http://127.0.0.1:9/\", label: {id: a, en: b}, every: 10}]\n")
	await(t, func() bool { return l.a.ConfigStatus().RefusedAt != nil })
	s := l.a.ConfigStatus()
	if s.Version != config.VersionOf(good) || len(s.Problems) != 1 || s.Problems[0].Line != 6 || s.Problems[0].Column != 81 || s.Problems[0].Path != "apps[0].every" || !strings.HasPrefix(s.Problems[0].Text, `"10" has no unit`) {
		t.Errorf("status %+v", s)
	}
	if line := l.a.oneLine(); !strings.Contains(line, "configuration not taken: line 6: apps[0].every \"10\" has no unit") {
		t.Errorf("systemd is told %q", line)
	}
	await(t, func() bool { return len(l.told()) == 1 })
	if e := l.told()[0]; e.State != report.ConfigRefused || e.Line != 6 || e.Column != 81 || e.Path != "apps[0].every" || e.Problems != 1 {
		t.Errorf("told %+v", e)
	}
	if log := l.log.String(); !strings.Contains(log, "configuration not taken") || !strings.Contains(log, "line=6") {
		t.Errorf("the log is silent: %s", log)
	}
	if l.unit("app bansos") != app {
		t.Error("the application is checked by another")
	}
	// What was wrong is mended, and nothing is different from before.
	l.save(good)
	await(t, func() bool { return l.a.ConfigStatus().RefusedAt == nil })
	if l.unit("app bansos") != app {
		t.Error("the application is checked by another")
	}
	// What can't be changed live is told; the rest counts.
	l.take(strings.Replace(good, "event: 1MiB", "event: 2MiB", 1) + "site: {name: Balai}\nkiosk: {number: 7, buttons: [{name: road, line: GPIO17, service_code: x, category: y, label: {id: a, en: b}}]}\nboard: {driver: sim, socket: board.sock}\n")
	s = l.a.ConfigStatus()
	if want := []string{"board.driver", "board.socket", "spool.event", "kiosk"}; !slices.Equal(s.NeedsRestart, want) || s.By == "" {
		t.Errorf("needs a restart: %q by %q, want %q", s.NeedsRestart, s.By, want)
	}
	if c := l.a.current(); c.Site.Name != "Balai" || len(c.Kiosk.Buttons) != 0 || c.Spool.Event != 1<<20 {
		t.Errorf("runs with\n%s", c)
	}
	// And it goes away again.
	l.take(good)
	if s := l.a.ConfigStatus(); s.NeedsRestart != nil || s.By != "" {
		t.Errorf("needs a restart: %q", s.NeedsRestart)
	}
	await(t, func() bool { return len(l.told()) == 4 })
}

// TestReloadOfAPassword: a camera whose password file changes is asked anew.
func TestReloadOfAPassword(t *testing.T) {
	t.Parallel()
	cam, err := streamtest.Start(streamtest.Options{Username: "ops", Password: "second", Medias: []*description.Media{{Type: description.MediaTypeVideo, Formats: []format.Format{&format.H264{PayloadTyp: 96, PacketizationMode: 1}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cam.Close)
	secret := filepath.Join(t.TempDir(), "camera.secret")
	if err := os.WriteFile(secret, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := goLive(t, liveHead+fmt.Sprintf("streams: [{name: gate, url: %q, username: ops, password_file: %q}]\n", cam.URL(), secret))
	await(t, func() bool { return l.a.watcher("gate").Status().State.Class == "auth" })
	if err := os.WriteFile(secret, []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return cam.Readers() == 1 })
}

// TestReloadOnDemand: a look that somebody asks for, and a part that can't be made
// though the file is good.
func TestReloadOnDemand(t *testing.T) {
	t.Parallel()
	l := goLive(t, liveHead)
	l.again <- struct{}{}
	l.take(liveHead + "stats_every: 5s\n")
	if l.unit("stats").key == "" || l.a.current().StatsEvery != 5*time.Second {
		t.Errorf("runs with\n%s", l.a.current())
	}
}
