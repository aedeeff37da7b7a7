package agent

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/report"
)

// stamped is a clock that stands at a time.
func stamped(at time.Time, q report.Clock) func() report.Stamp {
	return func() report.Stamp { return report.Stamp{Time: at, Clock: q, Boot: "0badcafe"} }
}

func TestKnownTime(t *testing.T) {
	y1970, kept := time.Unix(30, 0), time.Date(2028, 2, 1, 0, 0, 0, 0, time.UTC)
	later := kept.Add(48 * time.Hour)
	tests := map[string]struct {
		file  string
		at    time.Time
		clock report.Clock
		want  time.Time
	}{
		"1970":                              {"2028-02-01T00:00:00Z\n", y1970, report.ClockUnset, kept},
		"1970, nothing kept":                {"", y1970, report.ClockUnset, released},
		"1970, damaged":                     {"2028-02-0\x00", y1970, report.ClockUnset, released},
		"1970, a long file":                 {string(make([]byte, 2*maxKnownFile)), y1970, report.ClockUnset, released},
		"1970, kept before this version":    {"2020-01-01T00:00:00Z\n", y1970, report.ClockUnset, released},
		"a battery that ran down":           {"2028-02-01T00:00:00Z\n", kept.Add(-time.Hour), report.ClockEstimated, kept},
		"a clock that goes on":              {"2028-02-01T00:00:00Z\n", later, report.ClockEstimated, later},
		"a service that was wrong, and set": {"2099-02-01T00:00:00Z\n", later, report.ClockSynced, later},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "time")
			if tt.file != "" {
				if err := os.WriteFile(file, []byte(tt.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			k := newKnownTime(file, stamped(tt.at, tt.clock), slog.New(slog.DiscardHandler))
			if got := k.now(); got.Before(tt.want) || got.Sub(tt.want) > time.Minute {
				t.Errorf("now is %v, want %v", got, tt.want)
			}
		})
	}
}

// A board knows the time for three days, is switched off, and starts in 1970:
// it takes no time for earlier than what it has kept, and goes on from there.
func TestTimeIsKeptOverAPowerCut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "time")
	quiet := slog.New(slog.DiscardHandler)
	var last time.Time
	synctest.Test(t, func(t *testing.T) {
		began := time.Date(2028, 2, 1, 0, 0, 0, 0, time.UTC)
		start, synced := time.Now(), atomic.Bool{}
		k := newKnownTime(file, func() report.Stamp {
			s := report.Stamp{Time: began.Add(time.Since(start)), Clock: report.ClockUnset}
			if synced.Load() {
				s.Clock = report.ClockSynced
			}
			return s
		}, quiet)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- k.run(ctx) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Fatalf("kept a time that no service gave: %v", err)
		}
		synced.Store(true)
		writes, before := 0, fs.FileInfo(nil)
		for range 72 {
			time.Sleep(time.Hour)
			synctest.Wait()
			now, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if before == nil || !os.SameFile(before, now) {
				writes++
			}
			before = now
		}
		last = began.Add(time.Since(start))
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if writes != 3 {
			t.Errorf("%d writes in three days, want 3", writes)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		k := newKnownTime(file, stamped(time.Unix(0, 0), report.ClockUnset), quiet)
		at := k.now()
		if at.After(last) || last.Sub(at) > knownEvery {
			t.Errorf("after the cut it is taken as %v, and was %v", at, last)
		}
		time.Sleep(90 * time.Minute)
		if got := k.now().Sub(at); got != 90*time.Minute {
			t.Errorf("90 minutes later it has gone on by %v", got)
		}
	})
}

// A time service that was wrong once does not stay believed.
func TestWrongTimeIsKeptNoLonger(t *testing.T) {
	file := filepath.Join(t.TempDir(), "time")
	if err := os.WriteFile(file, []byte("2099-01-01T00:00:00Z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	true_ := time.Date(2028, 2, 1, 0, 0, 0, 0, time.UTC)
	k := newKnownTime(file, stamped(true_, report.ClockSynced), slog.New(slog.DiscardHandler))
	if err := k.keep(); err != nil {
		t.Fatal(err)
	}
	k.stamp = stamped(time.Unix(0, 0), report.ClockUnset)
	if got := k.now(); got.Before(true_) || got.Sub(true_) > time.Minute {
		t.Errorf("now is %v, want %v", got, true_)
	}
}

// The uplink checks certificates at that time.
func TestUplinkHasTheKnownTime(t *testing.T) {
	a, err := New(&config.Config{Device: "kiosk-7", Data: t.TempDir()}, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	kept := time.Date(2028, 2, 1, 0, 0, 0, 0, time.UTC)
	if err := os.WriteFile(filepath.Join(a.cfg.Data, "time"), []byte("2028-02-01T00:00:00Z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.known = newKnownTime(filepath.Join(a.cfg.Data, "time"), stamped(time.Unix(0, 0), report.ClockUnset), a.o.Log)
	up, err := a.uplinkConfig(a.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if up.Now == nil || up.Now().Before(kept) {
		t.Errorf("the uplink's clock does not know %v", kept)
	}
}
