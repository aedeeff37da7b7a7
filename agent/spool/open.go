package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kentongan/agent/report"
)

// Sizes of segments in bytes.
const (
	segmentMin = 256 << 10
	segmentMax = 4 << 20
	segments   = 256 // at most so many for the quota, so that opening reads so many headers
)

// Open opens the spool in dir, and makes it where there is none. It takes the
// directory for this process. It fails when the directory can't be had, when the
// process may open or read no file now, and when the disk gives nothing of what is
// there, never because of what is in it: damage is named in the event lane.
//
// Opening reads the header of each segment and the newest segment of each
// lane, so its time does not depend on how many records wait.
func Open(dir string, o Options) (*Spool, error) {
	if o.Stamp == nil || !report.ValidDevice(o.Device) {
		return nil, fmt.Errorf("open spool %s: device %q and a source of stamps are needed", dir, o.Device)
	}
	o.defaults()
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("open spool: make directory %s: %w", dir, err)
	}
	lock, err := o.FS.Lock(dir)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{
		o: o, dir: dir, fs: o.FS, log: o.Log.With("part", "spool"), lock: lock,
		quit: make(chan struct{}), done: make(chan struct{}),
		cursor: cursorFile{fs: o.FS, dir: dir},
	}
	err = s.recover()
	if err == nil && s.beginEpoch() {
		err = s.recover()
	}
	if err != nil {
		for _, l := range s.lanes {
			l.retire()
		}
		s.cursor.close()
		if s.mirror != nil {
			s.mirror.close()
		}
		_ = lock.Close()
		return nil, fmt.Errorf("open spool %s: %w", dir, err)
	}
	s.move()
	s.wake, s.pen = make(chan struct{}, 1), make(chan struct{}, 1)
	s.cursorDue = time.Now().Add(cursorEvery)
	go s.run()
	return s, nil
}

func (o *Options) defaults() {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.TelemetryDelay <= 0 {
		o.TelemetryDelay = 10 * time.Second
	}
	if o.Epoch == nil {
		o.Epoch = newEpoch
	}
}

// newEpoch draws the name of a new store.
func newEpoch() (report.Epoch, error) {
	var b [8]byte
	for {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, fmt.Errorf("draw epoch: %w", err)
		}
		if e := report.Epoch(binary.LittleEndian.Uint64(b[:])); e != 0 {
			return e, nil
		}
	}
}

func (s *Spool) newLane(name report.Lane) *lane {
	l := &lane{
		s: s, name: name, dir: filepath.Join(s.dir, string(name)),
		quota: s.o.Quota[name], size: s.o.Segment[name],
		first: 1, next: 1, durable: 1, changed: make(chan struct{}),
	}
	l.unpin = sync.NewCond(&l.mu)
	if l.quota <= 0 {
		l.quota = DefaultQuota()[name]
	}
	if l.size <= 0 {
		l.size = min(max(l.quota/segments, segmentMin), segmentMax)
		// A small lane still has several files, so that space comes free in parts.
		l.size = max(min(l.size, l.quota/8), 8*pageSize)
	}
	l.size = l.size &^ (pageSize - 1)
	l.quota = max(l.quota, 2*l.size)
	return l
}

// recover finds out what the disk holds.
func (s *Spool) recover() error {
	for i, name := range report.Lanes() {
		s.lanes[i] = s.newLane(name)
	}
	if s.o.Mirror != "" {
		s.mirror = newMirror(s.o.FS, s.o.Mirror, s.mirrorRefused)
	}
	gen, c, bad, cursorErr := readCursors(s.fs, s.dir)
	if passing(cursorErr) {
		return cursorErr
	}
	s.cursor.gen = gen
	s.cursor.open()
	sv, err := s.survey()
	if err != nil {
		return err
	}
	if err := s.chooseEpoch(&c, cursorErr == nil, sv); err != nil {
		return err
	}
	s.keepOurs(sv, c.Lanes[report.Complaint].first())
	old := s.oldFiles(sv)
	history := false
	for _, files := range sv.lanes {
		for _, f := range files {
			history = history || f.id != 0
		}
	}
	known := c.Lanes != nil
	s.clean = known && c.Clean || !known && !history
	if !known && history || bad > 0 && !errors.Is(cursorErr, errSlot) {
		s.cursorDamaged(cursorErr, known)
	}
	if s.mirror != nil {
		s.mirror.restore(c.Behind)
	}
	for i, l := range s.lanes {
		l.restore(sv.lanes[i], c.Lanes[l.name], history && !known, s.clean, sv.next[i], sv.reserved)
	}
	if s.unread != nil {
		return s.unread
	}
	s.openOld(old)
	s.reserved.Store(s.lanes[2].next)
	if err := s.saveCursor(false); err != nil {
		s.fault(s.lanes[2], err)
	}
	for _, l := range s.lanes {
		if err := l.provide(); err != nil {
			s.fault(l, err)
		}
	}
	if s.mirror != nil {
		s.mirror.compare(s.lanes[0])
		s.mirror.heal(s.lanes[0])
	}
	if s.notes.ready(true) {
		s.events(nil, false, true)
		// So that a device that is cut off again and again says it once.
		if err := s.saveCursor(false); err != nil {
			s.fault(s.lanes[2], err)
		}
	}
	return nil
}

func (s *Spool) cursorDamaged(err error, known bool) {
	d := report.Damage{Segment: cursorName, Bytes: pageSize, Lane: report.Event, Detail: "one slot was damaged; the other one counts"}
	if !known {
		d.Detail = "lost; records may be sent twice and some numbers are left out"
		if err != nil {
			d.Detail += ": " + err.Error()
		}
	}
	s.damage(d)
}

// provide makes the files that the lane must never lack: the whole quota of
// the complaint lane, two in the others, so that a disk filled by other
// programs can't refuse a press, nor the record of a gap.
func (l *lane) provide() error {
	for at := 0; ; at++ {
		if made, err := l.provideOne(at); err != nil || !made {
			return err
		}
	}
}

// lacks tells whether one of these files is missing.
func (l *lane) lacks() bool {
	if l.used()+l.size > l.quota {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.free)
	if l.active != nil {
		n++
	}
	return l.name == report.Complaint || n < 2
}

// provideOne makes one of these files, if one is missing.
func (l *lane) provideOne(at int) (made bool, err error) {
	if !l.lacks() {
		return false, nil
	}
	seg, f, err := l.create()
	if err != nil {
		return false, err
	}
	_ = f.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = slices.Insert(l.free, at, seg) // before those with an earlier life
	return true, nil
}
