package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"kentongan/agent/report"
)

// segment is what memory holds of one segment that is in use: nothing in it
// grows with the records.
type segment struct {
	header
	slot uint32 // the number in the file's name
	last uint64 // number of the newest durable record, first-1 for none
	end  int64  // where the next frame goes; of the active segment
	pins int    // readers; a pinned segment is not given a new life
	bad  bool   // a write or sync failed: the file is made anew before its next life, or retry makes it good
}

// lane is one ordered log.
//
// The mutex guards what both the writer and others use. What stands below
// "writer" belongs to the one with the pen (to Open, before there is one).
type lane struct {
	s     *Spool
	name  report.Lane
	epoch report.Epoch // the store's, or the one before while its records move
	dir   string
	quota int64
	size  int64 // of a segment

	mu      sync.Mutex
	segs    []*segment // in use, in the order of their ids
	free    []*segment // ready for a new life, the oldest id first
	first   uint64     // cursor
	next    uint64     // number of the next record
	durable uint64     // next number that is not yet on the disk
	changed chan struct{}
	hints   [4]hint
	hintAt  int
	known   []report.Range
	buffer  buffer
	stats   LaneStatus
	gone    bool       // the spool is closed
	fresh   bool       // the header of the active segment is not on the disk yet
	newest  newest     // durable record of a chained lane
	refused error      // telemetry: why no numbers could be reserved
	unpin   *sync.Cond // of mu

	oldBytes int64           // of files that still hold records of the epoch before
	moved    uint64          // of a lane of the epoch before: all up to here have moved
	have     map[uint64]bool // and these

	// writer
	active  *segment
	file    File // of the active segment
	topID   uint64
	topSlot uint32
	prev    report.Hash
	lines   []byte        // of the commit being made; its room is used again
	out     []byte        // the same, of what is written
	saved   uint64        // first, as the cursor on the disk has it
	noted   uint64        // the reserved end that the newest segment says
	mending bool          // some files may be missing or bad
	short   bool          // and a log line says so
	largeAt time.Time     // no whole file is tried before
	pause   time.Duration // that led there
}

func (l *lane) path(slot uint32) string { return filepath.Join(l.dir, slotName(slot)) }

func slotName(slot uint32) string { return fmt.Sprintf("%06d.seg", slot) }

// ensure makes an active segment with room for the item.
func (l *lane) ensure(it item) error {
	if space := frameSpace(len(it.payload)); l.active != nil && l.active.end+space <= l.active.size {
		return nil
	}
	l.retire()
	return l.turn(it)
}

// retire leaves the active segment; it stays in use until it is acknowledged.
func (l *lane) retire() {
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
	if l.active == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active = nil
	l.releaseLocked()
}

// turn gives a segment a new life that begins with the item. Its header goes
// out with the first commit, in the same write.
func (l *lane) turn(it item) error {
	seg, f, err := l.take()
	if err != nil {
		return err
	}
	next, pending := l.s.marks(), l.s.notes.gaps(l.name)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topID++
	seg.header = header{
		lane: l.name, epoch: l.epoch, id: l.topID, size: seg.size,
		first: l.beginsLocked(it), before: l.lastWrittenLocked(), prev: l.prev,
		reserved: l.s.reserved.Load(), next: next, cursor: l.explainedLocked(pending), upto: l.first, device: l.s.o.Device, was: l.s.formerEpoch(),
	}
	seg.last, seg.end, seg.bad = seg.first-1, headerSize, false
	l.segs = append(l.segs, seg)
	l.active, l.file, l.fresh = seg, f, true
	return nil
}

// explainedLocked is the cursor, or the first number below it whose gap record
// still waits to be written.
func (l *lane) explainedLocked(pending []report.Gap) uint64 {
	first := l.first
	for _, g := range pending {
		if g.Epoch == l.epoch {
			first = min(first, g.From)
		}
	}
	return first
}

// beginsLocked is the number that a segment beginning with the item begins
// with. It is the item's own: telemetry may be acknowledged from memory while
// the item is on its way, and frames below the first number do not count.
func (l *lane) beginsLocked(it item) uint64 {
	if it.kind == frameReserve {
		return l.nextWriteLocked()
	}
	return it.seq
}

// nextWriteLocked is the number that the next frame begins with.
func (l *lane) nextWriteLocked() uint64 {
	if l.name == report.Telemetry {
		return l.buffer.firstOr(l.next)
	}
	return l.next
}

// lastWrittenLocked is the last number that stands in any segment.
func (l *lane) lastWrittenLocked() uint64 {
	if n := len(l.segs); n > 0 {
		return l.segs[n-1].last
	}
	return min(l.durable, l.nextWriteLocked()) - 1
}

