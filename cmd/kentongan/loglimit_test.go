package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lines is a buffer for two goroutines.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

// TestFloodBecomesACount: the clock is a bubble's.
func TestFloodBecomesACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b lines
		plain := slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		}})
		l := newLimited(plain)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); l.run(ctx) }()
		log := slog.New(l)
		gate, yard := log.With("stream", "gate"), log.With("stream", "yard")
		for i := range 1000 {
			gate.Warn("session over", "n", i)
		}
		yard.Warn("session over", "n", 1) // another camera is another message
		gate.Info("session began")
		if got := strings.Count(b.String(), "\n"); got != limitBurst+2 {
			t.Errorf("%d lines, want %d:\n%s", got, limitBurst+2, b.String())
		}
		b.Reset()
		for i := range 3 * limitBurst { // each is another citizen's
			log.Info("press kept", "line", "road", "ticket", i)
		}
		if got := strings.Count(b.String(), "\n"); got != 3*limitBurst {
			t.Errorf("%d presses in the log, want %d:\n%s", got, 3*limitBurst, b.String())
		}
		b.Reset()
		time.Sleep(2 * limitWindow)
		synctest.Wait()
		if got, want := b.String(), "msg=\"session over\" stream=gate n=999 repeated=990\n"; got != want {
			t.Errorf("after the window: %q, want %q", got, want)
		}
		b.Reset()
		gate.Warn("session over", "n", 1) // it begins anew
		for range 20 {
			log.Debug("packet")
		}
		for i := range 20 {
			gate.Error("not kept", "n", i)
		}
		cancel()
		<-ended
		if got := b.String(); !strings.HasPrefix(got, "msg=\"session over\" stream=gate n=1\n") || !strings.HasSuffix(got, "msg=\"not kept\" stream=gate n=19 repeated=10\n") {
			t.Errorf("at the end: %q", got)
		}
	})
}

// TestFloodOfDifferentMessages is bounded in memory.
func TestFloodOfDifferentMessages(t *testing.T) {
	l := newLimited(slog.DiscardHandler)
	for i := range 10 * maxLimited {
		_ = l.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, strings.Repeat("x", i%2000)+string(rune('a'+i%26)), 0))
	}
	if n := len(l.state.all); n > maxLimited {
		t.Errorf("%d are counted", n)
	}
}
