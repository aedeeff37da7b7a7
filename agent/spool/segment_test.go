package spool

import (
	"math"
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

// TestTornCommitOfManyIsNoDamage: of a commit of many records the power left some
// sectors here and there, and all but the last stretch were called damaged.
func TestTornCommitOfManyIsNoDamage(t *testing.T) {
	im := image{data: make([]byte, 64<<10), epoch: 7, lane: report.Event, id: 3}
	sum := seed(im.epoch, im.lane, im.id)
	at, offs := headerSize, []int(nil)
	for i := range 12 {
		flags := byte(0)
		if i == 0 || i == 4 { // two commits
			flags = flagFirst
		}
		f := appendFrame(nil, sum, frame{kind: frameRecord, flags: flags, id: im.id, seq: uint64(i + 1), count: 1}, make([]byte, 300))
		copy(im.data[at:], f)
		offs = append(offs, at)
		at += len(f)
	}
	for _, i := range []int{5, 7, 9} { // of the second commit
		clear(im.data[offs[i] : offs[i]+200])
	}
	for _, sp := range im.walk(1, math.MaxUint64).spans {
		if !sp.torn {
			t.Errorf("numbers %d to %d are called damaged", sp.after+1, sp.before-1)
		}
	}
	clear(im.data[offs[2] : offs[2]+200]) // of the first
	if spans := im.walk(1, math.MaxUint64).spans; len(spans) != 4 || spans[0].torn || !spans[1].torn {
		t.Errorf("%+v", spans)
	}
}