// saveBefore saves the cursor when the next life of a free segment would
// overwrite records that the cursor on the disk still holds for needed: after a
// power cut they would be missed. It asks about the segment that was taken, not
// about the first free one: an acknowledgement may free another in between. An
// error is no reason to stop: it costs a false gap at worst.
func (l *lane) saveBefore(seg *segment) {
	l.mu.Lock()
	need := seg.id != 0 && seg.last >= l.saved
	l.mu.Unlock()
	if need {
		l.s.saveCursor(false)
	}
}

const (
	// takeTries is how many free files one append tries before it gives up: each
	// may cost a dying card seconds.
	takeTries = 3
	// illFrom is from how many refused files on it is the disk that is ill, and no
	// file. Nothing that it holds is given up for room that it does not give.
	illFrom = 2
)

// take finds a file for a new segment: one that is free, a new one, or, where
// the lane may drop, the oldest in use.
func (l *lane) take() (*segment, File, error) {
	var last error
	refused := 0
	for range min(l.countFree(), takeTries) {
		seg := l.takeFree()
		if seg == nil {
			break
		}
		l.saveBefore(seg)
		f, err := l.openFree(seg)
		if err == nil {
			return seg, f, nil
		}
		last = err
		refused++
		l.s.fault(l, err)
		l.giveBack(seg)
	}
	if l.used()+l.size <= l.quota+l.grace() {
		seg, f, err := l.create()
		if err == nil {
			return seg, f, nil
		}
		last = err
		l.s.fault(l, err)
	}
	if l.name != report.Complaint && refused < illFrom {
		if seg, f, ok := l.drop(); ok {
			return seg, f, nil
		}
	}
	if last != nil {
		return nil, nil, fmt.Errorf("lane %s: new segment: %w", l.name, errors.Join(ErrFull, last))
	}
	return nil, nil, fmt.Errorf("lane %s: %w: %d of %d bytes wait for the centre", l.name, errNoRoom, l.used(), l.quota)
}

func (l *lane) countFree() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.free)
}

// giveBack makes a segment free whose file the disk refused: behind the others, and
// it may take it another time.
func (l *lane) giveBack(seg *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, seg)
}

// takeFree takes the oldest free segment that nobody reads any more.
func (l *lane) takeFree() *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.free) > 0 {
		seg := l.free[0]
		if seg.pins > 0 {
			l.unpin.Wait()
			continue
		}
		l.free = l.free[1:]
		return seg
	}
	return nil
}

// openFree opens the file of a free segment, and makes it anew where it failed
// before or has another size than the configuration says now.
func (l *lane) openFree(seg *segment) (File, error) {
	name := l.path(seg.slot)
	if !seg.bad && seg.size == l.size {
		f, err := l.s.fs.Open(name, true)
		if err == nil || !ofFile(err) {
			return f, err
		}
	}
	if err := l.remake(seg); err != nil {
		return nil, fmt.Errorf("segment %s: make anew: %w", slotName(seg.slot), err)
	}
	return l.s.fs.Open(name, true)
}

// ofFile tells whether an error of opening is of that one file, which another in its
// place mends: too many open files, say, or a file system that is read-only now, is
// no reason to give its space away.
func ofFile(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EIO) }

