package console_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/rollout"
	"kentongan/cmd/kentongan-centre/internal/store"
)

const seedEpoch report.Epoch = 0x0f3a9c1d2e4b5a67

// noon is the clock of the seeded pages: 23 Nov 2026 13.00.00 WIB.
var noon = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// seeder fills a store as a province would.
type seeder struct {
	t    *testing.T
	st   *store.Store
	room *access.Room
	now  time.Time

	lead  *rollout.Conductor
	later []func() // once the conductor is there
}

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	st, err := store.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return st
}

func (s *seeder) commit(a store.Arrival) store.Committed {
	s.t.Helper()
	if a.At.IsZero() {
		a.At = s.now
	}
	done, err := s.st.Commit(context.Background(), []store.Arrival{a})
	if err != nil {
		s.t.Fatal(err)
	}
	return done
}

func (s *seeder) state(dev, state, site string, at time.Time, streams ...string) {
	s.commit(store.Arrival{Device: dev, At: at, State: &report.DeviceState{V: 1, State: state, Session: "5e551011.1", Since: at, Version: "0.1.0", Boot: "b001b001", Epoch: seedEpoch, Site: site, Lat: placeOf(dev)[0], Lon: placeOf(dev)[1], Streams: streams}})
}

// placeOf is where a seeded device stands; the province beside it has many.
func placeOf(dev string) [2]float64 {
	if at, ok := map[string][2]float64{"kiosk-12": {-6.1128, 106.1621}, "cam-kp3b": {-6.1736, 106.1583}, "cam-pandeglang": {-6.3084, 106.1066}, "kiosk-9": {-6.6, 106.3}}[dev]; ok {
		return at
	}
	return [2]float64{-6.12013, 106.15027}
}

// fleet adds so many devices in the towns of the province, of which every
// eleventh is offline.
func (s *seeder) fleet(n int) {
	towns := [][2]float64{{-6.02, 106.03}, {-6.18, 106.63}, {-6.30, 106.69}, {-6.37, 106.26}, {-6.39, 105.86}, {-6.77, 106.05}, {-6.90, 106.25}, {-6.31, 106.10}}
	var group []store.Arrival
	for i := range n {
		at := towns[i%len(towns)]
		state := report.DeviceState{V: 1, State: report.Online, Session: "5e551011.1", Since: s.now, Version: "0.1.0", Site: fmt.Sprintf("Kantor %d", i+1),
			Lat: at[0] + float64(i%17)*0.006, Lon: at[1] + float64(i%23)*0.005}
		id := fmt.Sprintf("cam-%04d", i+1)
		group = append(group, store.Arrival{Device: id, At: s.now.Add(-30 * time.Second), State: &state})
		if i%11 == 3 {
			off := state
			off.State = report.Offline
			group = append(group, store.Arrival{Device: id, At: s.now.Add(-20 * time.Second), State: &off})
		}
	}
	if _, err := s.st.Commit(context.Background(), group); err != nil {
		s.t.Fatal(err)
	}
}

// history adds an hour of measurements of the streams of kiosk-7, with a fall
// and a silence, and two weeks of looks at the applications.
func (s *seeder) history() {
	seq := uint64(100)
	var rs []report.Received
	add := func(at time.Time, kind string, body any) {
		rs = append(rs, s.record("kiosk-7", report.Telemetry, seq, at, report.ClockSynced, kind, body))
		seq++
	}
	for n := range 120 {
		at := s.now.Add(-time.Hour + time.Duration(n)*30*time.Second)
		fps := 25.0
		if n > 40 && n < 52 {
			fps = 9.5
		}
		if n < 70 || n > 80 {
			add(at, report.KindStreamStats, report.StreamStats{Name: "gate", FPS: fps, BitsPerS: int64(fps*90_000) + int64(n%7)*20_000, SinceFrameMS: 38})
		}
	}
	for day := range 14 {
		for n, app := range []string{"e-bansos", "e-cctv", "e-lpse", "e-pormas", "e-simparda", "e-statistik", "e-yankes"} {
			for look := range 40 {
				class := ""
				if (n == 2 && day > 9 && look%3 == 0) || (n == 4 && day == 5 && look == 7) {
					class = "timeout"
				}
				add(s.now.Add(-time.Duration(14-day)*24*time.Hour+time.Duration(look)*20*time.Minute+11*time.Hour), report.KindAppStats, report.AppStats{Name: app, Class: class, TotalMS: 200})
			}
		}
	}
	for len(rs) > 0 {
		n := min(len(rs), 500)
		first := rs[0].Seq
		s.batch("kiosk-7", report.Telemetry, first, first+uint64(n), s.now.Add(-time.Second), rs[:n]...)
		rs = rs[n:]
	}
}

