package firmware

import (
	"errors"
	"testing"
)

// TestUpdateAfterDamage: a card that failed under one of the files that say how
// things went keeps no board from being updated, once it was started.
func TestUpdateAfterDamage(t *testing.T) {
	p := newPublisher(t)
	for name, running := range map[string]uint64{trialFile: 1, floorFile: 1, slotPath("a", releaseFile): 0} {
		t.Run(name, func(t *testing.T) {
			m := newMemFS()
			d := p.board(t, m)
			must(t, save(m, name, 0o644, []byte("\x00\x00")))
			slot, trial, err := d.Start("boot-1")
			if slot != "a" || trial.State != noTrial || !errors.Is(err, errDamaged) {
				t.Errorf("slot %q, trial %+v, %v: want slot a, no trial, and the damage told", slot, trial, err)
			}
			if s, err := d.Status(); err != nil || s.Trial != nil || s.Running != running {
				t.Errorf("status %+v, %v", s, err)
			}
			if _, err := d.Check(p.bundle(t, 1, "one"), dev); running > 0 && CodeOf(err) != Older {
				t.Errorf("the release that runs: %v, want %s", err, Older)
			}
			apply(t, d, p.bundle(t, 2, "two"))
			if _, _, err := d.Start("boot-2"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestStartLeavesTheKeyList: whom a board believes is not forgotten because a card
// failed.
func TestStartLeavesTheKeyList(t *testing.T) {
	m := newMemFS()
	d := newPublisher(t).board(t, m)
	must(t, save(m, keysFile, 0o644, []byte("damaged")))
	if slot, _, err := d.Start("boot-1"); slot != "a" || err != nil {
		t.Errorf("slot %q, %v", slot, err)
	}
	if text, err := load(m, keysFile); err != nil || string(text) != "damaged" {
		t.Errorf("the key list is %q, %v", text, err)
	}
}
