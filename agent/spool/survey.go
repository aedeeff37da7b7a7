package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"kentongan/agent/report"
)

// found is one file of a lane.
type found struct {
	header
	slot uint32
	info FileInfo
	err  error // of the header
}

// survey is what the headers say.
type survey struct {
	lanes    [3][]*found
	next     [3]uint64 // the highest number that any header gives as a lane's next
	reserved uint64    // the same of the reserved telemetry numbers
}

// survey reads the headers of all files. An error is one that will pass, or that of
// a disk of which nothing can be read: what can't be read now must not be set aside
// as foreign, nor called lost.
func (s *Spool) survey() (*survey, error) {
	sv := &survey{}
	var ill error // why something could not be read
	some := false // files could
	for i, l := range s.lanes {
		if err := s.fs.MkdirAll(l.dir); err != nil {
			s.fault(l, err)
		}
		files, err := s.fs.List(l.dir)
		if err != nil {
			s.fault(l, err)
		}
		if passing(err) {
			return nil, fmt.Errorf("lane %s: %w", l.name, err)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			ill = fmt.Errorf("lane %s: %w", l.name, err)
		}
		for _, info := range files {
			slot, ok := parseSlot(info.Name)
			if info.Name == renewName { // a power cut left it
				_ = s.fs.Remove(l.spare())
				continue
			}
			if !ok {
				s.moveAside(l.name, l.dir, info, "not a file of the spool")
				continue
			}
			l.topSlot = max(l.topSlot, slot)
			sv.lanes[i] = append(sv.lanes[i], &found{slot: slot, info: info})
		}
		s.readHeaders(l, sv.lanes[i])
		for _, f := range sv.lanes[i] {
			if !unreadable(f.err) {
				some = true
				continue
			}
			ill = fmt.Errorf("lane %s: segment %s: %w", l.name, f.info.Name, f.err)
			if passing(f.err) {
				return nil, ill
			}
		}
	}
	if ill != nil && !some {
		return nil, fmt.Errorf("nothing in it can be read now: %w", ill)
	}
	return sv, nil
}

// unreadable tells whether the error of a header is the disk's, and not what it says.
func unreadable(err error) bool {
	return err != nil && !errors.Is(err, errNoHeader) && !errors.Is(err, errVersion)
}

// headReaders is how many headers are read at a time: flash answers several
// small reads nearly as fast as one.
const headReaders = 8

func (s *Spool) readHeaders(l *lane, files []*found) {
	var at atomic.Int64
	var wg sync.WaitGroup
	for range min(headReaders, len(files)) {
		wg.Go(func() {
			for i := at.Add(1) - 1; i < int64(len(files)); i = at.Add(1) - 1 {
				f := files[i]
				if f.header, f.err = readHeader(s.fs, l.path(f.slot)); f.err != nil {
					f.size = f.info.Size
				}
			}
		})
	}
	wg.Wait()
}

func parseSlot(name string) (slot uint32, ok bool) {
	if _, err := fmt.Sscanf(name, "%06d.seg", &slot); err != nil || slot == 0 || slotName(slot) != name {
		return 0, false
	}
	return slot, true
}

func readHeader(fsys FS, name string) (header, error) {
	f, err := fsys.Open(name, false)
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	if r, ok := f.(interface{ ReadAlone() }); ok {
		r.ReadAlone() // or the kernel reads 128 KiB ahead, for each header
	}
	var b [headerUsed]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		return header{}, err
	}
	return decodeHeader(b[:n])
}

// chooseEpoch decides which store this is: the epoch that most headers give,
// with the cursor's as one more voice. So neither a foreign cursor nor some
// foreign segments make the rest foreign.
func (s *Spool) chooseEpoch(c *cursors, known bool, sv *survey) error {
	votes := map[report.Epoch]int{}
	for _, files := range sv.lanes {
		for _, f := range files {
			if f.err == nil {
				votes[f.epoch] += 2
			}
		}
	}
	if known {
		votes[c.Epoch]++
	}
	best := 0
	for e, n := range votes {
		if n > best || n == best && e < s.epoch {
			s.epoch, best = e, n
		}
	}
	s.followEpoch(c, known, sv)
	if known && c.Epoch != s.epoch {
		s.damage(report.Damage{Lane: report.Event, Segment: cursorName, Bytes: cursorSlots * pageSize, Detail: "the cursor is of another store"})
		*c = cursors{}
	}
	if best == 0 && (s.mirror == nil || !s.adopt(c)) {
		var err error
		if s.epoch, err = s.o.Epoch(); err != nil {
			return err
		}
	}
	if c.Renew != nil {
		s.renewal = c.Renew
	}
	for _, l := range s.lanes {
		l.epoch = s.epoch
	}
	return nil
}

