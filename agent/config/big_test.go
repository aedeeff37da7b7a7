package config

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLargestFilesAreReadInTime: a device must say what is wrong, not hang,
// whatever a megabyte holds. The limit has room for -race.
func TestLargestFilesAreReadInTime(t *testing.T) {
	const limit = 20 * time.Second
	many := func(head, form string) string {
		var b strings.Builder
		b.WriteString(head)
		for i := 0; b.Len() < MaxBytes-200; i++ {
			fmt.Fprintf(&b, form, i)
		}
		return b.String()
	}
	tests := map[string]struct {
		text string
		good bool
	}{
		"cameras":       {many(least+"streams:\n", "- {name: c%[1]d, url: 'rtsp://h/%[1]d'}\n"), false},
		"buttons":       {many(least+"board: {driver: gpio}\nkiosk:\n  number: 1\n  buttons:\n", "  - {name: b%[1]d, line: L%[1]d, service_code: a, category: b, label: {id: a, en: a}}\n"), false},
		"1,000 cameras": {least + "streams:\n" + strings.Repeat("- {name: a, url: 'rtsp://h/'}\n", maxItems), false},
		"unknown keys":  {many(least, "k%d:\n"), false},
		"one key":       {many(least, "data: %d\n"), false},
		"brackets":      {many(least, "[%.0d"), false},
		"nesting":       {many("", "{a%d: "), false},
		"aliases":       {many("a: &a [x]\nb: [", "*a,%.0d"), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			began := worked(t)
			c, err := Parse("x.yaml", []byte(tt.text))
			if (err == nil) != tt.good {
				t.Errorf("error: %.300v", err)
			}
			if c != nil {
				c.Warnings()
			}
			if took := worked(t) - began; took > limit {
				t.Errorf("took %v of a processor, want less than %v", took, limit)
			}
		})
	}
}

// worked is the processor time that this goroutine's thread has had, which it has
// to itself: what other programs take on a busy machine is not in it.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
