package agent

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/stream"
)

// TestWatchedStreams: which of a camera's streams are watched, each against its
// own contract, and which of them may have the camera rebooted.
func TestWatchedStreams(t *testing.T) {
	for watch, want := range map[string][]string{
		config.WatchMain: {"gate rtsp://10.0.0.5/main 25 recovers"},
		config.WatchSub:  {"gate rtsp://10.0.0.5/sub 10 recovers"},
		config.WatchBoth: {"gate rtsp://10.0.0.5/main 25 recovers", "gate_sub rtsp://10.0.0.5/sub 10"},
	} {
		c := config.Stream{
			Name: "gate", URL: "rtsp://10.0.0.5/main", SubURL: "rtsp://10.0.0.5/sub", Watch: watch, Shared: true,
			Expect: config.Expect{FPS: 25}, SubExpect: config.Expect{FPS: 10},
			Recovery: config.Recovery{After: time.Minute, Every: time.Hour, Power: config.Relay{Line: "GPIO5"}},
		}
		a := &Agent{cfg: &config.Config{Data: t.TempDir()}, o: Options{Log: slog.New(slog.DiscardHandler)}, clock: &clock{}, board: noBoard{}}
		all, err := a.streamConfigs(a.cfg, c)
		if err != nil {
			t.Fatal(err)
		}
		var got, names []string
		for _, s := range all {
			text := s.Name + " " + s.URL + map[float64]string{25: " 25", 10: " 10"}[s.Expect.FPS]
			if s.Recovery.Power != nil {
				text += " recovers"
			}
			got, names = append(got, text), append(names, s.Name)
			if !s.Shared {
				t.Errorf("%s: %s is not shared", watch, s.Name)
			}
			if s.Sub != (s.URL == c.SubURL) {
				t.Errorf("%s: %s is called the sub-stream: %v", watch, s.URL, s.Sub)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("watch %s: %q, want %q", watch, got, want)
		}
		if !slices.Equal(names, c.Watched()) {
			t.Errorf("watch %s: %q are watched, the configuration says %q", watch, names, c.Watched())
		}
	}
}

func TestExpected(t *testing.T) {
	got := expected(config.Expect{Codec: "H265", Profile: "main10", Width: 3840, Height: 2160, FPS: 12.5, Bitrate: 8192, GOP: 50})
	want := stream.Expect{Codec: stream.H265, Profile: "main10", Width: 3840, Height: 2160, FPS: 12.5, Bitrate: 8_192_000, GOP: 50}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestStreamsThatCannotBeWatched: a camera whose password or authority is not on
// the disk any more fails alone, is told, and keeps nothing else from starting.
func TestStreamsThatCannotBeWatched(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Parse("kentongan.yaml", []byte(`
device: kiosk-7
data: `+dir+`
uplink: {acknowledge: broker, brokers: [{url: "mqtt://127.0.0.1"}]}
pictures: {ffmpeg: "off"}
streams:
  - {name: gate, url: "rtsp://127.0.0.1:1/", username: ops, password_file: `+dir+`/gone}
  - {name: hall, url: "rtsps://127.0.0.1:1/", ca: `+dir+`/gone.pem}
  - {name: yard, url: "rtsp://127.0.0.1:1/"}
`))
	if err != nil {
		t.Fatal(err)
	}
	k := &disk{}
	log := slog.New(slog.DiscardHandler)
	a := &Agent{cfg: cfg, o: Options{Log: log}, clock: &clock{}, board: noBoard{}, watchers: map[string]*stream.Watcher{}, journal: newJournal("kiosk-7", k, k, log), crew: newCrew(), site: stream.NewSite()}
	a.now.Store(cfg)
	a.journal.alarms = a.newAlarms(cfg)
	units, err := a.makeUnits()
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range units {
		if u.begin != nil {
			u.begin()
		}
	}
	if len(a.watchers) != 1 || a.watchers["yard"] == nil {
		t.Errorf("%d watched, want yard alone", len(a.watchers))
	}
	a.journal.close()
	a.journal.run()
	if n := strings.Count(strings.Join(k.did, "\n"), "kept stream failed"); n != 2 {
		t.Errorf("%q, want two streams that failed", k.did)
	}
}
