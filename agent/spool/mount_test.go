package spool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"kentongan/agent/report"
)

// TestRealFileSystemFullOfOthers fills a small tmpfs with another file. Who
// may not mount has the same test through the seam.
func TestRealFileSystemFullOfOthers(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("spool-test", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Logf("no tmpfs (%v); TestDiskFullOfOthersAndOutOfInodes stands for it", err)
		return
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	o := options(nil)
	o.Quota = map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 1 << 20, report.Telemetry: 1 << 20}
	s := mustOpen(t, filepath.Join(dir, "spool"), o)
	other, err := os.Create(filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for err == nil {
		_, err = other.Write(zeros[:4096])
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	const want = 8 * 31 // eight segments of 32 pages, one of which is the header
	for n := range want {
		if _, err := s.Append(context.Background(), report.Complaint, "test", n); err != nil {
			t.Fatalf("press %d of %d: %v", n+1, want, err)
		}
	}
	if _, err := s.Append(context.Background(), report.Complaint, "test", "more"); !errors.Is(err, ErrFull) {
		t.Errorf("beyond the quota: %v, want ErrFull", err)
	}
	for range 3000 { // the event lane gets no third segment: its oldest goes
		mustAppend(t, s, report.Event, "event")
	}
	if st := s.Status().Lanes[report.Event]; st.Dropped == 0 {
		t.Errorf("event lane: %+v", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, filepath.Join(dir, "spool"), o)
	if got := readAllOf(t, s, report.Complaint); len(got) != want {
		t.Errorf("%d of %d presses after reopening", len(got), want)
	}
}
