package spool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestDiskRefusalsAreEvents: each failure of the disk is told of by an event: at
// once where the event lane still takes it, else as soon as it does, with what
// was refused, since when, how often and which numbers went with it.
func TestDiskRefusalsAreEvents(t *testing.T) {
	all := "write sync create openrw rename remove syncdir mkdir"
	tests := map[string]struct {
		r      refuse
		place  string
		lane   report.Lane // that is appended to meanwhile
		atOnce bool        // the event lane still takes it
		fails  bool        // the appends do, and numbers are lost
	}{
		"ENOSPC on write":                       {refuse{err: syscall.ENOSPC, ops: "create write", part: "/s/complaint/"}, "complaint", report.Complaint, true, true},
		"ENOSPC on all":                         {refuse{err: syscall.ENOSPC, ops: "create write"}, "complaint", report.Complaint, false, true},
		"EROFS":                                 {refuse{err: syscall.EROFS, ops: all}, "complaint", report.Complaint, false, true},
		"EROFS, telemetry":                      {refuse{err: syscall.EROFS, ops: all}, "telemetry", report.Telemetry, false, false},
		"EIO on write":                          {refuse{err: syscall.EIO, ops: "write", part: "/s/complaint/"}, "complaint", report.Complaint, true, true},
		"EIO on write, event lane":              {refuse{err: syscall.EIO, ops: "write", part: "/s/event/"}, "event", report.Event, false, true},
		"EIO on sync":                           {refuse{err: syscall.EIO, ops: "sync", part: "/s/complaint/"}, "complaint", report.Complaint, true, true},
		"EIO on the cursor":                     {refuse{err: syscall.EIO, ops: "write sync", part: "cursor"}, "cursor", report.Event, true, false},
		"EIO on the mirror":                     {refuse{err: syscall.EIO, ops: "write sync", part: "/m/"}, "mirror", report.Complaint, true, false},
		"inodes used up, and bad files":         {refuse{err: syscall.EIO, ops: "create sync", part: "/s/complaint/"}, "complaint", report.Complaint, true, true},
		"directory not writable, and bad files": {refuse{err: syscall.EACCES, ops: "create rename remove mkdir write", part: "/s/complaint/"}, "complaint", report.Complaint, true, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := memdisk.New()
				o := small(disk)
				o.Mirror = "/m"
				o.Quota[report.Complaint] = 20 * 16 << 10
				began := time.Now()
				o.Stamp = func() report.Stamp {
					return report.Stamp{Time: time.Now(), Clock: report.ClockSynced, Boot: "0a1b2c3d", Uptime: time.Since(began)}
				}
				s := mustOpen(t, "/s", o)
				before := mustAppend(t, s, tt.lane, "before")
				time.Sleep(time.Minute)
				since := time.Now()
				tt.r.on(disk, math.MaxInt64)
				const tries = 3
				for range tries {
					_, err := s.Append(context.Background(), tt.lane, "test", "while")
					if got := err != nil; tt.fails && !got || got && !errors.Is(err, tt.r.err) {
						t.Fatalf("append: %v", err)
					}
					time.Sleep(31 * time.Second) // the cursor is due
				}
				synctest.Wait()
				if got := refusalsIn(t, s, tt.place); tt.atOnce != (len(got) > 0) {
					t.Errorf("told meanwhile: %+v, want it at once: %v", got, tt.atOnce)
				}
				new(refuse).on(disk, 0)
				mustAppend(t, s, tt.lane, "after")
				if tt.lane == report.Telemetry || tt.place == "cursor" || tt.place == "mirror" {
					time.Sleep(31 * time.Second)
				}
				synctest.Wait()
				got := refusalsIn(t, s, tt.place)
				if len(got) == 0 {
					t.Fatal("no event tells of it")
				}
				last := got[len(got)-1]
				if !last.Over || last.Calls == 0 || last.Since.Before(since) || last.Since.Sub(since) > 62*time.Second || last.ForMS < 31000 {
					t.Errorf("%+v, since %v", last, since)
				}
				if tt.fails {
					// What is told of it may itself be the first that the lane holds again.
					again, err := s.Read(tt.lane, before+1, 1, 1<<20)
					if err != nil || len(again) == 0 {
						t.Fatalf("nothing behind %d: %v", before, err)
					}
					if to := again[0].Seq - 1; last.Records != tries || last.From != before+1 || last.To != to {
						t.Errorf("%+v, want %d records, numbers %d to %d", last, tries, before+1, to)
					}
				}
				if _, err := errorIn(last, tt.r.err); err != nil {
					t.Error(err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if again := refusalsIn(t, mustOpen(t, "/s", o), tt.place); len(again) != len(got) {
					t.Errorf("%d events after reopening, %d before", len(again), len(got))
				}
			})
		})
	}
}