// followEpoch goes from the epoch of most headers to the one that its records
// are moving into, which the cursor tells, or a header where that is lost.
func (s *Spool) followEpoch(c *cursors, known bool, sv *survey) {
	s.renewal = nil
	if known && c.Renew.moving() && c.Renew.Epoch == s.epoch {
		s.epoch = c.Epoch
	}
	for _, files := range sv.lanes {
		for _, f := range files {
			if f.err != nil || f.was != s.epoch || f.was == 0 || f.epoch == f.was {
				continue
			}
			r := &renewal{Epoch: f.was, Lanes: map[report.Lane]*laneCursor{}, Start: map[report.Lane]uint64{}, Base: map[report.Lane]uint64{}}
			if known && c.Epoch == f.was {
				r.Lanes, r.Held = c.Lanes, c.Renew.held()
			}
			s.epoch, s.renewal = f.epoch, r
			*c = cursors{}
			return
		}
	}
}

// adopt takes the epoch of the mirror: the first storage is new, and the
// presses on the other one have not arrived. All numbers jump, since the
// mirror's cursor is as old as its last writing.
func (s *Spool) adopt(c *cursors) bool {
	_, got, _, err := readCursors(s.fs, s.o.Mirror)
	if err != nil {
		return false
	}
	s.epoch = got.Epoch
	for _, l := range got.Lanes {
		l.Next += reserveStep
		l.Reserved += reserveStep
	}
	got.Clean = false
	*c = got
	return true
}

// keepOurs sorts out what is not ours, brings what stands in another lane's
// directory home, and fetches what only the mirror has of the complaints from
// number first on.
func (s *Spool) keepOurs(sv *survey, first uint64) {
	var homeless [3][]*found
	for i, l := range s.lanes {
		sv.lanes[i] = slices.DeleteFunc(sv.lanes[i], func(f *found) bool {
			if errors.Is(f.err, errVersion) {
				s.damage(report.Damage{Lane: l.name, Segment: f.info.Name, Bytes: f.size, Detail: f.err.Error() + "; it is left alone"})
				return true
			}
			if f.err != nil && !s.rebuild(l, f) {
				return true
			}
			if f.epoch != s.epoch && f.epoch != s.formerEpoch() {
				s.moveAside(l.name, l.dir, f.info, fmt.Sprintf("segment of another store, epoch %s", f.epoch))
				return true
			}
			if f.lane != l.name {
				homeless[laneNumber(f.lane)] = append(homeless[laneNumber(f.lane)], f)
				return !s.bringHome(l, f)
			}
			return false
		})
	}
	for i := range homeless {
		for _, f := range homeless[i] {
			if f.info.Name == slotName(f.slot) {
				sv.lanes[i] = append(sv.lanes[i], f)
			}
		}
	}
	if s.mirror != nil {
		sv.lanes[0] = append(sv.lanes[0], s.fetch(sv.lanes[0], first)...)
	}
	for i, l := range s.lanes {
		sv.lanes[i] = s.order(l, sv.lanes[i])
		for _, f := range sv.lanes[i] {
			for k := range sv.next {
				sv.next[k] = max(sv.next[k], f.next[k])
			}
			sv.reserved = max(sv.reserved, f.reserved)
		}
	}
	if s.mirror != nil {
		s.mirror.align(sv.lanes[0])
	}
}

// bringHome moves a segment from the directory of lane l to its own. It always
// returns false: the file is no longer one of l.
func (s *Spool) bringHome(l *lane, f *found) bool {
	home := s.lanes[laneNumber(f.lane)]
	slot := home.topSlot + 1
	if err := s.fs.Rename(l.path(f.slot), home.path(slot)); err != nil {
		s.fault(l, err)
		f.slot = 0 // it can't be used from where it is
		return false
	}
	home.topSlot = slot
	s.damage(report.Damage{
		Lane: f.lane, Segment: f.info.Name, Bytes: f.size,
		Detail: fmt.Sprintf("stood in the directory of lane %s; moved to %s, nothing is lost", l.name, slotName(slot)),
	})
	f.slot, f.info.Name = slot, slotName(slot)
	_ = s.fs.SyncDir(home.dir)
	return false
}

