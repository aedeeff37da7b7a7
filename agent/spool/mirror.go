package spool

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"kentongan/agent/report"
)

// mirror is a second copy of the complaint lane, file for file and byte for
// byte, so that a damaged page is copied back from the same place.
//
// The mutex guards all: the writer writes, readers mend.
type mirror struct {
	fs  FS
	dir string      // of the complaint lane
	bad func(error) // told of each refusal, and with nil when the mirror is whole again

	mu     sync.Mutex
	file   File
	slot   uint32
	behind map[uint32]bool // copies that lack something
	err    error
	cursor cursorFile
}

func newMirror(fsys FS, dir string, bad func(error)) *mirror {
	m := &mirror{fs: fsys, dir: filepath.Join(dir, string(report.Complaint)), bad: bad, behind: map[uint32]bool{}}
	m.cursor = cursorFile{fs: fsys, dir: dir}
	if err := fsys.MkdirAll(m.dir); err != nil {
		m.fail(0, err)
	}
	return m
}

func (m *mirror) path(slot uint32) string { return filepath.Join(m.dir, slotName(slot)) }

// write repeats a write to a segment. A copy that missed one is left alone
// until heal makes it whole.
func (m *mirror) write(seg *segment, buf []byte, off int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.behind[seg.slot] {
		return
	}
	err := m.open(seg)
	if err == nil {
		_, err = m.file.WriteAt(buf, off)
	}
	if err == nil {
		err = m.file.Sync()
	}
	if err != nil {
		m.fail(seg.slot, err)
	}
}

// open makes the file of the segment the current one, and makes it where there
// is none of that size.
func (m *mirror) open(seg *segment) error {
	if m.file != nil && m.slot == seg.slot {
		return nil
	}
	m.drop()
	f, err := m.fs.Open(m.path(seg.slot), true)
	if err == nil {
		if size, err := f.Size(); err != nil || size != seg.size {
			_ = f.Close()
			f = nil
		}
	} else {
		f = nil
	}
	if f == nil {
		_ = m.fs.Remove(m.path(seg.slot))
		if f, err = allocate(m.fs, m.dir, m.path(seg.slot), seg.size, nil); err != nil {
			return err
		}
	}
	m.file, m.slot = f, seg.slot
	return nil
}

func (m *mirror) drop() {
	if m.file != nil {
		_ = m.file.Close()
		m.file = nil
	}
}

func (m *mirror) fail(slot uint32, err error) {
	if slot != 0 {
		err = fmt.Errorf("segment %s: %w", slotName(slot), err)
	}
	m.err = err
	m.bad(err)
	m.drop()
	if slot != 0 {
		m.behind[slot] = true
		_ = m.fs.Remove(m.path(slot)) // an error of fsync is final for a file
	}
}

// heal copies the segments that the mirror lacks. It stops at the first error.
func (m *mirror) heal(l *lane) {
	l.mu.Lock()
	segs := slices.Clone(l.segs)
	l.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.behind) == 0 {
		return
	}
	live := map[uint32]bool{}
	for _, seg := range segs {
		live[seg.slot] = true
		if !m.behind[seg.slot] {
			continue
		}
		if err := m.copy(l, seg); err != nil {
			m.fail(seg.slot, err)
			return
		}
		delete(m.behind, seg.slot)
	}
	for slot := range m.behind {
		if !live[slot] {
			delete(m.behind, slot)
		}
	}
	m.well()
}

// well ends a time of trouble.
func (m *mirror) well() {
	if m.err != nil {
		m.err = nil
		m.bad(nil)
	}
}

// copy makes the mirror's file of a segment whole.
func (m *mirror) copy(l *lane, seg *segment) error {
	src, err := l.s.fs.Open(l.path(seg.slot), false)
	if err != nil {
		return err
	}
	defer src.Close()
	data, err := readAll(src, seg.size)
	if err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if err := m.fs.MkdirAll(m.dir); err != nil {
		return err
	}
	if err := m.open(seg); err != nil {
		return err
	}
	if _, err := m.file.WriteAt(data, 0); err != nil {
		return err
	}
	return m.file.Sync()
}

// image reads the mirror's copy of a segment; nil where it has none.
func (m *mirror) image(seg *segment) []byte {
	f, err := m.fs.Open(m.path(seg.slot), false)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, _ := readAll(f, seg.size)
	return data
}

// mend copies into the image each good frame up to number limit that only the
// mirror has, and returns where those are that hold number first or a later one:
// what was acknowledged may be missing because the segment's next life began.
func (m *mirror) mend(seg *segment, im image, first, limit uint64) (mended []span) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data := m.image(seg)
	if data == nil {
		return nil
	}
	have := map[uint64]bool{}
	for _, spot := range im.walk(seg.first, ^uint64(0)).spots {
		have[spot.seq] = true
	}
	other := image{data: data, epoch: im.epoch, lane: im.lane, id: im.id}
	for _, spot := range other.walk(seg.first, limit).spots {
		if have[spot.seq] {
			continue
		}
		end := spot.off + spot.space()
		if next := (end + pageSize - 1) &^ (pageSize - 1); next <= int64(len(data)) && allZero(data[end:next]) {
			end = next // the rest of the page too
		}
		copy(im.data[spot.off:end], data[spot.off:end])
		if spot.last() >= first {
			mended = append(mended, span{off: spot.off, end: end})
		}
	}
	return mended
}

func (m *mirror) saveCursor(c cursors, closing bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.behind) > 0 && m.err != nil {
		return // heal comes first
	}
	if _, err := m.cursor.save(c, closing); err != nil {
		m.fail(0, err)
		return
	}
	m.well()
}

func (m *mirror) behindNames() (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for slot := range m.behind {
		names = append(names, slotName(slot))
	}
	slices.Sort(names)
	return names[:min(len(names), 64)]
}

func (m *mirror) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop()
	m.cursor.close()
}
