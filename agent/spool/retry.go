package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// largeLimit is the longest pause before something is tried again that writes a whole
// file: a disk that takes all of it and then refuses the flush would wear.
const largeLimit = time.Hour

// errLater is what can be asked for, and is not yet.
var errLater = errors.New("a whole file is written later, since the disk refused one")

// retry asks the disk again for what it refused the lane. Presses may be hours
// apart, and measurements minutes: until the next one an old refusal would stand for
// the disk of now, and who looks after the board would reset one that is well; and
// the space that the disk refused when the spool was opened would still be missing.
// Where the lane has nothing to ask for, it counts that the cursor was saved.
//
// What is missing is made up for one file at a time, for each may cost a slow disk
// seconds, and appends wait behind it.
//
// Nothing is asked while the cursor on the disk is old: the headers that are
// overwritten may be all that says which numbers were given out.
func (l *lane) retry(saved bool) {
	st := l.status()
	switch {
	case !saved:
	case st.Err != "":
		asked, err := l.ask()
		if errors.Is(err, errLater) || err == nil && !asked && st.Full {
			return
		}
		if err != nil {
			l.s.fault(l, err)
			return
		}
		l.mu.Lock()
		l.stats.Err, l.stats.Full = "", false
		l.mu.Unlock()
		l.s.taken(string(l.name))
		l.mending, l.pause, l.largeAt = true, 0, time.Time{}
	case l.mending:
		l.mending = l.mend()
	}
}

// ask sees that the disk takes a write into the next free file, or a new file where
// there is none. A lane that is full has neither: then the disk was not asked.
func (l *lane) ask() (asked bool, err error) {
	seg := l.takeFree()
	if seg == nil {
		return l.makeOne()
	}
	return true, l.tryOut(seg, false)
}

// mend makes one file that is missing, or makes good one that the disk refused, and
// tells whether there may be more. What the disk does not take now it is asked again.
func (l *lane) mend() (more bool) {
	var made bool
	var err error
	if seg := l.takeBad(); seg != nil {
		err = l.tryOut(seg, true)
		made = err == nil
	}
	if !made {
		var missing error
		made, missing = l.makeOne()
		err = errors.Join(err, missing)
	}
	switch {
	case made:
		return true
	case err == nil:
		if l.short {
			l.s.log.Info("lane whole again", "lane", l.name)
		}
		l.short = false
		return false
	case !l.short:
		l.s.log.Warn("lane not whole", "lane", l.name, "err", err)
		l.short = true
	}
	return true
}

// makeOne makes one of the files that the lane must never lack, if one is missing.
func (l *lane) makeOne() (made bool, err error) {
	if !l.lacks() {
		return false, nil
	}
	err = l.large(func() error {
		_, err := l.provideOne(0)
		return err
	})
	return err == nil, err
}

// large does what writes a whole file, unless that failed a short while ago.
func (l *lane) large(do func() error) error {
	now := time.Now()
	if now.Before(l.largeAt) {
		return errLater
	}
	if err := do(); err != nil {
		l.pause = min(max(2*l.pause, cursorEvery), largeLimit)
		l.largeAt = now.Add(l.pause)
		return err
	}
	l.pause = 0
	return nil
}

// takeBad takes a free segment whose file the disk refused; nil is none.
func (l *lane) takeBad() *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, seg := range l.free {
		if seg.bad && seg.pins == 0 {
			l.free = slices.Delete(l.free, i, i+1)
			return seg
		}
	}
	return nil
}

// tryOut probes a segment that was taken, and gives it back: one that is good before
// the others, and a bad one behind them.
func (l *lane) tryOut(seg *segment, whole bool) error {
	l.saveBefore(seg)
	err := l.probe(seg, whole)
	if err != nil {
		err = fmt.Errorf("segment %s: try: %w", slotName(seg.slot), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && !seg.bad {
		l.free = slices.Insert(l.free, 0, seg)
	} else {
		l.free = append(l.free, seg)
	}
	return err
}

// probe writes into a free segment that it was never used, which its next life
// overwrites anyway. A file that failed before is bad until the whole of it was
// written, in its place or, where the disk refuses that, in a new file.
func (l *lane) probe(seg *segment, whole bool) error {
	was, err := seg.bad, fmt.Errorf("%d bytes instead of %d", seg.size, l.size)
	if seg.size == l.size {
		err = l.wipe(seg)
	} else {
		was = true
	}
	if !was || err == nil && !whole {
		return err
	}
	err = l.large(func() error {
		if err == nil {
			err = l.refill(seg)
		}
		if err != nil {
			err = l.renew(seg)
		}
		return err
	})
	if err == nil {
		seg.bad = false
	}
	return err
}

// wipe writes the header of a segment that was never used.
func (l *lane) wipe(seg *segment) error {
	f, err := l.s.fs.Open(l.path(seg.slot), true)
	if err != nil {
		seg.bad = seg.bad || ofFile(err)
		return err
	}
	defer f.Close()
	*seg = segment{slot: seg.slot, bad: seg.bad, header: header{size: seg.size}}
	if _, err = f.WriteAt(l.blank(), 0); err == nil {
		err = f.Sync()
	}
	if err != nil {
		seg.bad = true
		return err
	}
	l.s.wrote(headerSize, 1)
	return nil
}

// refill writes all of a file where it is.
func (l *lane) refill(seg *segment) error {
	f, err := l.s.fs.Open(l.path(seg.slot), true)
	if err != nil {
		return err
	}
	defer f.Close()
	if err = fill(f, l.size); err == nil {
		_, err = f.WriteAt(l.blank(), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		l.s.wrote(l.size, 1)
	}
	return err
}

// renew puts a new file in the place of one, which stays where the disk has no room
// for another: space that was given back others might take.
func (l *lane) renew(seg *segment) error {
	name := l.path(seg.slot)
	_ = l.s.fs.Remove(l.spare()) // a power cut may have left it
	f, err := allocate(l.s.fs, l.dir, l.spare(), l.size, l.blank())
	if err != nil {
		return err
	}
	l.s.wrote(l.size, 1)
	err = errors.Join(f.Close(), l.s.fs.Rename(l.spare(), name))
	if err == nil {
		err = l.s.fs.SyncDir(l.dir)
	}
	if err != nil {
		_ = l.s.fs.Remove(l.spare())
		return err
	}
	*seg = segment{slot: seg.slot, header: header{size: l.size}}
	return nil
}

// renewName is that of a file until it takes the place of another.
const renewName = "renew.seg"

func (l *lane) spare() string { return filepath.Join(l.dir, renewName) }
