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
//
// What is missing is made up for one file at a time, for each may cost a slow disk
// seconds, and appends wait behind it.
func (l *lane) retry(saved bool) {
	st := l.status()
	switch {
	case st.Err != "":
		asked, err := l.ask()
		if err != nil {
			l.s.fault(l, err)
			return
		}
		if !asked && (!saved || st.Full) {
			return
		}
		l.mu.Lock()
		l.stats.Err, l.stats.Full = "", false
		l.mu.Unlock()
		l.s.taken(string(l.name))
		l.mending = true
	case l.mending:
		l.mending = l.mend()
	}
}

// ask sees that the disk takes a write into the next free file, or a new file where
// there is none. A lane that is full has neither: then the disk was not asked.
func (l *lane) ask() (asked bool, err error) {
	seg := l.takeFree()
	if seg == nil {
		return l.provideOne(0)
	}
	return true, l.tryOut(seg)
}

// mend makes one file that is missing, or makes anew one that the disk refused; false
// when there is none, or the disk does not take it now: the lane does without.
func (l *lane) mend() bool {
	made, err := l.provideOne(0)
	if seg := l.takeBad(); err == nil && !made && seg != nil {
		made, err = true, l.tryOut(seg)
	} else if seg != nil {
		l.giveBack(seg, false)
	}
	if err != nil {
		l.s.log.Info("lane not made whole", "lane", l.name, "err", err)
	}
	return made && err == nil
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

// tryOut probes a segment that was taken, and gives it back.
func (l *lane) tryOut(seg *segment) error {
	l.saveBefore(seg)
	err := l.probe(seg)
	l.giveBack(seg, err == nil)
	return err
}

// giveBack puts one that is good before the others, and a bad one behind them.
func (l *lane) giveBack(seg *segment, good bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if good {
		l.free = slices.Insert(l.free, 0, seg)
	} else {
		l.free = append(l.free, seg)
	}
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
