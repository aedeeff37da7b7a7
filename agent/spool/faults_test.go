package spool

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// refuse makes a disk refuse some calls from now on.
type refuse struct {
	err  error
	ops  string // space-separated
	part string // of the file's name
	left int64  // under the lock of the disk
}

func (r *refuse) fault(op, name string, _ int64) error {
	for _, o := range strings.Fields(r.ops) {
		if o == op && strings.Contains(name, r.part) && r.take() {
			return r.err
		}
	}
	return nil
}

func (r *refuse) take() bool { r.left--; return r.left >= 0 }

func (r *refuse) on(disk *memdisk.Disk, times int64) {
	disk.Mu.Lock()
	defer disk.Mu.Unlock()
	r.left = times
	disk.Fault = r.fault
}

// TestDiskRefusals: what the disk refuses once costs nothing; what it refuses
// for good is an error to the caller and nothing that was confirmed is lost,
// and when it takes again, the lane goes on.
func TestDiskRefusals(t *testing.T) {
	all := "write sync create openrw rename remove syncdir mkdir"
	tests := map[string]struct {
		r     refuse
		times int64
		fails bool
	}{
		"EIO on one write":          {refuse{err: syscall.EIO, ops: "write", part: "/s/complaint/"}, 1, false},
		"EIO on one sync":           {refuse{err: syscall.EIO, ops: "sync", part: "/s/complaint/"}, 1, false},
		"EIO on all writes":         {refuse{err: syscall.EIO, ops: "write"}, 1 << 40, true},
		"EIO on all syncs":          {refuse{err: syscall.EIO, ops: "sync"}, 1 << 40, true},
		"ENOSPC on all":             {refuse{err: syscall.ENOSPC, ops: "create write"}, 1 << 40, true},
		"read-only file system":     {refuse{err: syscall.EROFS, ops: all}, 1 << 40, true},
		"EIO on the cursor's write": {refuse{err: syscall.EIO, ops: "write sync", part: "cursor"}, 1 << 40, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			disk := memdisk.New()
			o := small(disk)
			o.Quota[report.Complaint] = 20 * 16 << 10
			s := mustOpen(t, "/s", o)
			before := mustAppend(t, s, report.Complaint, "before")
			mustAppend(t, s, report.Event, "before")
			tt.r.on(disk, tt.times)
			for range 5 {
				seq, err := s.Append(context.Background(), report.Complaint, "test", "while")
				if got := err != nil; got != tt.fails {
					t.Fatalf("append %d: %v, want an error: %v", seq, err, tt.fails)
				}
				if tt.fails && !errors.Is(err, tt.r.err) {
					t.Errorf("error %v does not say %v", err, tt.r.err)
				}
			}
			if st := s.Status().Lanes[report.Complaint]; tt.fails && st.Err == "" {
				t.Error("status shows no error")
			}
			tt.r.on(disk, 0)
			after := mustAppend(t, s, report.Complaint, "after")
			mustAppend(t, s, report.Event, "after")
			check := func(s *Spool) {
				t.Helper()
				have := map[uint64]bool{}
				for _, e := range readAllOf(t, s, report.Complaint) {
					have[e.Seq] = true
				}
				if !have[before] || !have[after] {
					t.Errorf("confirmed %d and %d, have %v", before, after, have)
				}
				holes := gaps(t, readAllOf(t, s, report.Event))
				for seq := uint64(1); seq < after; seq++ {
					if !have[seq] && !explained(holes, report.Complaint, seq, report.GapWrite) {
						t.Errorf("complaint %d is missing without a word", seq)
					}
				}
			}
			check(s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			check(mustOpen(t, "/s", o))
		})
	}
}

func TestTwoProcessesOnOneSpool(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir, options(nil))
	_, err := Open(dir, options(nil))
	locked, ok := errors.AsType[*LockedError](err)
	if !ok || locked.PID == "" {
		t.Fatalf("second Open: %v, want a LockedError with the process", err)
	}
}

