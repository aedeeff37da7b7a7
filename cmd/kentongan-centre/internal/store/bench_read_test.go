package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"kentongan/agent/report"
)

// benchFleet is the fleet that pages are measured with: 10,000 devices of four
// streams each, some offline, some with alarms, and what they have sent.
func benchFleet(b testing.TB, s *Store, devices int) {
	const streams = 4
	var names []string
	for n := range streams {
		names = append(names, fmt.Sprint("cam-", n))
	}
	var group []Arrival
	flush := func() {
		commit(b, s, group...)
		group = group[:0]
	}
	for d := range devices {
		dev := fmt.Sprintf("sim-%05d", d)
		state := report.Online
		if d%100 == 99 {
			state = report.Offline
		}
		group = append(group, Arrival{Device: dev, At: t0, State: &report.DeviceState{V: 1, State: report.Online, Session: "b.1", Site: "Site", Lat: -6.1, Lon: 106, Streams: names}})
		for n, name := range names {
			st := "playing"
			if (d+n)%200 == 0 {
				st = "failed"
			}
			group = append(group, Arrival{Device: dev, At: t0, Stream: &report.StreamState{Name: name, State: st, Since: t0, URL: "rtsp://192.0.2.10/" + name, Codec: "H264", Width: 1920, Height: 1080}})
		}
		var events []report.Received
		if d%20 == 0 {
			events = append(events, rec(b, dev, report.Event, 1, report.KindAlarm, report.Alarm{ID: "a", N: 1, Source: "stream/cam-0", Condition: "stream.silent", Severity: report.Major, State: report.AlarmRaised, Since: t0}))
			group = append(group, batch(dev, report.Event, 1, 2, events...))
		}
		group = append(group, batch(dev, report.Complaint, 1, 3, press(b, dev, 1), press(b, dev, 2)), batch(dev, report.Telemetry, 1, 1))
		if state == report.Offline {
			group = append(group, Arrival{Device: dev, At: t0, State: &report.DeviceState{V: 1, State: state, Session: "b.1"}})
		}
		if len(group) > 2000 {
			flush()
		}
	}
	flush()
}

// readerPID is the PostgreSQL process behind the connection that one reader after
// the other gets; 0 for SQLite.
func readerPID(b *testing.B, s *Store) (pid int) {
	if s.read.d == postgres {
		if err := s.read.QueryRowContext(b.Context(), `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			b.Fatal(err)
		}
	}
	return pid
}

// BenchmarkPages is what the first page and its neighbours ask, at 10,000 devices
// and 40,000 streams.
func BenchmarkPages(b *testing.B) {
	for _, db := range backends {
		s := open(b, db.place(b))
		benchFleet(b, s, 10_000)
		if _, err := s.edit.ExecContext(b.Context(), "ANALYZE"); err != nil { // as a server does by itself
			b.Fatal(err)
		}
		all, agency := s.For(Everything()), s.For(OfAgency("dishub"))
		if err := s.PutAgency(b.Context(), Agency{ID: "dishub", Name: report.Text{ID: "Dishub", EN: "Dishub"}}); err != nil {
			b.Fatal(err)
		}
		for d := range 500 {
			if err := s.SetDeviceAgency(b.Context(), fmt.Sprintf("sim-%05d", d), "dishub"); err != nil {
				b.Fatal(err)
			}
		}
		for _, q := range []struct {
			name string
			ask  func(ctx context.Context) error
		}{
			{"overview", func(ctx context.Context) error { _, err := all.Overview(ctx, t0.Add(-time.Hour)); return err }},
			{"overview of an agency", func(ctx context.Context) error { _, err := agency.Overview(ctx, t0.Add(-time.Hour)); return err }},
			{"problems", func(ctx context.Context) error { _, err := all.Problems(ctx, t0, 100); return err }},
			{"problems of an agency", func(ctx context.Context) error { _, err := agency.Problems(ctx, t0, 100); return err }},
			{"alarm sums", func(ctx context.Context) error { _, err := all.AlarmSums(ctx, time.Now()); return err }},
			{"app sums", func(ctx context.Context) error { _, err := all.AppSums(ctx); return err }},
			{"first 200 devices", func(ctx context.Context) error { _, err := all.FirstDevices(ctx, "", 200); return err }},
			{"one device", func(ctx context.Context) error { _, err := all.Devices(ctx, "sim-00042"); return err }},
			{"its streams", func(ctx context.Context) error { _, err := all.Streams(ctx, "sim-00042"); return err }},
			{"its lanes", func(ctx context.Context) error { _, err := all.Lanes(ctx, "sim-00042"); return err }},
			{"50 complaints", func(ctx context.Context) error { _, err := all.Complaints(ctx, ComplaintFilter{Limit: 50}); return err }},
			{"100 alarms", func(ctx context.Context) error { _, err := all.Alarms(ctx, AlarmFilter{Limit: 100}); return err }},
		} {
			b.Run(db.name+"/"+q.name, func(b *testing.B) {
				server := readerPID(b, s)
				here, there := ownCPU(b), serverCPU(b, server)
				n := 0
				for b.Loop() {
					n++
					if err := q.ask(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				cpu := ownCPU(b) - here + serverCPU(b, server) - there
				b.ReportMetric(float64(cpu.Microseconds())/1e3/float64(n), "cpu-ms/op")
			})
		}
	}
}
