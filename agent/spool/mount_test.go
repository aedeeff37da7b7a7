package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// TestRealFileSystemOutOfInodes takes all files of a small tmpfs away; presses and
// events go on in those that the spool has, and the lane goes on growing when there
// are inodes again.
func TestRealFileSystemOutOfInodes(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("spool-test", dir, "tmpfs", 0, "size=16m,nr_inodes=64"); err != nil {
		t.Skipf("no tmpfs (%v): run it as root; TestDiskFullOfOthersAndOutOfInodes stands for it", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	o := options(nil)
	o.Quota = map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 4 << 20, report.Telemetry: 1 << 20}
	s := mustOpen(t, filepath.Join(dir, "spool"), o)
	var others []string
	for err := error(nil); err == nil; {
		name := filepath.Join(dir, fmt.Sprint("other", len(others)))
		var f *os.File
		if f, err = os.Create(name); err == nil {
			_ = f.Close()
			others = append(others, name)
		} else if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	const want = 8 * 31
	for n := range want {
		if _, err := s.Append(context.Background(), report.Complaint, "test", n); err != nil {
			t.Fatalf("press %d of %d: %v", n+1, want, err)
		}
	}
	for range 5000 { // of a lane that can't have its third file
		mustAppend(t, s, report.Event, "event")
	}
	had := s.Status().Lanes[report.Event]
	if had.Dropped == 0 {
		t.Errorf("event lane: %+v: it has had a file more", had)
	}
	for _, name := range others {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for range 5000 {
		mustAppend(t, s, report.Event, "event")
	}
	if st := s.Status().Lanes[report.Event]; st.Segments <= had.Segments {
		t.Errorf("event lane: %d segments, %d while there was no inode", st.Segments, had.Segments)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, filepath.Join(dir, "spool"), o)
	if got := readAllOf(t, s, report.Complaint); len(got) != want {
		t.Errorf("%d of %d presses after reopening", len(got), want)
	}
	if got := refusalsIn(t, s, string(report.Event)); len(got) == 0 || !got[len(got)-1].Over || !strings.Contains(got[0].Error, syscall.ENOSPC.Error()) {
		t.Errorf("events tell %+v", got)
	}
	t.Attr("injections", fmt.Sprint(len(others)))
}