func (s *seeder) stream(dev string, st report.StreamState, at time.Time) {
	s.commit(store.Arrival{Device: dev, At: at, Stream: &st})
}

func (s *seeder) record(dev string, lane report.Lane, seq uint64, made time.Time, clock report.Clock, kind string, body any) report.Received {
	s.t.Helper()
	r, err := report.NewRecord(dev, lane, seedEpoch, seq, report.Hash{}, report.Stamp{Time: made, Clock: clock, Boot: "b001b001", Uptime: time.Duration(seq) * time.Minute}, kind, body)
	if err != nil {
		s.t.Fatal(err)
	}
	line, err := r.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	return report.Received{Record: r, Line: line}
}

func (s *seeder) batch(dev string, lane report.Lane, first, next uint64, at time.Time, rs ...report.Received) {
	s.commit(store.Arrival{Device: dev, At: at, Batch: &report.Batch{Head: report.Head{Lane: lane, Epoch: seedEpoch, First: first, Next: next}, Records: rs}})
}

// batchTold is batch, and tells the console of it.
func (s *seeder) batchTold(tell func(store.Committed), dev string, lane report.Lane, first, next uint64, rs ...report.Received) {
	tell(s.commit(store.Arrival{Device: dev, Batch: &report.Batch{Head: report.Head{Lane: lane, Epoch: seedEpoch, First: first, Next: next}, Records: rs}}))
}

var buttons = []report.Press{
	{Category: "infrastruktur", ServiceCode: "jalan-rusak", Label: report.Text{ID: "Jalan rusak", EN: "Damaged road"}},
	{Category: "kebersihan", ServiceCode: "sampah", Label: report.Text{ID: "Sampah menumpuk", EN: "Rubbish piling up"}},
	{Category: "penerangan", ServiceCode: "lampu-mati", Label: report.Text{ID: "Lampu jalan mati", EN: "Street light out"}},
	{Category: "bansos", ServiceCode: "bansos", Label: report.Text{ID: "Bantuan sosial belum diterima", EN: "Social aid not received"}},
}

func (s *seeder) press(dev string, kiosk uint32, seq uint64, made time.Time, clock report.Clock) report.Received {
	p := buttons[seq%4]
	p.Ticket, p.Line, p.Presses = report.NewTicket(kiosk, seq).String(), "GPIO17", 1+int(seq)%5/4
	return s.record(dev, report.Complaint, seq, made, clock, report.KindPress, p)
}

