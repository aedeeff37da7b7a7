package firmware

import (
	"context"
	"testing"
)

// TestUpdateAfterACutOnAFullDisk: what an unpacking that was cut off left takes the
// room that it needs; done again, it is written over and is no reason to refuse.
func TestUpdateAfterACutOnAFullDisk(t *testing.T) {
	p := newPublisher(t)
	two := p.bundle(t, 2, "two")
	m := newMemFS()
	d := p.board(t, m)
	left, need := elf("two")[:100], int64(len(elf("two")))+reserve
	f, err := m.Create(slotPath("b", program+".new"), 0o755)
	must(t, err)
	_, err = f.Write(left)
	must(t, err)
	m.free = need - int64(len(left)) - 1
	if _, err := d.Check(two, dev); CodeOf(err) != NoSpace {
		t.Errorf("one byte too few: %v", err)
	}
	m.free = need - int64(len(left))
	if _, err := d.Check(two, dev); err != nil {
		t.Error(err)
	}
	if _, err := d.Apply(context.Background(), two, Options{Device: dev}); err != nil {
		t.Error(err)
	}
}
