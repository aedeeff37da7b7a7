package agent

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// profilee is an agent with a spool and no loops.
func profilee(t *testing.T, telemetry int64) profiler {
	t.Helper()
	dir := t.TempDir()
	cfg := &config.Config{Device: "kiosk-7", Data: dir, Spool: config.Spool{Complaint: 1 << 20, Event: 1 << 20, Telemetry: telemetry}}
	a, err := New(cfg, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a.ordered = newOrderedConfig(a)
	if a.spool, err = spool.Open(filepath.Join(dir, "spool"), a.spoolOptions()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.spool.Close(); err != nil {
			t.Error(err)
		}
	})
	return profiler{a}
}

// keepBusy is a function that a profile of the processor must name.
//
//go:noinline
func keepBusy(stop <-chan struct{}) (n uint64) {
	for {
		select {
		case <-stop:
			return n
		default:
			for range 100_000 {
				n = n*2862933555777941757 + 3037000493
			}
		}
	}
}

// Each profile names the functions of the program, that of the processor the one
// that keeps it busy, and nothing of what the program works on.
func TestProfilesNameFunctions(t *testing.T) {
	stop := make(chan struct{})
	go keepBusy(stop)
	defer close(stop)
	p := profilee(t, 2<<20)
	for what, names := range map[string]string{
		report.ProfileCPU:       "kentongan/agent.keepBusy",
		report.ProfileGoroutine: "kentongan/agent.keepBusy",
		report.ProfileHeap:      "alloc_space",
	} {
		// On a busy machine a watched moment may be one in which others ran, or the
		// function has not begun.
		for began := time.Now(); ; {
			data, err := p.Profile(t.Context(), what, time.Second)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			text := unzip(t, data)
			if bytes.Contains(text, []byte(names)) {
				if bytes.Contains(text, []byte(p.agent.cfg.Data)) {
					t.Errorf("%s: what the agent works on is in it", what)
				}
				break
			}
			if time.Since(began) > 90*time.Second {
				t.Errorf("%s: %d bytes that don't name %s", what, len(text), names)
				break
			}
		}
	}
}

func unzip(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// While something else is judged, while measurements wait, and while one is being
// taken, none is.
func TestNoProfileAtTheWrongTime(t *testing.T) {
	tests := map[string]struct {
		before func(t *testing.T, a *Agent)
		want   string
	}{
		"a configuration is on trial": {func(t *testing.T, a *Agent) {
			o := &ordered{V: orderedVersion, Now: &version{Version: 2}, Trial: &trial{ID: "a1"}}
			if err := o.save(a.cfg.Data); err != nil {
				t.Fatal(err)
			}
		}, "configuration is on trial"},
		"a release is on trial": {func(t *testing.T, a *Agent) {
			dir := filepath.Join(a.cfg.Data, "firmware")
			if err := os.MkdirAll(filepath.Join(dir, "slots/a"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "slots/a/kentongan"), []byte("#!/bin/sh\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("slots/a", filepath.Join(dir, "current")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "trial"), []byte(`{"number":9,"version":"1.4.0","slot":"a","previous":"b","state":"trying"}`), 0o600); err != nil {
				t.Fatal(err)
			}
			a.cfg.Update.Dir = dir
		}, "release 9 is on trial"},
		"measurements wait": {func(t *testing.T, a *Agent) {
			noise := rand.NewChaCha8([32]byte{}) // the lane is packed
			for range 120 {
				piece := report.SnapshotPiece{ID: "5f0c9a1d2e4b5a67", Of: 1, Data: make([]byte, report.PieceBytes)}
				_, _ = noise.Read(piece.Data) // it never fails
				if _, err := a.spool.Append(t.Context(), report.Telemetry, report.KindSnapshotPiece, piece); err != nil {
					t.Fatal(err)
				}
			}
		}, "measurements wait for the uplink"},
		"one is being taken": {func(t *testing.T, a *Agent) {
			var out bytes.Buffer
			began, ended, stop := make(chan struct{}), make(chan error), make(chan struct{})
			go func() {
				ended <- duringCPU(&out, func() { close(began); <-stop })
			}()
			<-began
			t.Cleanup(func() {
				close(stop)
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		}, "cpu profiling already in use"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := profilee(t, 1<<20)
			if _, err := p.Profile(t.Context(), report.ProfileGoroutine, 0); err != nil {
				t.Fatalf("before: %v", err)
			}
			tt.before(t, p.agent)
			_, err := p.Profile(t.Context(), report.ProfileCPU, time.Millisecond)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestStacksHoldNoValues: a stack prints the words of each call, and a profile of the
// goroutines does not.
func TestStacksHoldNoValues(t *testing.T) {
	const secret = 0x5ec7e75ec7e7
	got := stacksIn(secret)
	if !bytes.Contains(got, []byte("0x5ec7e75ec7e7")) {
		t.Fatalf("the word is not in the stack, so nothing is proven:\n%s", got)
	}
	got = wordless(got)
	if bytes.Contains(got, []byte("(0x")) || bytes.Contains(got, []byte("5ec7e7")) || !bytes.Contains(got, []byte("stacksIn(...)\n")) {
		t.Errorf("after it:\n%s", got)
	}
}

//go:noinline
func stacksIn(n uint64) []byte {
	b := stacks()
	if n == 0 {
		return nil
	}
	return b
}
