package stream

// maxGap is the largest step of sequence numbers that is called loss; a larger
// one is a jump, such as a camera that started counting anew. Two seconds of a
// 4 Mbit/s stream have about 800 packets.
const maxGap = 1000

// verdict says what one sequence number was.
type verdict int

const (
	advanced   verdict = iota // the next one, or one after a loss
	late                      // reordered: fills a hole
	duplicated                // seen before
	jumped                    // out of all order; counting starts again here
)

// sequence counts RTP sequence numbers. The library's own loss is not used: a
// doubled packet counts there as 65,535 lost.
type sequence struct {
	started bool
	last    uint16
	seen    uint64 // bit i: number last-i was seen

	packets, lost, reordered, duplicates, jumps uint64
}

// add takes the next packet's number. lost is how much it changed the loss:
// positive when it came after a hole, -1 when it fills one.
func (s *sequence) add(n uint16) (v verdict, lost int) {
	s.packets++
	if !s.started {
		s.started, s.last, s.seen = true, n, 1
		return advanced, 0
	}
	d := int(int16(n - s.last)) // #nosec: wraps as sequence numbers do
	switch {
	case d > 0 && d <= maxGap:
		s.seen = s.seen<<min(d, 64) | 1 // a shift by 64 is 0
		s.last = n
		s.lost += uint64(d - 1)
		return advanced, d - 1
	case d <= 0 && d > -64:
		bit := uint64(1) << -d
		if s.seen&bit != 0 {
			s.duplicates++
			return duplicated, 0
		}
		s.seen |= bit
		s.reordered++
		if s.lost == 0 { // older than the first packet of the session
			return late, 0
		}
		s.lost--
		return late, -1
	}
	s.jumps++
	s.last, s.seen = n, 1
	return jumped, 0
}
