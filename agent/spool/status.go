package spool

import "kentongan/agent/report"

// Status is what a spool does, for people and for measurements.
type Status struct {
	Epoch  report.Epoch
	Clean  bool // the run before ended with Close, or there was none
	Lanes  map[report.Lane]LaneStatus
	Syncs  int64  // calls of fdatasync since Open
	Bytes  int64  // handed to the disk since Open
	Mirror string // what is wrong with it; "" for nothing, or for none
}

// LaneStatus is the part of one lane.
type LaneStatus struct {
	First, Next uint64 // as in Head
	Records     uint64 // not yet acknowledged
	Segments    int    // in use
	Used        int64  // bytes in use
	Files       int64  // bytes of all files
	Quota       int64  // bytes
	Written     uint64 // records on the disk since Open
	Dropped     uint64 // numbers given up for room since Open
	Damaged     uint64 // numbers lost to damage since Open
	Err         string // why the lane took no record, or what the disk refused it; "" when it would take one
	Full        bool   // Err is that the lane is full, which is no fault of the disk
}

// Status returns the state now.
func (s *Spool) Status() Status {
	st := Status{
		Epoch: s.epoch, Clean: s.clean, Syncs: s.syncs.Load(), Bytes: s.written.Load(),
		Lanes: map[report.Lane]LaneStatus{},
	}
	for _, l := range s.lanes {
		st.Lanes[l.name] = l.status()
	}
	if s.mirror != nil {
		s.mirror.mu.Lock()
		if s.mirror.err != nil {
			st.Mirror = s.mirror.err.Error()
		}
		s.mirror.mu.Unlock()
	}
	return st
}

func (l *lane) status() LaneStatus {
	files := l.used()
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.stats
	st.First, st.Next, st.Records = l.first, l.next, l.next-l.first
	st.Quota, st.Files, st.Segments = l.quota, files, len(l.segs)
	for _, seg := range l.segs {
		st.Used += seg.size
	}
	return st
}
