package stream

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
)

func TestBoardReportsWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newRecord()
		b := newBoard("gate", "rtsp://x", out, time.Now)
		play := func(s *report.StreamState) { s.State, s.Class, s.Attempts = StatePlaying, "", 0 }
		fail := func(s *report.StreamState) { s.State, s.Class, s.Attempts = StateFailed, ClassTimeout, s.Attempts+1 }
		b.trying(StateResolving)
		b.trying(StateConnecting)
		b.set(play)
		b.set(play)
		began := time.Now()
		b.set(fail)
		time.Sleep(time.Second)
		for range 50 { // tries in vain
			b.trying(StateResolving)
			b.trying(StateConnecting)
			b.set(fail)
		}
		var got []string
		for _, s := range out.all() {
			got = append(got, s.State)
		}
		if want := "resolving connecting playing failed"; strings.Join(got, " ") != want {
			t.Errorf("reported %q, want %q", got, want)
		}
		st, step := b.read()
		if !st.Since.Equal(began) || st.Attempts != 51 || st.State != StateFailed || step != StateFailed {
			t.Errorf("since %v, %d attempts, %s, step %s; want since %v, 51", st.Since, st.Attempts, st.State, step, began)
		}
	})
}

// TestBoardFlapping: a stream that goes and comes each second for an hour gives
// some 250 reports, not 7,200, and the newest state is told in the end.
func TestBoardFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newRecord()
		b := newBoard("gate", "rtsp://x", out, time.Now)
		for range 3600 {
			b.set(func(s *report.StreamState) { s.State = StatePlaying })
			b.set(func(s *report.StreamState) { s.State = StateFailed })
			time.Sleep(time.Second)
			b.flush()
		}
		b.set(func(s *report.StreamState) { s.State = StatePlaying })
		for range 60 {
			time.Sleep(time.Second)
			b.flush()
		}
		states := out.all()
		if n, most := len(states), reportBurst+3661/15+1; n > most || n < 20 {
			t.Errorf("%d reports, want 20 to %d", n, most)
		}
		last := states[len(states)-1]
		if last.State != StatePlaying {
			t.Errorf("the last report says %s, want playing", last.State)
		}
		flapping := 0
		for _, s := range states {
			if strings.Contains(s.Detail, "flapping") {
				flapping++
			}
		}
		if flapping == 0 {
			t.Error("no report says that changes are missing")
		}
	})
}

// What the configuration says of a stream stands in every state of it.
func TestStateSaysWhatIsConfigured(t *testing.T) {
	for _, on := range []bool{false, true} {
		w, err := New(Config{Name: "gate", URL: "rtsp://127.0.0.1:1/x", Sub: on, Shared: on}, slog.New(slog.DiscardHandler), newRecord())
		if err != nil {
			t.Fatal(err)
		}
		if st := w.board.cur; st.Sub != on || st.Shared != on {
			t.Errorf("sub %v, shared %v, want %v", st.Sub, st.Shared, on)
		}
	}
}