func TestDiskFullOfOthersAndOutOfInodes(t *testing.T) {
	for _, what := range []string{"bytes", "inodes"} {
		disk := memdisk.New()
		s := mustOpen(t, "/s", small(disk))
		disk.Mu.Lock()
		if what == "bytes" {
			disk.Free = 0
		} else {
			disk.Nodes = 0
		}
		disk.Mu.Unlock()
		for i := range 18 { // the whole quota
			mustAppend(t, s, report.Complaint, i)
		}
		if _, err := s.Append(context.Background(), report.Complaint, "test", "more"); !errors.Is(err, ErrFull) {
			t.Errorf("no %s: %v, want ErrFull", what, err)
		}
		for i := range 400 { // two segments of events: the oldest go
			mustAppend(t, s, report.Event, i)
		}
		if st := s.Status().Lanes[report.Event]; st.Dropped == 0 {
			t.Errorf("no %s: %+v", what, st)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s = mustOpen(t, "/s", small(disk)) // what is refused again and again is told of now and then, and at the end
		if got := refusalsIn(t, s, "event"); len(got) == 0 || !got[len(got)-1].Over || !strings.Contains(got[0].Error, syscall.ENOSPC.Error()) {
			t.Errorf("no %s: events tell %+v", what, got)
		}
	}
}

func TestReadOnlyCardStillDeliversWhatItHolds(t *testing.T) {
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	mustAppend(t, s, report.Complaint, "kept")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	(&refuse{err: syscall.EROFS, ops: "write sync create openrw rename remove syncdir mkdir"}).on(disk, 1<<40)
	s, err := Open("/s", small(disk))
	if err != nil {
		t.Fatal(err)
	}
	if got := readAllOf(t, s, report.Complaint); len(got) != 1 {
		t.Errorf("%d records readable, want 1", len(got))
	}
	if _, err := s.Append(context.Background(), report.Complaint, "test", "more"); !errors.Is(err, syscall.EROFS) {
		t.Errorf("append: %v, want EROFS", err)
	}
	if _, err := s.Append(context.Background(), report.Telemetry, "test", "more"); !errors.Is(err, syscall.EROFS) {
		t.Errorf("append telemetry: %v, want EROFS", err)
	}
	if err := s.Close(); !errors.Is(err, syscall.EROFS) {
		t.Errorf("close: %v, want EROFS", err)
	}
}

func TestDirectoryThatCannotBeMade(t *testing.T) {
	disk := memdisk.New()
	(&refuse{err: syscall.EACCES, ops: "mkdir"}).on(disk, 1<<40)
	if _, err := Open("/s", small(disk)); !errors.Is(err, syscall.EACCES) {
		t.Errorf("%v, want EACCES", err)
	}
}

// TestForeignThings: what is not of this spool is set aside and named.
func TestForeignThings(t *testing.T) {
	t.Attr("injections", "3") // a segment of another store and two files of none
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	mustAppend(t, s, report.Complaint, "ours")
	_ = s.Close()
	other := memdisk.New()
	o := small(other)
	o.Epoch = func() (report.Epoch, error) { return 99, nil }
	s = mustOpen(t, "/s", o)
	mustAppend(t, s, report.Complaint, "theirs")
	_ = s.Close()
	disk.Dirs["/s/complaint"]["000077.seg"] = other.Dirs["/s/complaint"]["000001.seg"]
	for _, name := range []string{"notes.txt", "000078.seg"} {
		f, err := disk.Create(filepath.Join("/s/complaint", name))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteAt([]byte(strings.Repeat("what is this ", 1000)), 0)
	}
	s = mustOpen(t, "/s", small(disk))
	if got := readAllOf(t, s, report.Complaint); len(got) != 1 {
		t.Errorf("%d complaints, want ours", len(got))
	}
	var named []string
	for _, e := range readAllOf(t, s, report.Event) {
		r, _ := report.DecodeRecord(e.Line)
		if r.Kind == report.KindDamage {
			d := decode[report.Damage](t, r.Body)
			named = append(named, d.Segment)
			if d.Saved == "" {
				t.Errorf("%s was not set aside", d.Segment)
			}
		}
	}
	if len(named) != 3 {
		t.Errorf("named %v, want three files", named)
	}
}

// TestMirrorAlone: the first storage is replaced by an empty one.
func TestMirrorAlone(t *testing.T) {
	disk := memdisk.New()
	o := small(disk)
	o.Mirror = "/m"
	s := mustOpen(t, "/s", o)
	for i := range 10 {
		mustAppend(t, s, report.Complaint, i)
	}
	epoch := s.Epoch()
	_ = s.Close()
	for _, dir := range []string{"/s", "/s/complaint", "/s/event", "/s/telemetry"} {
		delete(disk.Dirs, dir)
	}
	s = mustOpen(t, "/s", o)
	if got := readAllOf(t, s, report.Complaint); len(got) != 10 || s.Epoch() != epoch {
		t.Errorf("%d complaints of epoch %s, want 10 of %s", len(got), s.Epoch(), epoch)
	}
	if seq := mustAppend(t, s, report.Complaint, "new"); seq <= 10 {
		t.Errorf("number %d was given before", seq)
	}
}

// TestMirrorOfSwappedFiles: files of the first storage stand under each other's
// names, and one of them is damaged as well. The mirror has each record under
// the old names: it mends the damage, and no good copy of it is overwritten.
func TestMirrorOfSwappedFiles(t *testing.T) {
	for page := int64(0); page < 4; page++ {
		disk := memdisk.New()
		o := small(disk)
		o.Mirror = "/m"
		s := mustOpen(t, "/s", o)
		const want = 9 // three segments of three pages
		for i := range want {
			mustAppend(t, s, report.Complaint, i)
		}
		_ = s.Close()
		files := disk.Dirs["/s/complaint"]
		files["000001.seg"], files["000002.seg"], files["000003.seg"] = files["000002.seg"], files["000003.seg"], files["000001.seg"]
		files["000002.seg"].Pages[page] = nil
		for range 2 { // the second finds what the first has left of the mirror
			s = mustOpen(t, "/s", o)
			got := readAllOf(t, s, report.Complaint)
			checkLines(t, s, report.Complaint, got)
			if len(got) != want {
				t.Errorf("page %d: %d complaints, want %d", page, len(got), want)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			clear(disk.Dirs["/s/complaint"]) // then only the mirror has them
		}
	}
}

// TestMirrorThatFails is pulled out and comes back.
func TestMirrorThatFails(t *testing.T) {
	disk := memdisk.New()
	o := small(disk)
	o.Mirror = "/m"
	s := mustOpen(t, "/s", o)
	mustAppend(t, s, report.Complaint, 1)
	(&refuse{err: syscall.EIO, ops: "write sync", part: "/m/"}).on(disk, 1<<40)
	mustAppend(t, s, report.Complaint, 2)
	if s.Status().Mirror == "" {
		t.Error("status does not show that the mirror fails")
	}
	new(refuse).on(disk, 0)
	_ = s.Close()
	s = mustOpen(t, "/s", o) // heals
	_ = s.Close()
	for name := range disk.Dirs["/s/complaint"] {
		delete(disk.Dirs["/s/complaint"], name)
	}
	s = mustOpen(t, "/s", o)
	if got := readAllOf(t, s, report.Complaint); len(got) != 2 {
		t.Errorf("%d complaints from the mirror, want 2", len(got))
	}
}

// TestFreeFilesOutliveARefusal: files that could not be opened are used when
// the disk takes them again, on a disk without room for others.
func TestFreeFilesOutliveARefusal(t *testing.T) {
	disk := memdisk.New()
	s := mustOpen(t, "/s", small(disk))
	disk.Mu.Lock()
	disk.Free = 0
	disk.Mu.Unlock()
	(&refuse{err: syscall.EMFILE, ops: "openrw", part: "/s/complaint/"}).on(disk, 1<<40)
	for range 10 {
		if _, err := s.Append(context.Background(), report.Complaint, "test", "while"); !errors.Is(err, syscall.EMFILE) {
			t.Fatalf("append: %v, want EMFILE", err)
		}
	}
	new(refuse).on(disk, 0)
	for i := range 18 {
		mustAppend(t, s, report.Complaint, i)
	}
}