func errorIn(d report.DiskRefusal, want error) (string, error) {
	if !strings.Contains(d.Error+d.Last, want.Error()) {
		return "", fmt.Errorf("%+v does not say %v", d, want)
	}
	return d.Error, nil
}

func refusalsIn(t *testing.T, s *Spool, place string) (out []report.DiskRefusal) {
	for _, e := range readAllOf(t, s, report.Event) {
		r, err := report.DecodeRecord(e.Line)
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind == report.KindDisk {
			if d := decode[report.DiskRefusal](t, r.Body); d.Place == place {
				out = append(out, d)
			}
		}
	}
	return out
}

// TestFullComplaintLaneIsAnEvent: presses that are refused for want of room are
// counted, and an event says so.
func TestFullComplaintLaneIsAnEvent(t *testing.T) {
	s := mustOpen(t, "/s", small(memdisk.New()))
	refused := uint64(0)
	for i := range 25 {
		if _, err := s.Append(context.Background(), report.Complaint, "test", i); errors.Is(err, ErrFull) {
			refused++
		}
	}
	if err := s.Ack(report.Complaint, 10); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, report.Complaint, "there is room again")
	mustAppend(t, s, report.Event, "behind it")
	got := refusalsIn(t, s, "complaint")
	if n := len(got); n == 0 || refused == 0 || got[n-1].Records != refused || !got[n-1].Over || got[n-1].From != 0 {
		t.Errorf("%+v, want %d records and no number lost", got, refused)
	}
}

// TestFlappingDiskFillsNoLane: a disk that refuses every third flush is told of
// now and then. The event that tells of it meets the same refusal, and must not
// be the reason for the next one at once.
func TestFlappingDiskFillsNoLane(t *testing.T) {
	for _, part := range []string{"/s/event/", "/s/complaint/", "cursor", "/m/"} {
		synctest.Test(t, func(t *testing.T) {
			disk := memdisk.New()
			o := small(disk)
			o.Mirror = "/m"
			o.Quota[report.Event] = 1 << 20
			s := mustOpen(t, "/s", o)
			n, told, from := 0, 0, uint64(1)
			disk.Mu.Lock()
			disk.SyncTime = time.Millisecond
			disk.Fault = func(op, name string, _ int64) error {
				if op == "sync" && strings.Contains(name, part) {
					if n++; n%3 == 1 {
						return syscall.EIO
					}
				}
				return nil
			}
			disk.Mu.Unlock()
			const minutes = 5
			for range minutes * 60 {
				_, _ = s.Append(context.Background(), report.Complaint, "test", "press")
				_ = s.Ack(report.Complaint, s.Head(report.Complaint).Next-1)
				_, _ = s.Append(context.Background(), report.Event, "test", "event")
				time.Sleep(time.Second)
				got, _ := s.Read(report.Event, from, 1000, 1<<20)
				for _, e := range got {
					from = e.Seq + 1
					if r, _ := report.DecodeRecord(e.Line); r.Kind == report.KindDisk {
						told++
					}
				}
				if told > 1000 {
					break
				}
			}
			new(refuse).on(disk, 0)
			if from > 20*60*minutes {
				t.Errorf("%s: %d events in %d minutes, most of them the spool's own", part, from, minutes)
			}
			if told == 0 || told > 8*minutes {
				t.Errorf("%s: %d events in %d minutes", part, told, minutes)
			}
			_ = s.Close()
		})
	}
}
