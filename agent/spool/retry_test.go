package spool

import (
	"context"
	"errors"
	"math"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestRefusalIsOverWithoutAPress: what the disk refused the complaint lane, when the
// spool was opened or when somebody pressed, is tried again while nobody presses. Once
// the disk takes it, the lane says so, and has the space that it must never lack.
func TestRefusalIsOverWithoutAPress(t *testing.T) {
	tests := map[string]struct {
		r       refuse
		presses int // while it refuses
	}{
		"flushes, when opened":    {refuse{err: syscall.EIO, ops: "sync"}, 0},
		"new files, when opened":  {refuse{err: syscall.ENOSPC, ops: "create", part: "/complaint/"}, 0},
		"read-only, when pressed": {refuse{err: syscall.EROFS, ops: "write sync create openrw rename remove"}, 3},
		"flushes, when pressed":   {refuse{err: syscall.EIO, ops: "sync", part: "/complaint/"}, 3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := memdisk.New()
				o := small(disk)
				o.Quota[report.Complaint] = 8 * 16 << 10
				if tt.presses == 0 {
					tt.r.on(disk, math.MaxInt64)
				}
				s := mustOpen(t, "/s", o)
				tt.r.on(disk, math.MaxInt64)
				for range tt.presses {
					if _, err := s.Append(context.Background(), report.Complaint, "test", "refused"); !errors.Is(err, tt.r.err) {
						t.Fatalf("append: %v, want %v", err, tt.r.err)
					}
				}
				time.Sleep(5 * cursorEvery)
				synctest.Wait()
				if st := s.Status().Lanes[report.Complaint]; st.Err == "" || st.Full {
					t.Errorf("while the disk refuses, the lane says %q (full %v)", st.Err, st.Full)
				}
				new(refuse).on(disk, 0)
				time.Sleep(10 * cursorEvery) // a file each time
				synctest.Wait()
				for name, st := range s.Status().Lanes {
					if st.Err != "" {
						t.Errorf("the disk takes again, and lane %s says %q", name, st.Err)
					}
				}
				st := s.Status().Lanes[report.Complaint]
				if st.Files+o.Segment[report.Complaint] <= st.Quota {
					t.Errorf("the lane has %d bytes of its %d", st.Files, st.Quota)
				}
				if got := refusalsIn(t, s, "complaint"); len(got) == 0 || !got[len(got)-1].Over {
					t.Errorf("events: %+v, want one that says it is over", got)
				}
				disk.Mu.Lock()
				disk.Free = 0 // others take the rest of the disk
				disk.Mu.Unlock()
				kept := 0
				for ; ; kept++ {
					if _, err := s.Append(context.Background(), report.Complaint, "test", kept); errors.Is(err, ErrFull) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
				}
				if kept < 8*2 { // of four pages, one is the header's and one may be a burnt number's
					t.Errorf("%d presses kept on a disk that others filled", kept)
				}
				if st := s.Status().Lanes[report.Complaint]; !st.Full {
					t.Errorf("a full lane says %q, as if the disk refused", st.Err)
				}
			})
		})
	}
}

// TestMendingLetsOthersWrite: what a slow disk refused is made up for one file at a
// time, and appends do not wait for all of it.
func TestMendingLetsOthersWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memdisk.New()
		o := small(disk)
		o.Quota[report.Complaint] = 24 * 16 << 10
		s := mustOpen(t, "/s", o)
		(&refuse{err: syscall.EIO, ops: "sync", part: "/complaint/"}).on(disk, math.MaxInt64)
		for range 24 {
			if _, err := s.Append(context.Background(), report.Complaint, "test", "refused"); err == nil {
				t.Fatal("kept on a disk that refuses")
			}
		}
		new(refuse).on(disk, 0)
		disk.Mu.Lock()
		disk.SyncTime = 5 * time.Second
		disk.Mu.Unlock()
		for began := time.Now(); time.Since(began) < 20*time.Minute; time.Sleep(time.Second) {
			at := time.Now()
			mustAppend(t, s, report.Event, "meanwhile")
			if took := time.Since(at); took > cursorEvery {
				t.Fatalf("an event waited %v", took)
			}
		}
		if st := s.Status().Lanes[report.Complaint]; st.Err != "" || s.lanes[0].takeBad() != nil {
			t.Errorf("the lane is not whole: %q", st.Err)
		}
	})
}
