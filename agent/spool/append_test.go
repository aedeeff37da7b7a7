package spool

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestNobodyWritesAfterClose: a caller that writes itself must be done before
// Close gives the directory away.
func TestNobodyWritesAfterClose(t *testing.T) {
	for range 200 {
		disk := memdisk.New()
		s := mustOpen(t, "/s", small(disk))
		var closed atomic.Bool
		disk.Mu.Lock()
		disk.Trace = func(o memdisk.Op) {
			if closed.Load() {
				t.Errorf("%s of %s after Close", o.Kind, o.Name)
			}
		}
		disk.Mu.Unlock()
		var wg sync.WaitGroup
		for _, lane := range report.Lanes()[:2] {
			wg.Go(func() {
				for {
					if _, err := s.Append(context.Background(), lane, "test", "x"); err != nil {
						if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrFull) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		for changed := s.Changed(report.Event); s.Head(report.Event).Next < 3; changed = s.Changed(report.Event) {
			<-changed
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		closed.Store(true)
		wg.Wait()
	}
}

// TestAppendGivesUpOnASlowDisk: one caller may wait for the flush that turned
// out to be slow; those after it can give up.
func TestAppendGivesUpOnASlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := memdisk.New()
		s := mustOpen(t, "/s", small(disk))
		disk.Mu.Lock()
		disk.SyncTime = time.Minute
		disk.Mu.Unlock()
		mustAppend(t, s, report.Complaint, "slow")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := s.Append(ctx, report.Complaint, "test", "too slow")
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
			t.Errorf("%v after %v, want to give up after a second", err, took)
		}
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		disk.Mu.Lock()
		disk.SyncTime = 0
		disk.Mu.Unlock()
		mustAppend(t, s, report.Complaint, "fast again") // it is, from the next one on
		if got := readAllOf(t, s, report.Complaint); len(got) != 3 {
			t.Errorf("%d records, want 3", len(got))
		}
	})
}
