package spool

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestACutWhileTheOldestIsOverwrittenIsNoDamage cuts the power while a full lane
// writes over its oldest segment, so that the first sector of the records is on
// the disk and the new header is not. The old header then stands before foreign
// bytes, which is no fault of the disk: the numbers were given up for room.
func TestACutWhileTheOldestIsOverwrittenIsNoDamage(t *testing.T) {
	for _, lane := range []report.Lane{report.Event, report.Telemetry} {
		t.Run(string(lane), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, o := memdisk.New(), small(nil)
				o.TelemetryDelay = time.Second
				fillUntilDropped(t, disk, o, lane)
				log := &heard{}
				o.FS, o.Log = disk, slog.New(log)
				s := mustOpen(t, "/s", o)
				if _, err := s.Read(lane, 1, 1000, 1<<20); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if said := log.about("damage"); said != "" {
					t.Errorf("called damage: %s", said)
				}
			})
		})
	}
}

// fillUntilDropped appends to a lane until it writes over a segment, and leaves
// what a cut in that write may leave.
func fillUntilDropped(t *testing.T, disk *memdisk.Disk, o Options, lane report.Lane) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	at, used, done := memdisk.NewCut(disk), map[string]bool{}, false
	live := disk.Clone()
	live.Trace = func(op memdisk.Op) {
		if done {
			return
		}
		h, err := decodeHeader(op.Data)
		begins := op.Kind == "write" && op.Off == 0 && err == nil && h.lane == lane && h.id != 0
		if begins && used[op.Name] {
			op.Off, op.Data, done = headerSize, op.Data[headerSize:headerSize+memdisk.Sector], true
		}
		used[op.Name] = used[op.Name] || begins
		at.Step(op)
	}
	o.FS = live
	s, err := Open("/s", o)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; !done && n < 1000; n++ {
		body := make([]byte, 3000) // the rest of a segment has room for a note of the spool itself
		for i := range body {
			body[i] = byte('a' + rng.IntN(26)) // packs badly
		}
		if _, err := s.Append(context.Background(), lane, "test", string(body)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(o.TelemetryDelay)
		synctest.Wait()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !done {
		t.Fatal("nothing was overwritten")
	}
	for _, w := range at.Writes { // the cut kept them
		at.Durable(w.File).Put(w.Data, w.Off)
	}
	at.Writes = nil
	*disk = *at.Image(rng)
}

// TestWhatWasAcknowledgedIsNotMended cuts the power while a segment of the
// complaint lane gets its next life, as above. All its records were acknowledged,
// but numbers were left out behind them, so that the next start takes the segment
// for one in use. That the mirror still has the old records is no news.
func TestWhatWasAcknowledgedIsNotMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, o := memdisk.New(), small(nil)
		o.FS, o.Mirror = disk, "/m"
		s := mustOpen(t, "/s", o)
		seq := mustAppend(t, s, report.Complaint, "first")
		if err := s.Ack(report.Complaint, seq); err != nil {
			t.Fatal(err)
		}
		if err := s.Renew(map[report.Lane]uint64{report.Complaint: 9}); err != nil {
			t.Fatal(err)
		}
		mustAppend(t, s, report.Complaint, "second")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		disk.Find("/s/complaint/000001.seg").Put([]byte(strings.Repeat("next life", memdisk.Sector)[:memdisk.Sector]), headerSize)
		log := &heard{}
		o.Log = slog.New(log)
		s = mustOpen(t, "/s", o)
		if said := log.about("damage"); said != "" {
			t.Errorf("called damage: %s", said)
		}
		if got, err := s.Read(report.Complaint, 1, 10, 1<<20); err != nil || len(got) != 1 {
			t.Errorf("read %d records, %v; want the one that was not acknowledged", len(got), err)
		}
	})
}

// TestBytesBehindACleanEndAreNoLoss puts bytes behind the last press that are no
// frame of this epoch: an epoch that has ended leaves such in a file that got
// another life since. After a clean end they are no numbers that were given.
func TestBytesBehindACleanEndAreNoLoss(t *testing.T) {
	disk, o := memdisk.New(), small(nil)
	o.FS = disk
	s := mustOpen(t, "/s", o)
	mustAppend(t, s, report.Complaint, "first")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	disk.Find("/s/complaint/000001.seg").Put([]byte(strings.Repeat("old", memdisk.Sector)[:memdisk.Sector]), headerSize+pageSize)
	log := &heard{}
	o.Log = slog.New(log)
	s = mustOpen(t, "/s", o)
	if said := log.about("lost"); said != "" {
		t.Errorf("called lost: %s", said)
	}
	if got := s.Status().Lanes[report.Complaint].Damaged; got != 0 {
		t.Errorf("%d records damaged, want none", got)
	}
}
