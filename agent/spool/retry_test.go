package spool

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
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
				time.Sleep(30 * cursorEvery) // a file each time, after a pause
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

// calls counts what the disk is asked to do with the complaint lane, and refuses
// some of it.
type calls struct {
	refuse
	made   int // files begun
	writes int // to segments
}

func (c *calls) fault(op, name string, off int64) error {
	if strings.Contains(name, "/complaint/") {
		switch op {
		case "create":
			c.made++
		case "write":
			c.writes++
		}
	}
	return c.refuse.fault(op, name, off)
}

func (c *calls) on(disk *memdisk.Disk, r refuse) {
	disk.Mu.Lock()
	defer disk.Mu.Unlock()
	*c = calls{refuse: r}
	disk.Fault = c.fault
}

func (c *calls) counts(disk *memdisk.Disk) (made, writes int) {
	disk.Mu.Lock()
	defer disk.Mu.Unlock()
	return c.made, c.writes
}

// TestMissingSpaceIsAskedForAgain: a disk that others have filled takes a press, since
// there are some files, and not the rest of the lane's space. That is asked for until
// it is there, and the log says once that it is missing.
func TestMissingSpaceIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memdisk.New()
		disk.Free = 11 * 16 << 10 // some of the complaint lane's are among them
		o := small(disk)
		o.Quota[report.Complaint] = 16 * 16 << 10
		var log strings.Builder
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		s := mustOpen(t, "/s", o)
		for _, for_ := range []time.Duration{2 * cursorEvery, 10 * time.Hour} {
			time.Sleep(for_)
			synctest.Wait()
			if st := s.Status().Lanes[report.Complaint]; st.Err != "" || st.Files >= st.Quota {
				t.Fatalf("after %v: %+v", for_, st)
			}
			mustAppend(t, s, report.Complaint, "there is room for it")
		}
		disk.Mu.Lock()
		disk.Free = -1
		disk.Mu.Unlock()
		time.Sleep(largeLimit + 20*cursorEvery)
		synctest.Wait()
		if st := s.Status().Lanes[report.Complaint]; st.Files != st.Quota {
			t.Errorf("the lane has %d bytes of its %d", st.Files, st.Quota)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), `msg="lane not whole" part=spool lane=complaint`); n != 1 {
			t.Errorf("told %d times that it is not whole", n)
		}
		if n := strings.Count(log.String(), `msg="lane whole again" part=spool lane=complaint`); n != 1 {
			t.Errorf("told %d times that it is whole", n)
		}
	})
}

// TestRefusalIsCheap: a disk that refuses each flush for a day is not written full
// again and again, gives no file away that others could take the room of, and is whole
// when it flushes.
func TestRefusalIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memdisk.New()
		o := small(disk)
		o.Quota[report.Complaint] = 8 * 16 << 10
		s := mustOpen(t, "/s", o)
		mustAppend(t, s, report.Complaint, "before")
		var c calls
		c.on(disk, refuse{err: syscall.EIO, ops: "sync", part: "/complaint/", left: math.MaxInt64})
		for range 3 { // two files each
			if _, err := s.Append(context.Background(), report.Complaint, "test", "refused"); err == nil {
				t.Fatal("kept on a disk that refuses")
			}
		}
		before, _ := c.counts(disk)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		made, writes := c.counts(disk)
		if made -= before; made == 0 || made > 40 {
			t.Errorf("%d files made anew in a day", made)
		}
		if writes > 24*120+5*(made+before)+100 { // a header each time
			t.Errorf("%d writes in a day", writes)
		}
		disk.Mu.Lock()
		disk.Free = 0 // others take the rest of the disk
		disk.Mu.Unlock()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		disk.Mu.Lock()
		if n := len(disk.Dirs["/s/complaint"]); n != 8 {
			t.Errorf("%d files of 8", n)
		}
		disk.Mu.Unlock()
		c.on(disk, refuse{})
		time.Sleep(20 * cursorEvery)
		synctest.Wait()
		if st := s.Status().Lanes[report.Complaint]; st.Err != "" || s.lanes[0].takeBad() != nil {
			t.Errorf("the lane is not whole: %q", st.Err)
		}
		if made, _ := c.counts(disk); made != 0 {
			t.Errorf("%d files made, where those that there were would do", made)
		}
	})
}

// TestOldCursorStopsRetries: while the cursor is not saved, no header is taken away
// that may be all that says which numbers were given out; after a power cut one would
// be given out again.
func TestOldCursorStopsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memdisk.New()
		s := mustOpen(t, "/s", small(disk))
		mustAppend(t, s, report.Complaint, "before")
		var c calls
		c.on(disk, refuse{err: syscall.EIO, ops: "sync", left: math.MaxInt64})
		if _, err := s.Append(context.Background(), report.Complaint, "test", "refused"); err == nil {
			t.Fatal("kept on a disk that refuses")
		}
		c.on(disk, refuse{err: syscall.EIO, ops: "write sync", part: "cursor", left: math.MaxInt64})
		time.Sleep(10 * cursorEvery)
		synctest.Wait()
		if made, writes := c.counts(disk); made+writes > 0 {
			t.Errorf("%d files made, %d writes, with an old cursor on the disk", made, writes)
		}
		if st := s.Status().Lanes[report.Complaint]; st.Err == "" {
			t.Error("the lane is called well")
		}
		c.on(disk, refuse{})
		time.Sleep(3 * cursorEvery)
		synctest.Wait()
		if st := s.Status().Lanes[report.Complaint]; st.Err != "" {
			t.Errorf("the cursor is saved, and the lane says %q", st.Err)
		}
	})
}