// remake makes another file in the place of a free segment's. The old one stays until
// then, so that neither a power cut nor another program takes its space; where there
// is no room for both, all of it is written again, or another size takes its room.
func (l *lane) remake(seg *segment) error {
	err := l.renew(seg)
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	if seg.size == l.size {
		if again := l.refill(seg); !errors.Is(again, fs.ErrNotExist) {
			seg.bad, err = again != nil, again
		}
		return err
	}
	if err := l.s.fs.Remove(l.path(seg.slot)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := allocate(l.s.fs, l.dir, l.path(seg.slot), l.size, l.blank())
	if err != nil {
		return err
	}
	l.s.wrote(l.size, 1)
	*seg = segment{slot: seg.slot, header: header{size: l.size}}
	return f.Close()
}

// create makes one more file.
func (l *lane) create() (*segment, File, error) {
	slot := l.topSlot + 1
	f, err := allocate(l.s.fs, l.dir, l.path(slot), l.size, l.blank())
	if err != nil {
		return nil, nil, fmt.Errorf("make segment %s: %w", slotName(slot), err)
	}
	l.s.wrote(l.size, 1)
	l.topSlot = slot
	return &segment{slot: slot, header: header{size: l.size}}, f, nil
}

// blank is the header of a segment that was never used, so that opening need
// not read the whole file to know.
func (l *lane) blank() []byte {
	return header{lane: l.name, epoch: l.epoch, size: l.size, device: l.s.o.Device}.encode()
}

// used is how many bytes the lane's files take.
func (l *lane) used() (sum int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum = l.oldBytes
	for _, seg := range l.segs {
		sum += seg.size
	}
	for _, seg := range l.free {
		sum += seg.size
	}
	return sum
}

// drop gives up the oldest segment in use. The cursor on the disk does not
// pass the dropped numbers before their gap record is durable.
func (l *lane) drop() (*segment, File, bool) {
	l.mu.Lock()
	for len(l.segs) > 0 && l.segs[0].pins > 0 && l.segs[0] != l.active {
		l.unpin.Wait()
	}
	if len(l.segs) == 0 || l.segs[0] == l.active || l.endsChainLocked() {
		l.mu.Unlock()
		return nil, nil, false
	}
	seg := l.segs[0]
	l.mu.Unlock()
	if f, err := l.s.fs.Open(l.path(seg.slot), true); err == nil {
		_ = f.Close()
	} else if !ofFile(err) {
		l.s.fault(l, err)
		return nil, nil, false // its file could not be used: nothing is given up for it
	}
	l.mu.Lock()
	from, to := max(seg.first, l.first), seg.last
	l.segs = l.segs[1:]
	after := l.durable
	if len(l.segs) > 0 {
		after = l.segs[0].first
	}
	l.first = max(l.first, min(after, l.next))
	below := l.first
	if from <= to {
		l.stats.Dropped += to - from + 1
	}
	l.mu.Unlock()
	l.explainDrop(seg, from, to, below)
	f, err := l.openFree(seg)
	if err != nil {
		l.s.fault(l, err)
		l.giveBack(seg)
		return nil, nil, false
	}
	return seg, f, true
}

// explainDrop notes what giving up a segment takes away: numbers from to to, and
// the gap records among them. They are in the cursor before the segment is
// overwritten: a power cut may leave its header before bytes of its next life,
// and nothing else would say that this is no damage.
func (l *lane) explainDrop(seg *segment, from, to, below uint64) {
	if from > to {
		return
	}
	if l.name == report.Event {
		l.explainEvents(seg, from, to, below)
	} else {
		l.s.gap(l, from, to, report.GapFull)
	}
	_ = l.s.saveCursor(false) // it logs; without it only a power cut right now would cost
}

func (l *lane) explainEvents(seg *segment, from, to, below uint64) {
	own := report.Gap{Lane: l.name, Epoch: l.s.epoch, From: from, To: to, Count: to - from + 1, Reason: report.GapFull}
	// Where the disk refuses again and again, the record that tells of it needs
	// the room of the next segment, and so on without end: there it waits.
	var lazy time.Time
	if l.s.trouble.again(string(l.name)) {
		lazy = time.Now().Add(lazyNotes)
	}
	l.carry(seg, from, below, &own, lazy)
	l.s.noteGapBy(own, lazy)
}

// releaseLocked frees the segments that the cursor has passed.
func (l *lane) releaseLocked() {
	for len(l.segs) > 0 && l.segs[0] != l.active && l.segs[0].last < l.first && !l.endsChainLocked() {
		l.free = append(l.free, l.segs[0])
		l.segs = l.segs[1:]
	}
}

// endsChainLocked tells whether the oldest segment is the only one on the disk
// that says which hash the next record has to name: by its newest record or, where
// none was confirmed, by its header. Acknowledged or not, it is kept until the
// header of another one is durable, or a power cut would cost the chain, and the
// centre would take the record before the cut for an altered one.
func (l *lane) endsChainLocked() bool {
	if !l.name.Chained() || l.epoch != l.s.epoch {
		return false
	}
	return len(l.segs) == 1 || l.segs[1] == l.active && l.fresh
}

// keepSpare is how many free segments a lane that drops keeps for reuse.
const keepSpare = 4

// shrink removes free files beyond the spare ones, so that a lane that was
// full once gives its space back. The complaint lane keeps all of its quota.
func (l *lane) shrink() {
	for l.name != report.Complaint {
		l.mu.Lock()
		var seg *segment
		if len(l.free) > keepSpare && l.free[0].pins == 0 && l.free[0].last < l.saved {
			seg, l.free = l.free[0], l.free[1:]
		}
		l.mu.Unlock()
		if seg == nil {
			return
		}
		if err := l.s.fs.Remove(l.path(seg.slot)); err != nil {
			l.s.fault(l, err)
			return
		}
	}
}

// notifyLocked tells those who wait that something became readable.
func (l *lane) notifyLocked() {
	close(l.changed)
	l.changed = make(chan struct{})
}