// province is a day with nearly everything that can be shown.
func (s *seeder) province() {
	at := s.now
	s.state("kiosk-7", report.Online, "Balai Kota Serang", at.Add(-3*time.Hour), "gate", "lobby")
	s.state("kiosk-12", report.Online, "Pasar Rau", at.Add(-26*time.Hour))
	s.state("cam-kp3b", report.Online, "KP3B gerbang timur", at.Add(-5*24*time.Hour), "north", "south", "parking")
	s.state("cam-pandeglang", report.Online, "Alun-alun Pandeglang", at.Add(-2*time.Hour), "alun-alun")
	s.state("cam-pandeglang", report.Offline, "", at.Add(-44*time.Minute))
	playing := report.StreamState{State: "playing", Codec: "H264", Width: 1920, Height: 1080, Proto: "tcp"}
	for _, x := range []struct{ dev, name string }{{"kiosk-7", "gate"}, {"cam-kp3b", "north"}, {"cam-pandeglang", "alun-alun"}} {
		playing.Name = x.name
		s.stream(x.dev, playing, at.Add(-3*time.Hour))
	}
	s.stream("kiosk-7", report.StreamState{Name: "lobby", State: "silent", Codec: "JPEG", Width: 640, Height: 480, Proto: "udp"}, at.Add(-95*time.Second))
	s.stream("cam-kp3b", report.StreamState{Name: "south", State: "failed", Class: "auth", Attempts: 41}, at.Add(-7*time.Hour))
	s.stream("cam-kp3b", report.StreamState{Name: "parking", State: "failed", Class: "timeout", Attempts: 3}, at.Add(-4*time.Minute))
	for seq := uint64(1); seq <= 14; seq++ {
		made := at.Add(-time.Duration(15-seq) * 11 * time.Minute)
		s.batch("kiosk-7", report.Complaint, seq, seq+1, made.Add(300*time.Millisecond), s.press("kiosk-7", 7, seq, made, report.ClockSynced))
	}
	s.batch("kiosk-12", report.Complaint, 1, 4, at.Add(-20*time.Minute), s.press("kiosk-12", 12, 1, at.Add(-3*time.Hour), report.ClockSynced), s.press("kiosk-12", 12, 2, at.Add(-2*time.Hour), report.ClockEstimated), s.press("kiosk-12", 12, 3, time.Unix(60, 0), report.ClockUnset))
	s.batch("kiosk-7", report.Event, 1, 5, at.Add(-90*time.Second),
		s.record("kiosk-7", report.Event, 1, at.Add(-3*time.Hour), report.ClockUnset, report.KindBoot, report.Boot{Version: "0.1.0", Arch: "arm", Epoch: seedEpoch}),
		s.record("kiosk-7", report.Event, 2, at.Add(-3*time.Hour), report.ClockSynced, report.KindClock, report.ClockSet{Boot: "b001b001", BootedAt: at.Add(-3 * time.Hour), StepMS: 1795000000000, Clock: report.ClockSynced}),
		s.record("kiosk-7", report.Event, 3, at.Add(-95*time.Second), report.ClockSynced, report.KindStream, report.StreamState{Name: "lobby", State: "silent"}),
		s.record("kiosk-7", report.Event, 4, at.Add(-time.Minute), report.ClockSynced, report.KindLine, report.LineState{Line: "GPIO24", State: "stuck", Detail: "low for 60 s"}))
	s.batch("kiosk-12", report.Event, 1, 2, at.Add(-19*time.Minute), s.record("kiosk-12", report.Event, 1, at.Add(-20*time.Minute), report.ClockSynced, report.KindGap, report.Gap{Lane: report.Telemetry, Epoch: seedEpoch, From: 400, To: 899, Count: 500, Reason: report.GapFull}))
	var stats []report.Received
	for n, name := range []string{"gate", "lobby"} {
		stats = append(stats, s.record("kiosk-7", report.Telemetry, uint64(n+1), at, report.ClockSynced, report.KindStreamStats, report.StreamStats{Name: name, WindowMS: 10000, FPS: 24.96, BitsPerS: 2_384_000, SinceFrameMS: 38}))
	}
	s.batch("kiosk-7", report.Telemetry, 1, 3, at.Add(-3*time.Second), stats...)
	s.batch("cam-kp3b", report.Telemetry, 1, 2, at.Add(-4*time.Second), s.record("cam-kp3b", report.Telemetry, 1, at, report.ClockSynced, report.KindStreamStats, report.StreamStats{Name: "north", FPS: 15, BitsPerS: 812_000, SinceFrameMS: 61}))
}

// wound adds what must never happen: numbers gone, and a number with two contents.
func (s *seeder) wound() {
	at := s.now.Add(-10 * time.Minute)
	s.batch("cam-kp3b", report.Event, 1, 3, at, s.record("cam-kp3b", report.Event, 1, at, report.ClockSynced, report.KindUplink, report.UplinkState{State: "connected"}), s.record("cam-kp3b", report.Event, 2, at, report.ClockSynced, report.KindUplink, report.UplinkState{State: "lost", Reason: "timeout"}))
	s.batch("cam-kp3b", report.Event, 6, 9, at, s.record("cam-kp3b", report.Event, 6, at, report.ClockSynced, report.KindUplink, report.UplinkState{State: "connected"}))
	s.batch("kiosk-7", report.Complaint, 15, 15, at, s.record("kiosk-7", report.Complaint, 3, at, report.ClockSynced, report.KindPress, buttons[0]))
}

// hostile adds names and texts that try to be markup.
func (s *seeder) hostile() {
	evil := `<script>alert(1)</script>"'>`
	s.state("kiosk-9", report.Online, evil, s.now)
	p := report.Press{Ticket: evil, Category: evil, Label: report.Text{ID: evil, EN: evil}, Line: evil}
	s.batch("kiosk-9", report.Complaint, 1, 2, s.now, s.record("kiosk-9", report.Complaint, 1, s.now, report.ClockSynced, report.KindPress, p))
	s.stream("kiosk-9", report.StreamState{Name: "cam", State: evil, Class: evil, Codec: evil, Detail: evil}, s.now)
	s.batch("kiosk-9", report.Event, 1, 2, s.now, s.record("kiosk-9", report.Event, 1, s.now, report.ClockSynced, evil, map[string]string{"a": evil}))
}
