package spool

import (
	"context"
	"sync/atomic"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// afterRead calls a function once, when a whole segment was read.
type afterRead struct {
	FS
	size int
	then atomic.Pointer[func()]
}

type afterFile struct {
	File
	fs *afterRead
}

func (a *afterRead) Open(name string, write bool) (File, error) {
	f, err := a.FS.Open(name, write)
	if err != nil {
		return nil, err
	}
	return afterFile{f, a}, nil
}

func (f afterFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	if len(b) == f.fs.size {
		if then := f.fs.then.Swap(nil); then != nil {
			(*then)()
		}
	}
	return n, err
}

// TestWhatIsWrittenMeanwhileIsNotMissed: while a damaged segment was mended
// from the mirror, a press that came in between was taken for damaged too.
func TestWhatIsWrittenMeanwhileIsNotMissed(t *testing.T) {
	disk := memdisk.New()
	a := &afterRead{FS: disk, size: 16 << 10}
	o := small(a)
	o.Mirror = "/m"
	s := mustOpen(t, "/s", o)
	mustAppend(t, s, report.Complaint, 1)
	mustAppend(t, s, report.Complaint, 2)
	disk.Mu.Lock()
	disk.Dirs["/s/complaint"]["000001.seg"].Pages[1] = nil
	disk.Mu.Unlock()
	then := func() {
		if _, err := s.Append(context.Background(), report.Complaint, "test", 3); err != nil {
			t.Error(err)
		}
	}
	a.then.Store(&then)
	if got := readAllOf(t, s, report.Complaint); len(got) != 3 {
		t.Errorf("%d records, want 3", len(got))
	}
	if a.then.Load() != nil {
		t.Fatal("no segment was read as a whole, so nothing was tested")
	}
	mustAppend(t, s, report.Event, "behind it")
	for _, e := range readAllOf(t, s, report.Event) {
		if r, _ := report.DecodeRecord(e.Line); r.Kind == report.KindDamage {
			if d := decode[report.Damage](t, r.Body); d.Bytes != pageSize {
				t.Errorf("%d bytes are called damaged, one page is", d.Bytes)
			}
		}
	}
}

// TestHalfWrittenCommitIsNoDamage: who reads a segment while a commit is being
// written may see its second page and not its first.
func TestHalfWrittenCommitIsNoDamage(t *testing.T) {
	im := image{data: make([]byte, 8*pageSize), epoch: 7, lane: report.Complaint, id: 3}
	sum := seed(im.epoch, im.lane, im.id)
	for seq := uint64(1); seq <= 4; seq++ {
		if seq == 3 {
			continue // its page is not there yet
		}
		f := frame{kind: frameRecord, flags: flagFirst, id: im.id, seq: seq, count: 1}
		copy(im.data[int64(seq)*pageSize:], appendFrame(nil, sum, f, []byte("record")))
	}
	if w := im.walk(1, 2); len(w.spans) != 0 || w.last(0) != 2 {
		t.Errorf("%+v, want 1 and 2 and nothing else", w)
	}
	if w := im.walk(1, 4); len(w.spans) != 1 || w.spans[0].before != 4 {
		t.Errorf("%+v, want a span where 3 was", w)
	}
}
