package spool

import (
	"strings"
	"testing"

	"kentongan/agent/report"
)

// A device's name of more than 7 characters made every header unreadable: it
// was written at one place and looked for at another.
func TestHeaderComesBackForEachLengthOfName(t *testing.T) {
	for n := 1; n <= 40; n++ {
		want := header{
			lane: report.Event, epoch: 0x0f3a9c1d2e4b5a67, id: 41, size: 256 << 10, first: 1000, before: 990,
			prev: report.HashLine([]byte("before")), reserved: 5096, next: [3]uint64{7, 1000, 5000},
			device: strings.Repeat("kiosk-9xyz", 4)[:n], cursor: 800, upto: 850,
		}
		got, err := decodeHeader(want.encode())
		if err != nil || got != want {
			t.Fatalf("a name of %d: got %+v, %v, want %+v", n, got, err, want)
		}
	}
}
