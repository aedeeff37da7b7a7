package console

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// patientWriter counts how often its writer is given more time.
type patientWriter struct {
	*httptest.ResponseRecorder
	given int
}

func (w *patientWriter) SetWriteDeadline(time.Time) error { w.given++; return nil }

// Whoever fetches a long list over a slow line has time for each piece of it, and
// not 30 s for all.
func TestLongExportHasTime(t *testing.T) {
	for _, lines := range []bool{false, true} {
		w := &patientWriter{ResponseRecorder: httptest.NewRecorder()}
		out := &sheet{w: w, control: http.NewResponseController(w), lines: lines, head: []string{"n"}}
		for n := range 10 * piece {
			if err := out.row(n, n); err != nil {
				t.Fatal(err)
			}
		}
		if w.given < 10 {
			t.Errorf("lines %v: time was given %d times for %d rows", lines, w.given, 10*piece)
		}
	}
}
