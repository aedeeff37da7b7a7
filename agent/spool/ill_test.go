package spool

import (
	"errors"
	"syscall"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestDiskIllWhileOpeningIsNoDamage: a disk of which nothing could be read at the
// start was taken for one that holds nothing, or only damage: a new epoch began beside
// the old files, or their presses were called lost, and when it was well again
// nothing of them was sent.
func TestDiskIllWhileOpeningIsNoDamage(t *testing.T) {
	for name, ops := range map[string]string{
		"files are not opened":        "open openrw",
		"files are not read":          "read",
		"nothing is listed":           "list",
		"nothing is listed or opened": "list open openrw",
	} {
		for _, mirror := range []string{"", "/m"} {
			t.Run(name+" mirror "+mirror, func(t *testing.T) {
				disk := memdisk.New()
				o := small(disk)
				o.Mirror = mirror
				s := mustOpen(t, "/s", o)
				const want = 12 // more than one segment
				for i := range want {
					mustAppend(t, s, report.Complaint, i)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				o.Epoch = nil // another each time
				(&refuse{err: syscall.EIO, ops: ops}).on(disk, 1<<40)
				s, err := Open("/s", o)
				if err == nil {
					_ = s.Close()
				}
				if !errors.Is(err, syscall.EIO) {
					t.Errorf("opened: %v, want EIO", err)
				}
				(&refuse{}).on(disk, 0)
				s = mustOpen(t, "/s", o)
				if got := readAllOf(t, s, report.Complaint); len(got) != want || s.Epoch() != 0x1122334455667788 {
					t.Errorf("%d complaints of epoch %s, want %d", len(got), s.Epoch(), want)
				}
				for _, e := range readAllOf(t, s, report.Event) {
					if r, _ := report.DecodeRecord(e.Line); r.Kind == report.KindDamage || r.Kind == report.KindGap {
						t.Errorf("told: %s %s", r.Kind, r.Body)
					}
				}
			})
		}
	}
}
