package spool

import (
	"fmt"
	"testing"

	"kentongan/agent/report"
)

// TestCursorOfANewEpochFitsItsPage: with all the holes that it may have to keep,
// of both epochs, and a mirror that lacks segments.
func TestCursorOfANewEpochFitsItsPage(t *testing.T) {
	const far = 1 << 40
	r := &renewal{Epoch: 1 << 63, Held: map[report.Lane]uint64{}, Lanes: map[report.Lane]*laneCursor{}, Start: map[report.Lane]uint64{}, Base: map[report.Lane]uint64{}, Moved: map[report.Lane]uint64{}}
	c := cursors{Version: formatVersion, Epoch: 1<<63 + 1, Lanes: map[report.Lane]*laneCursor{}, Renew: r}
	for _, lane := range report.Lanes() {
		l, old := laneCursor{First: far, Next: far + 1e6, ID: far, Reserved: far}, laneCursor{First: far, Next: far + 1e6, ID: far, Reserved: far}
		for i := range uint64(maxKnown) {
			l.Known = append(l.Known, report.Range{From: far + 10*i, To: far + 10*i + 2})
		}
		for i := range uint64(maxPending) {
			old.Known = append(old.Known, report.Range{From: far + 10*i, To: far + 10*i + 2})
			l.Pending = append(l.Pending, hole{Range: report.Range{From: far + 10*i, To: far + 10*i + 5}, Reason: report.GapDamage, Count: 3, Epoch: r.Epoch})
		}
		c.Lanes[lane], r.Lanes[lane] = &l, &old
		r.Held[lane], r.Start[lane], r.Base[lane], r.Moved[lane] = far, far, far, far
	}
	for i := range 64 {
		c.Behind = append(c.Behind, fmt.Sprintf("%06d.seg", i+1))
	}
	page, err := encodeSlot(7, c)
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := decodeSlot(page)
	if err != nil || len(got.Lanes[report.Complaint].Pending) != maxPending || got.Renew.Base[report.Event] != far {
		t.Errorf("read back %+v: %v", got, err)
	}
}
