package store

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	const count = 4
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
	var errs [2]error
	var wg sync.WaitGroup
	for i, s := range []*Store{one, two} {
		wg.Go(func() {
			sum[i], _, errs[i] = s.EraseOld(context.Background(), n.age(7*oneDay))
		})
	}
	wg.Wait()
	// Each may have had to leave some to the other: SQLite's lock has no queue.
	for deadline := time.Now().Add(90 * time.Second); sum[0]+sum[1] < count && time.Now().Before(deadline); {
		more, _, err := one.EraseOld(context.Background(), n.age(7*oneDay))
		sum[0], errs[0] = sum[0]+more, errors.Join(errs[0], err)
	}
	slices.Sort(n.ids)
	if doubles := len(n.ids) != len(slices.Compact(slices.Clone(n.ids))); sum[0]+sum[1] != count || len(n.ids) != count || doubles {
		t.Errorf("erased %v, written down %v (%v); want %d, each once", sum, n.ids, errs, count)
	}
	gone(t, one, map[bool][]report.Received{true: all})
}

// traceOf is what erasing a complaint by its age begins with: it was looked up.
func traceOf(t *testing.T, s *Store, seq uint64, age *Age) *trace {
	t.Helper()
	tr, err := s.trace(t.Context(), complaintAt(t, s, testEpoch, seq).ID)
	if err != nil {
		t.Fatal(err)
	}
	tr.age = age
	return tr
}

// A complaint that somebody opens again, after it was looked up, stays.
func TestOpenedAgainStays(t *testing.T) { onEach(t, testOpenedAgain) }

func testOpenedAgain(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	commit(t, s, batch("k1", report.Complaint, 1, 2, press(t, "k1", 1)))
	say(t, s, 1, report.TicketDone, oneDay)
	var n noted
	age := n.age(7 * oneDay)
	tr := traceOf(t, s, 1, &age)
	say(t, s, 1, report.TicketAssigned, 2*oneDay)
	if err := s.eraseTrace(t.Context(), tr); !errors.Is(err, ErrNoComplaint) || len(n.ids) != 0 {
		t.Errorf("%v, written down %v; want that it is none of them", err, n.ids)
	}
	gone(t, s, map[bool][]report.Received{false: {press(t, "k1", 1)}})
	if c := complaintAt(t, s, testEpoch, 1); c.Erased || c.Status == nil || c.Status.State != report.TicketAssigned {
		t.Errorf("%+v, want it assigned", c)
	}
}

// A ticket that a kiosk gave twice, or that nobody can read, closes none by time: a
// word on it may be of another one, which is open.
func TestOpenOneWithTheSameTicketStays(t *testing.T) { onEach(t, testSameTicket) }

func testSameTicket(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	anew := func(seq uint64, after time.Duration) Arrival { // the ticket of seq once more
		r := rec(t, "k1", report.Complaint, seq, report.KindPress, report.Press{Ticket: report.NewTicket(7, seq).String(), Category: "anew", Presses: 1})
		r.Epoch++
		line, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		a := copyOf(report.Received{Record: r.Record, Line: line})
		a.At = t0.Add(after)
		return a
	}
	unread := rec(t, "k1", report.Complaint, 4, report.KindPress, report.Press{Presses: 1})
	commit(t, s, batch("k1", report.Complaint, 1, 5, press(t, "k1", 1), press(t, "k1", 2), press(t, "k1", 3), unread))
	before, after := anew(1, time.Hour), anew(2, 2*oneDay)
	commit(t, s, before, after)
	for seq := uint64(1); seq <= 3; seq++ {
		say(t, s, seq, report.TicketDone, oneDay)
	}
	if err := s.SetTicket(t.Context(), "k1", complaintAt(t, s, testEpoch, 4).Ticket, TicketState{State: report.TicketDone, At: t0.Add(oneDay), Who: "Budi"}); err != nil {
		t.Fatal(err)
	}
	var n noted
	age := n.age(7 * oneDay)
	tr := traceOf(t, s, 1, &age)
	if err := s.eraseTrace(t.Context(), tr); !errors.Is(err, ErrNoComplaint) {
		t.Errorf("one that shares its ticket: %v, want that it is none of them", err)
	}
	erased, left, err := s.EraseOld(t.Context(), age)
	if erased != 2 || left != 4 || err != nil {
		t.Errorf("erased %d, left %d (%v); want 2 and 4", erased, left, err)
	}
	gone(t, s, map[bool][]report.Received{
		true:  {press(t, "k1", 2), press(t, "k1", 3)},
		false: {press(t, "k1", 1), before.Batch.Records[0], after.Batch.Records[0], unread},
	})
}

// A pass stops when its time is over, and the next goes on; between two erasures
// others have the database.
func TestErasureLeavesTimeToOthers(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	commit(t, s, batch("k1", report.Complaint, 1, 5, press(t, "k1", 1), press(t, "k1", 2), press(t, "k1", 3), press(t, "k1", 4)))
	for seq := uint64(1); seq <= 4; seq++ {
		say(t, s, seq, report.TicketDone, oneDay)
	}
	var times []time.Time
	age := Age{Before: t0.Add(7 * oneDay), For: 1, Note: func(context.Context, Tx, int64) error {
		times = append(times, time.Now())
		return nil
	}}
	for range 2 {
		if erased, _, err := s.EraseOld(t.Context(), age); erased != 1 || err != nil {
			t.Fatalf("with no time: erased %d (%v), want one at a time", erased, err)
		}
	}
	age.For = 0
	if erased, _, err := s.EraseOld(t.Context(), age); erased != 2 || err != nil {
		t.Fatalf("with time: erased %d (%v), want the rest", erased, err)
	}
	if between := times[3].Sub(times[2]); between < leastRest {
		t.Errorf("%s between two, want %s", between, leastRest)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithTimeout(t.Context(), time.Minute)
		defer end()
		for _, tt := range []struct{ took, want time.Duration }{{time.Millisecond, leastRest}, {time.Second, time.Second}, {time.Hour, time.Minute - time.Second - leastRest}} {
			began := time.Now()
			if rest(ctx, tt.took); time.Since(began) != tt.want {
				t.Errorf("after %s it rests for %s, want %s", tt.took, time.Since(began), tt.want)
			}
		}
	})
}
