package firmware

import (
	"errors"
	"fmt"
	"slices"
)

// A version on trial goes back after MaxFailures starts that ended in the boot
// in which they began, or MaxCuts that the power (or the board's watchdog)
// ended. The second is larger: three blackouts in a row say nothing of a
// version.
const (
	MaxFailures = 3
	MaxCuts     = 10
)

// Start is what has to happen before each start of the service, by somebody who
// is not the version on trial: it ends what a power cut interrupted, counts the
// start, and goes back where the count is full. boot is the kernel's boot id.
//
// The slot that it returns can be started. An error that comes with a slot
// tells of something that could not be read or written down; the slot is the
// best there is.
func (d *Dir) Start(boot string) (slot string, t Trial, err error) {
	slot, cerr := d.Current()
	err = d.mend(slot)
	if lerr := loadJSON(d.fs, trialFile, &t); lerr != nil { // nothing can be counted; what runs goes on
		t, err = Trial{}, errors.Join(err, lerr)
	}
	if cerr != nil {
		return d.rescue(t, errors.Join(err, cerr))
	}
	switch t.State {
	case Trying:
		slot, t, cerr = d.tryAgain(slot, t, boot)
	case GoingBack:
		slot, t, cerr = d.back(t, t.Reason)
	}
	err = errors.Join(err, cerr)
	if rerr := d.runnable(slot); rerr != nil {
		return d.rescue(t, errors.Join(err, rerr))
	}
	return slot, t, err
}

// tryAgain counts one more start of a version on trial.
func (d *Dir) tryAgain(current string, t Trial, boot string) (string, Trial, error) {
	if err := d.runnable(t.Slot); err != nil {
		return d.back(t, "no-run: "+err.Error())
	}
	if current != t.Slot { // the power went between the trial's file and the link
		if err := d.point(t.Slot); err != nil {
			return current, t, err
		}
	}
	switch {
	case t.Starts == 0:
	case t.Boot == boot:
		t.Failures++
	default:
		t.Cuts++
	}
	switch {
	case t.Failures >= MaxFailures:
		return d.back(t, fmt.Sprintf("start: it ended %d times without being well", t.Failures))
	case t.Cuts >= MaxCuts:
		return d.back(t, fmt.Sprintf("start: the board went down %d times before it was well", t.Cuts))
	}
	t.Starts++
	t.Boot = boot
	if err := saveJSON(d.fs, trialFile, t); err != nil {
		// A disk that takes nothing: without counting, a bad version would be
		// tried for ever.
		if perr := d.point(t.Previous); perr == nil {
			return t.Previous, t, err
		}
		return t.Slot, t, err
	}
	return t.Slot, t, nil
}

// Back ends a trial: the version before runs again from its next start on.
func (d *Dir) Back(reason string) (Trial, error) {
	var t Trial
	if err := loadJSON(d.fs, trialFile, &t); err != nil {
		return t, err
	}
	if t.State != Trying && t.State != GoingBack {
		return t, errors.New("no version is on trial")
	}
	_, t, err := d.back(t, reason)
	return t, err
}

// Undo goes back from a version that was committed, by a person's wish. It is
// not held against the version.
func (d *Dir) Undo() (Trial, error) {
	var t Trial
	if err := loadJSON(d.fs, trialFile, &t); err != nil {
		return t, err
	}
	current, err := d.Current()
	if err != nil {
		return t, err
	}
	switch {
	case t.State == Trying || t.State == GoingBack:
		return d.Back("by hand")
	case d.runnable(other(current)) != nil:
		return t, errors.New("the other slot holds no version to go back to")
	}
	here, err := d.release(current)
	if err != nil {
		return t, err
	}
	t = Trial{Number: here.Number, Version: here.Version, Slot: current, Previous: other(current), Before: here.Number, State: GoingBack, Reason: "by hand"}
	if err := saveJSON(d.fs, trialFile, t); err != nil {
		return t, err
	}
	_, t, err = d.back(t, t.Reason)
	return t, err
}

