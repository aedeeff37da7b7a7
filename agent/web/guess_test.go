package web

import (
	"fmt"
	"testing"
	"time"
)

func TestGuessesAreLimited(t *testing.T) {
	now := time.Unix(1e9, 0)
	l := Limits{Burst: 10, Every: 6 * time.Second, Wrong: 5, For: 15 * time.Minute} // as of the screen's tickets
	g := NewGuesses(l)
	may := func(ticket string, now time.Time) bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.mayLocked(ticket, now)
	}
	miss := func(ticket string, now time.Time) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.missedLocked(ticket, now)
	}
	for n := range l.Wrong {
		if !may("a", now) {
			t.Fatalf("guess %d is refused", n)
		}
		miss("a", now)
	}
	if may("a", now.Add(l.For-time.Second)) {
		t.Error("a ticket is open after five wrong PINs")
	}
	if !may("b", now) {
		t.Error("another ticket is closed with it")
	}
	if !may("a", now.Add(l.For)) {
		t.Error("a ticket stays closed")
	}
	for n := range l.Burst - l.Wrong {
		miss(fmt.Sprint(n), now)
	}
	if may("c", now) {
		t.Error("there is no limit over all tickets")
	}
	if !may("c", now.Add(l.Every)) {
		t.Error("the limit over all tickets does not end")
	}
	guesses := 0
	for second := range 24 * 60 * 60 {
		if at := now.Add(time.Duration(second) * time.Second); may("a", at) {
			miss("a", at)
			guesses++
		}
	}
	if guesses > 500 {
		t.Errorf("%d guesses of one PIN in a day; of a million there are to be no more than 500", guesses)
	}
	for n := range 3 * maxWatched {
		miss(fmt.Sprint("t", n), now)
	}
	if len(g.wrong) > maxWatched {
		t.Errorf("%d tickets are watched, want %d at most", len(g.wrong), maxWatched)
	}
}