// order sorts segments by id. Of two with the same id one is a copy: the
// later file is set aside.
func (s *Spool) order(l *lane, files []*found) []*found {
	slices.SortFunc(files, func(a, b *found) int {
		if a.id != b.id {
			return compare(a.id, b.id)
		}
		return compare(uint64(a.slot), uint64(b.slot))
	})
	out := files[:0]
	for _, f := range files {
		if n := len(out); n > 0 && f.id != 0 && out[n-1].id == f.id {
			s.moveAside(l.name, l.dir, f.info, "a second copy of "+out[n-1].info.Name)
			continue
		}
		out = append(out, f)
	}
	return out
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// rebuild finds out from its frames what a segment without a header is. False
// when it is of no use.
func (s *Spool) rebuild(l *lane, f *found) bool {
	file, err := s.fs.Open(l.path(f.slot), false)
	if err != nil {
		s.damage(report.Damage{Lane: l.name, Segment: f.info.Name, Bytes: f.size, Detail: err.Error()})
		return false
	}
	data, readErr := readAll(file, f.size)
	_ = file.Close()
	h, ok := guessHeader(data, s.epoch)
	if !ok && s.formerEpoch() != 0 {
		h, ok = guessHeader(data, s.formerEpoch())
	}
	if other, err := s.mirrorHeader(l, f.slot); err == nil && (!ok || other.id == h.id && other.lane == h.lane) {
		f.header, f.err = other, nil
		s.writeHeader(l, f)
		return true
	}
	if ok {
		// A file that was also cut short had the size of the others once.
		h.size = max(s.lanes[laneNumber(h.lane)].size, (f.info.Size+pageSize-1)&^(pageSize-1))
		f.header, f.err = h, nil
		s.writeHeader(l, f)
		return true
	}
	if len(data) >= pageSize && !allZero(data[headerSize:]) || len(data) < pageSize && !allZero(data) {
		s.moveAside(l.name, l.dir, f.info, "no segment: no header and no record")
		return false
	}
	if readErr != nil {
		s.damage(report.Damage{Lane: l.name, Segment: f.info.Name, Bytes: f.size, Detail: readErr.Error()})
	}
	// Begun to be made when the power went, zeroed, or not to be read: free, to be
	// made anew.
	f.header, f.err = header{lane: l.name, epoch: s.epoch}, nil
	return true
}

// mirrorHeader is the header that the mirror has under the same name, of this
// store and lane.
func (s *Spool) mirrorHeader(l *lane, slot uint32) (header, error) {
	if l.name != report.Complaint || s.mirror == nil {
		return header{}, errNoHeader
	}
	h, err := readHeader(s.fs, s.mirror.path(slot))
	if err == nil && (h.lane != l.name || h.epoch != s.epoch && h.epoch != s.formerEpoch()) {
		return header{}, errNoHeader
	}
	return h, err
}

// guessHeader makes a header out of the frames of the newest life.
func guessHeader(data []byte, epoch report.Epoch) (header, bool) {
	var h header
	for at := int64(headerSize); at+frameSize <= int64(len(data)); at += align {
		f, ok := peekFrame(data[at:])
		if !ok || f.id == 0 || f.kind == frameReserve || f.id < h.id || f.id == h.id && f.seq >= h.first {
			continue
		}
		for _, lane := range report.Lanes() {
			got, payload, ok := parseFrame(data[at:], seed(epoch, lane, f.id))
			if !ok {
				continue
			}
			h = header{lane: lane, epoch: epoch, id: got.id, first: got.seq, before: got.seq - 1}
			if rec, err := report.DecodeRecord(payload); err == nil && rec.Prev != nil {
				h.prev, h.device = *rec.Prev, rec.Device
			}
		}
	}
	return h, h.id != 0
}

// writeHeader repairs the header on the disk, as far as it lets itself.
func (s *Spool) writeHeader(l *lane, f *found) {
	file, err := s.fs.Open(l.path(f.slot), true)
	if err == nil {
		if _, err = file.WriteAt(f.header.encode(), 0); err == nil {
			err = file.Sync()
		}
		_ = file.Close()
	}
	detail := "the header was damaged; mended, nothing is lost"
	if err != nil {
		detail = "the header is damaged and can't be mended: " + err.Error()
	}
	s.damage(report.Damage{Lane: l.name, Segment: f.info.Name, Bytes: headerSize, Detail: detail})
}

// fetch copies complaint segments from the mirror that the first storage lost.
// One whose records are all below first is what is left of an earlier life.
func (s *Spool) fetch(have []*found, first uint64) (got []*found) {
	l := s.lanes[0]
	ids := map[uint64]bool{0: true}
	for _, f := range have {
		ids[f.id] = true
		first = max(first, f.upto) // a header may be younger than the cursor's file
	}
	files, _ := s.fs.List(s.mirror.dir)
	for _, info := range files {
		slot, ok := parseSlot(info.Name)
		if !ok {
			continue
		}
		h, err := readHeader(s.fs, s.mirror.path(slot))
		if err != nil || h.lane != l.name || ids[h.id] {
			continue
		}
		first := first
		switch h.epoch {
		case s.epoch:
		case s.formerEpoch():
			first = s.renewal.Lanes[l.name].first()
		default:
			continue
		}
		seg := &segment{header: h, slot: slot}
		data := s.mirror.image(seg)
		im := image{data: data, epoch: h.epoch, lane: h.lane, id: h.id}
		if im.walk(h.first, ^uint64(0)).last(h.first-1) < max(first, h.first) {
			continue
		}
		l.topSlot++
		f, err := allocate(s.fs, l.dir, l.path(l.topSlot), h.size, data)
		if err != nil {
			s.fault(l, err)
			continue
		}
		_ = f.Close()
		s.damage(report.Damage{Lane: l.name, Segment: info.Name, Bytes: info.Size, Detail: "missing; fetched from the mirror as " + slotName(l.topSlot)})
		got = append(got, &found{header: h, slot: l.topSlot, info: FileInfo{Name: slotName(l.topSlot), Size: info.Size}})
		ids[h.id] = true
	}
	return got
}
