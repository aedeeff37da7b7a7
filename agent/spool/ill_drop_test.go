package spool

import (
	"context"
	"syscall"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestIllDiskTakesNoOldEvents: each append to a full event lane on a disk that refuses
// gave up the oldest segment for the room of a record that was not kept either.
func TestIllDiskTakesNoOldEvents(t *testing.T) {
	for name, r := range map[string]refuse{
		"writes":          {err: syscall.EIO, ops: "write", part: "/event/"},
		"flushes":         {err: syscall.EIO, ops: "sync", part: "/event/"},
		"read-only":       {err: syscall.EROFS, ops: "openrw write sync create rename remove mkdir syncdir", part: "/event/"},
		"opens":           {err: syscall.EIO, ops: "openrw", part: "/event/"},
		"files and opens": {err: syscall.EIO, ops: "openrw create", part: "/event/"},
	} {
		t.Run(name, func(t *testing.T) {
			disk := memdisk.New()
			s := mustOpen(t, "/s", small(disk))
			for i := range 400 {
				mustAppend(t, s, report.Event, i)
			}
			before := s.Head(report.Event)
			segs := s.lanes[1].segs
			want := int(before.Next - segs[illFrom].first) // of those that are not given up
			r.on(disk, 1<<40)
			for range 50 {
				_, _ = s.Append(context.Background(), report.Event, "test", "while")
			}
			(&refuse{}).on(disk, 0)
			got := 0
			for _, e := range readAllOf(t, s, report.Event) {
				if e.Seq < before.Next {
					got++
				}
			}
			if got < want {
				t.Errorf("%d of %d events are left, want %d", got, before.Backlog(), want)
			}
			mustAppend(t, s, report.Event, "after")
		})
	}
}

// TestBadFileKeepsItsSpace: a file that had failed was removed before another was made
// in its place. Where that failed, or the power went in between, others could take the
// complaint lane's space.
func TestBadFileKeepsItsSpace(t *testing.T) {
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	mustAppend(t, s, report.Complaint, "before")
	(&refuse{err: syscall.EIO, ops: "sync", part: "/complaint/"}).on(disk, 1<<40)
	for range 10 {
		if _, err := s.Append(context.Background(), report.Complaint, "test", "refused"); err == nil {
			t.Fatal("kept on a disk that refuses")
		}
		disk.Mu.Lock()
		if n := len(disk.Dirs["/s/complaint"]); n != 6 {
			t.Errorf("%d files of 6", n)
		}
		disk.Mu.Unlock()
	}
	(&refuse{}).on(disk, 0)
	disk.Mu.Lock()
	disk.Free = 0 // others take the rest of the disk
	disk.Mu.Unlock()
	for n := range 10 {
		mustAppend(t, s, report.Complaint, n)
	}
}
