package fanout

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A position that was kept while the clock was ahead would leave out all until then;
// one that is a little ahead, of a clock that was corrected, passes no hour on again.
func TestPositionAheadOfTheClock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fanout.json")
	f := New(Config{File: file, Log: slog.New(slog.DiscardHandler)})
	for name, tt := range map[string]struct{ at, want time.Duration }{
		"behind":         {-3 * time.Hour, -3 * time.Hour},
		"a little ahead": {4 * time.Minute, -margin},
		"ahead":          {24 * time.Hour, -time.Hour},
	} {
		now := time.Now()
		if err := os.WriteFile(file, fmt.Appendf(nil, `{"passed":%q}`, now.Add(tt.at).Format(time.RFC3339Nano)), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := f.position()
		if err != nil {
			t.Fatal(err)
		}
		if want := now.Add(tt.want); p.Passed.Before(want.Add(-time.Minute)) || p.Passed.After(want.Add(patience)) {
			t.Errorf("%s: %s, want %s", name, p.Passed, want)
		}
	}
}

// patience is what a busy machine may take.
const patience = 2 * time.Minute
