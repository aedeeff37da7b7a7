package firmware

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

var dev = Device{Platform: here}

// life is what happens to a board, step by step; each step may be cut.
type life struct {
	name  string
	steps func(d *Dir, two, three files) error
	// want is the version that runs when nothing was cut.
	want string
}

var lives = []life{
	{"update and commit", func(d *Dir, two, _ files) error {
		if _, err := d.Apply(context.Background(), two, Options{Device: dev}); err != nil {
			return err
		}
		if _, _, err := d.Start("boot-1"); err != nil {
			return err
		}
		_, err := d.Commit(2)
		return err
	}, "two"},
	{"update and three failed starts", func(d *Dir, two, _ files) error {
		if _, err := d.Apply(context.Background(), two, Options{Device: dev}); err != nil {
			return err
		}
		for range 1 + MaxFailures {
			if _, _, err := d.Start("boot-1"); err != nil {
				return err
			}
		}
		return nil
	}, "one"},
	{"update, no commit in time", func(d *Dir, two, _ files) error {
		if _, err := d.Apply(context.Background(), two, Options{Device: dev}); err != nil {
			return err
		}
		if _, _, err := d.Start("boot-1"); err != nil {
			return err
		}
		_, err := d.Back("not well within 10 minutes")
		return err
	}, "one"},
	{"two updates", func(d *Dir, two, three files) error {
		for i, f := range []files{two, three} {
			if _, err := d.Apply(context.Background(), f, Options{Device: dev}); err != nil {
				return err
			}
			if _, _, err := d.Start("boot-1"); err != nil {
				return err
			}
			if _, err := d.Commit(uint64(i + 2)); err != nil {
				return err
			}
		}
		return nil
	}, "three"},
	{"update, commit, back by hand", func(d *Dir, two, _ files) error {
		if _, err := d.Apply(context.Background(), two, Options{Device: dev}); err != nil {
			return err
		}
		if _, _, err := d.Start("boot-1"); err != nil {
			return err
		}
		if _, err := d.Commit(2); err != nil {
			return err
		}
		_, err := d.Undo()
		return err
	}, "one"},
}

// TestCutAtEveryStep cuts the power before each change of the disk, in each
// life of a board, with each choice of what was not flushed. The board always
// comes up with a whole version, and an update goes through afterwards.
func TestCutAtEveryStep(t *testing.T) {
	p := newPublisher(t)
	two, three, four := p.bundle(t, 2, "two"), p.bundle(t, 3, "three"), p.bundle(t, 4, "four")
	whole := map[string]string{}
	for _, v := range []string{"one", "two", "three", "four"} {
		whole[string(elf(v))] = v
	}
	images := 0
	for _, l := range lives {
		for cut := 0; ; cut++ {
			m := newMemFS()
			d := p.board(t, m)
			begin := m.ops
			if cut > 0 {
				m.cutAt = begin + cut
			}
			err := l.steps(d, two, three)
			if cut == 0 {
				slot, cerr := d.Current()
				if err != nil || cerr != nil || whole[string(content(t, d, slot))] != l.want {
					t.Fatalf("%s: uncut: %v, %v; want version %s", l.name, err, cerr, l.want)
				}
				continue
			}
			if err == nil {
				break // it ran to its end before the cut
			}
			if !errors.Is(err, errCut) {
				t.Fatalf("%s: cut before change %d: %v", l.name, cut, err)
			}
			for v := range imageVariants {
				images++
				after := NewDir(m.image(v, uint64(cut)))
				comesUp(t, l.name, cut, v, after, whole)
				goesOn(t, l.name, cut, v, after, four)
			}
		}
	}
	t.Logf("%d images of cut disks", images)
	if images < 1000 {
		t.Errorf("%d images, want more than 1,000: did the lives shrink?", images)
	}
}

func comesUp(t *testing.T, life string, cut, variant int, d *Dir, whole map[string]string) {
	t.Helper()
	var before Trial
	if err := loadJSON(d.fs, trialFile, &before); err != nil {
		t.Fatalf("%s: cut before change %d, image %d: %v", life, cut, variant, err)
	}
	if slot, _ := d.Current(); before.State == Trying && before.Starts > 0 && slot != before.Slot {
		t.Fatalf("%s: cut before change %d, image %d: slot %s runs without a word of why", life, cut, variant, slot)
	}
	slot, trial, err := d.Start("boot-2")
	if err != nil {
		t.Fatalf("%s: cut before change %d, image %d: start: %v", life, cut, variant, err)
	}
	if v := whole[string(content(t, d, slot))]; v == "" {
		t.Fatalf("%s: cut before change %d, image %d: slot %s is no whole version", life, cut, variant, slot)
	}
	current, err := d.Current()
	if err != nil || current != slot {
		t.Fatalf("%s: cut before change %d, image %d: slot %s runs, current is %s (%v)", life, cut, variant, slot, current, err)
	}
	for _, slot := range []string{"a", "b"} {
		if d.runnable(slot) != nil {
			continue
		}
		v := whole[string(content(t, d, slot))]
		if r, err := d.release(slot); err != nil || v == "" || r.Version != "" && r.Version != v {
			t.Fatalf("%s: cut before change %d, image %d: slot %s holds %q and says %q (%v)", life, cut, variant, slot, v, r.Version, err)
		}
	}
	if trial.State == GoingBack {
		t.Fatalf("%s: cut before change %d, image %d: still going back", life, cut, variant)
	}
}

// goesOn ends a trial, if there is one, and brings the next version.
func goesOn(t *testing.T, life string, cut, variant int, d *Dir, next files) {
	t.Helper()
	var trial Trial
	if err := loadJSON(d.fs, trialFile, &trial); err != nil {
		t.Fatalf("%s: cut before change %d, image %d: %v", life, cut, variant, err)
	}
	if trial.State == Trying {
		if _, err := d.Commit(trial.Number); err != nil {
			t.Fatalf("%s: cut before change %d, image %d: commit: %v", life, cut, variant, err)
		}
	}
	if _, err := d.Apply(context.Background(), next, Options{Device: dev}); err != nil {
		t.Fatalf("%s: cut before change %d, image %d: next update: %v", life, cut, variant, err)
	}
	slot, _, err := d.Start("boot-2")
	if err != nil || !bytes.Equal(content(t, d, slot), elf("four")) {
		t.Fatalf("%s: cut before change %d, image %d: next update runs in slot %s: %v", life, cut, variant, slot, err)
	}
}

// TestCutInInit: a card whose preparation was cut is prepared again.
func TestCutInInit(t *testing.T) {
	p := newPublisher(t)
	release := p.bundle(t, 1, "one")[ReleaseName]
	for cut := 1; ; cut++ {
		m := newMemFS()
		m.cutAt = cut
		err := NewDir(m).Init(p.note, bytes.NewReader(elf("one")), release)
		if err == nil {
			break
		}
		for v := range imageVariants {
			d := NewDir(m.image(v, uint64(cut)))
			if err := d.Init(p.note, bytes.NewReader(elf("one")), release); err != nil {
				t.Fatalf("cut before change %d, image %d: %v", cut, v, err)
			}
			if slot, _, err := d.Start("b"); err != nil || !bytes.Equal(content(t, d, slot), elf("one")) {
				t.Fatalf("cut before change %d, image %d: slot %q: %v", cut, v, slot, err)
			}
		}
	}
}
