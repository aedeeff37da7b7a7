package spool

import (
	"runtime"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestWhatWasFoundStandsBeforeTheNextEvent: who reads of an event has read before it
// what the spool had found until then, also when the writer takes both in one round.
func TestWhatWasFoundStandsBeforeTheNextEvent(t *testing.T) {
	s := mustOpen(t, "/s", small(memdisk.New()))
	defer s.Close()
	for range 8 { // a segment takes three: some rounds pass its end
		s.pen <- struct{}{} // nobody writes
		s.gap(s.lanes[0], 1, 1, report.GapDamage)
		added := make(chan uint64)
		go func() {
			seq, err := s.Append(t.Context(), report.Event, "test", "behind it")
			if err != nil {
				t.Error(err)
			}
			added <- seq
		}()
		for len(waitingEvents(s)) == 0 {
			runtime.Gosched()
		}
		<-s.pen
		seq := <-added
		got, err := s.Read(report.Event, seq-1, 1, 1<<20)
		if err != nil || len(got) != 1 {
			t.Fatalf("the record before event %d: %v, %v", seq, got, err)
		}
		if r, err := report.DecodeRecord(got[0].Line); err != nil || r.Kind != report.KindGap {
			t.Errorf("before event %d stands %s (%v), want the gap that was found before it", seq, got[0].Line, err)
		}
	}
}

func waitingEvents(s *Spool) []*request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue[1]
}
