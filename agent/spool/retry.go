package spool

import (
	"fmt"
	"slices"
)

// retry asks the disk again for what it refused the lane. Presses may be hours
// apart, and measurements minutes: until the next one an old refusal would stand for
// the disk of now, and who looks after the board would reset one that is well; and
// the space that the disk refused when the spool was opened would still be missing.
// Where the lane has nothing to ask for, it counts that the cursor was saved.
func (l *lane) retry(saved bool) {
	if l.status().Err == "" {
		return
	}
	asked, err := l.ready()
	switch {
	case err != nil:
		l.s.fault(l, err)
	case asked || saved && !l.status().Full:
		l.mu.Lock()
		l.stats.Err, l.stats.Full = "", false
		l.mu.Unlock()
		l.s.taken(string(l.name))
	}
}

// ready makes the files that are missing or bad, and sees that the disk takes a write
// into the next free one. A lane that is full has none: then the disk was not asked.
func (l *lane) ready() (asked bool, err error) {
	if err := l.provide(); err != nil {
		return true, err
	}
	seg := l.takeFree()
	if seg == nil {
		return false, nil
	}
	for {
		l.saveBefore(seg)
		err := l.probe(seg)
		l.mu.Lock()
		if err != nil {
			l.free = append(l.free, seg) // at the end, so that others come first
		} else {
			l.free = slices.Insert(l.free, 0, seg)
		}
		if err == nil {
			seg = l.takeBadLocked()
		}
		l.mu.Unlock()
		if err != nil || seg == nil {
			return true, err
		}
	}
}

// takeBadLocked takes a free segment whose file the disk refused: made anew while
// there is room, it is no less than what the lane was promised.
func (l *lane) takeBadLocked() *segment {
	for i, seg := range l.free {
		if seg.bad && seg.pins == 0 {
			l.free = slices.Delete(l.free, i, i+1)
			return seg
		}
	}
	return nil
}

// probe writes into a free segment that it was never used, which its next life
// overwrites anyway.
func (l *lane) probe(seg *segment) error {
	f, err := l.openFree(seg)
	if err != nil {
		return err
	}
	defer f.Close()
	*seg = segment{slot: seg.slot, header: header{size: seg.size}}
	if _, err = f.WriteAt(l.blank(), 0); err == nil {
		err = f.Sync()
	}
	if err != nil {
		seg.bad = true
		return fmt.Errorf("segment %s: try: %w", slotName(seg.slot), err)
	}
	l.s.wrote(headerSize, 1)
	return nil
}