// back goes through its three steps; Start begins again where a cut ended it.
func (d *Dir) back(t Trial, reason string) (string, Trial, error) {
	if err := d.runnable(t.Previous); err != nil {
		// Two bad ones. The trial may be ill, the other is certainly dead.
		return t.Slot, t, fmt.Errorf("go back to slot %s: %w", t.Previous, err)
	}
	t.State, t.Reason = GoingBack, reason
	if err := saveJSON(d.fs, trialFile, t); err != nil {
		return t.Previous, t, errors.Join(err, d.point(t.Previous))
	}
	if err := d.point(t.Previous); err != nil {
		return t.Previous, t, err
	}
	if reason != "by hand" {
		if err := d.remember(t.Number); err != nil {
			return t.Previous, t, err
		}
	}
	t.State = WentBack
	return t.Previous, t, saveJSON(d.fs, trialFile, t)
}

// remember keeps a number that failed here from being tried again.
func (d *Dir) remember(failed uint64) error {
	var f Floor
	if err := loadJSON(d.fs, floorFile, &f); err != nil {
		return err
	}
	if failed == 0 || slices.Contains(f.Failed, failed) {
		return nil
	}
	if f.Failed = append(f.Failed, failed); len(f.Failed) > maxFailed {
		f.Failed = f.Failed[len(f.Failed)-maxFailed:]
	}
	return saveJSON(d.fs, floorFile, f)
}

// Commit ends a trial: the version is proven. number is the one that said so;
// another one's word does not count.
func (d *Dir) Commit(number uint64) (Trial, error) {
	var t Trial
	if err := loadJSON(d.fs, trialFile, &t); err != nil {
		return t, err
	}
	switch {
	case t.State == Committed && t.Number == number:
		return t, nil
	case t.State != Trying:
		return t, errors.New("no version is on trial")
	case t.Number != number:
		return t, fmt.Errorf("number %d is on trial, not %d", t.Number, number)
	}
	t.State = Committed
	return t, saveJSON(d.fs, trialFile, t)
}

// rescue finds a slot that can be started where the usual way failed: damage
// that none of our own steps leaves.
func (d *Dir) rescue(t Trial, cause error) (string, Trial, error) {
	order := []string{"a", "b"}
	if current, err := d.Current(); err == nil {
		order = []string{current, other(current)}
	}
	for _, slot := range order {
		if d.runnable(slot) == nil {
			return slot, t, errors.Join(fmt.Errorf("slot %s taken instead: %w", slot, cause), d.point(slot))
		}
	}
	return "", t, fmt.Errorf("no slot holds a program that can be started: %w", cause)
}

// Status is what the update directory holds, for people and for the centre.
type Status struct {
	Slot    string  `json:"slot"`
	Running uint64  `json:"running"` // number; 0 where the program came from no release
	Version string  `json:"version"`
	Issued  string  `json:"issued,omitempty"`
	Keys    uint64  `json:"keys"`
	Floor   Floor   `json:"floor"`
	Trial   *Trial  `json:"trial,omitempty"`
	Other   *uint64 `json:"other,omitempty"` // the number in the other slot
}

// Status reads the directory.
func (d *Dir) Status() (Status, error) {
	var s Status
	slot, err := d.Current()
	if err != nil {
		return s, err
	}
	s.Slot = slot
	here, err := d.release(slot)
	if err != nil {
		return s, err
	}
	s.Running, s.Version = here.Number, here.Version
	if !here.Issued.IsZero() {
		s.Issued = here.Issued.Format("2006-01-02T15:04:05Z")
	}
	if k, err := d.Keys(); err == nil {
		s.Keys = k.Version
	}
	if d.runnable(other(slot)) == nil {
		if r, err := d.release(other(slot)); err == nil {
			s.Other = &r.Number
		}
	}
	var t Trial
	if err := errors.Join(loadJSON(d.fs, floorFile, &s.Floor), loadJSON(d.fs, trialFile, &t)); err != nil {
		return s, err
	}
	if t.State != noTrial {
		s.Trial = &t
	}
	return s, nil
}
