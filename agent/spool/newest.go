package spool

import "kentongan/agent/report"

// newest is the last durable record of a lane; seq 0 is none that is known.
type newest struct {
	seq  uint64
	hash report.Hash
}

// Newest returns the number and the hash of the last durable record of a chained
// lane; 0 when there is none, or none that could be read since the spool was
// opened. No later record, and no power cut, gives that number to another one.
func (s *Spool) Newest(lane report.Lane) (epoch report.Epoch, seq uint64, hash report.Hash) {
	l, err := s.lane(lane)
	if err != nil || !lane.Chained() {
		return s.epoch, 0, report.Hash{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.epoch, l.newest.seq, l.newest.hash
}
