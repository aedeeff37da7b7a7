package store

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/agent/report"
)

const oneDay = 24 * time.Hour

// say sets the state of the complaint of a number, some time after t0.
func say(t testing.TB, s *Store, seq uint64, state string, after time.Duration) {
	t.Helper()
	if err := s.SetTicket(context.Background(), "k1", report.NewTicket(7, seq).String(), TicketState{State: state, At: t0.Add(after), Who: "Budi"}); err != nil {
		t.Fatal(err)
	}
}

// noted is who writes down what is erased.
type noted struct {
	mu   sync.Mutex
	ids  []int64
	fail int64 // for this one
}

var errFull = errors.New("log is full")

func (n *noted) age(before time.Duration) Age {
	return Age{Before: t0.Add(before), Note: func(_ context.Context, _ Tx, id int64) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if id == n.fail {
			return errFull
		}
		n.ids = append(n.ids, id)
		return nil
	}}
}

// openBeside is a second one on the same database, as a command's is.
func openBeside(t testing.TB, place string) *Store {
	t.Helper()
	if !strings.HasPrefix(place, "postgres:") {
		return open(t, place)
	}
	s, err := OpenPostgresBeside(place, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Only what is over, and old, is erased: not what is young, not what is open, not
// what came after the word that seems to close it.
func TestOldComplaintsAreErased(t *testing.T) { onEach(t, testOldComplaints) }

func testOldComplaints(t *testing.T, place func(testing.TB) string) {
	at := place(t)
	s := open(t, at)
	var all []report.Received
	for seq := uint64(1); seq <= 8; seq++ {
		all = append(all, press(t, "k1", seq))
	}
	back := batch("k1", report.Complaint, 1, 10, cancelOf(t, 9, 3))
	back.At = t0.Add(oneDay)
	commit(t, s, batch("k1", report.Complaint, 1, 9, all...), back)
	say(t, s, 1, report.TicketDone, oneDay)
	say(t, s, 2, report.TicketRejected, oneDay)
	say(t, s, 4, report.TicketDone, 9*oneDay)
	say(t, s, 5, report.TicketAssigned, oneDay)
	say(t, s, 7, report.TicketDone, -time.Second)
	say(t, s, 8, report.TicketDone, oneDay)

	n := &noted{fail: complaintAt(t, s, testEpoch, 8).ID}
	erased, left, err := s.EraseOld(t.Context(), n.age(7*oneDay))
	if erased != 3 || left != 3 || !errors.Is(err, errFull) || !strings.Contains(err.Error(), "complaint ") {
		t.Errorf("erased %d, left open %d (%v); want 3, 3 (5, 6 and 7), and that 8 could not be written down", erased, left, err)
	}
	gone(t, s, map[bool][]report.Received{true: {all[0], all[1], all[2], cancelOf(t, 9, 3)}, false: all[3:]})
	if c := complaintAt(t, s, testEpoch, 8); c.Erased || c.Status == nil || c.Status.State != report.TicketDone {
		t.Errorf("what could not be written down is %+v, want it as it was", c)
	}

	// The next time, by whomever, the rest is done, once.
	again := openBeside(t, at)
	n.fail = 0
	for _, want := range []int64{1, 0} {
		if erased, left, err := again.EraseOld(t.Context(), n.age(7*oneDay)); erased != want || left != 3 || err != nil {
			t.Errorf("again: erased %d, left %d (%v), want %d and 3", erased, left, err, want)
		}
	}
	gone(t, s, map[bool][]report.Received{true: {all[7]}, false: all[3:7]})
	var want []int64
	for _, seq := range []uint64{1, 2, 3, 8} {
		want = append(want, complaintAt(t, s, testEpoch, seq).ID)
	}
	if slices.Sort(n.ids); !slices.Equal(n.ids, want) {
		t.Errorf("written down were %v, want %v", n.ids, want)
	}
}

// Two on one database erase each once, and write it down once.
func TestTwoEraseOldComplaints(t *testing.T) { onEach(t, testTwoEraseOld) }

func testTwoEraseOld(t *testing.T, place func(testing.TB) string) {
	at := place(t)
	one := open(t, at)
	two := openBeside(t, at)
	const count = 12
	var all []report.Received
	for seq := uint64(1); seq <= count; seq++ {
		all = append(all, press(t, "k1", seq))
	}
	commit(t, one, batch("k1", report.Complaint, 1, count+1, all...))
	for seq := uint64(1); seq <= count; seq++ {
		say(t, one, seq, report.TicketDone, oneDay)
	}
	var n noted
	var sum [2]int64
	var wg sync.WaitGroup
	for i, s := range []*Store{one, two} {
		wg.Go(func() {
			var err error
			if sum[i], _, err = s.EraseOld(context.Background(), n.age(7*oneDay)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	slices.Sort(n.ids)
	if sum[0]+sum[1] != count || len(slices.Compact(n.ids)) != count {
		t.Errorf("erased %v, written down %v; want %d, each once", sum, n.ids, count)
	}
	gone(t, one, map[bool][]report.Received{true: all})
}

// A complaint that somebody opens again, after it was looked up, stays.
func TestOpenedAgainStays(t *testing.T) { onEach(t, testOpenedAgain) }

func testOpenedAgain(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	commit(t, s, batch("k1", report.Complaint, 1, 2, press(t, "k1", 1)))
	say(t, s, 1, report.TicketDone, oneDay)
	tr, err := s.trace(t.Context(), complaintAt(t, s, testEpoch, 1).ID)
	if err != nil {
		t.Fatal(err)
	}
	var n noted
	age := n.age(7 * oneDay)
	tr.age = &age
	say(t, s, 1, report.TicketAssigned, 2*oneDay)
	if err := s.eraseTrace(t.Context(), tr); !errors.Is(err, ErrNoComplaint) || len(n.ids) != 0 {
		t.Errorf("%v, written down %v; want that it is none of them", err, n.ids)
	}
	gone(t, s, map[bool][]report.Received{false: {press(t, "k1", 1)}})
	if c := complaintAt(t, s, testEpoch, 1); c.Erased || c.Status == nil || c.Status.State != report.TicketAssigned {
		t.Errorf("%+v, want it assigned", c)
	}
}
