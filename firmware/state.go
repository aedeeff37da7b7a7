package firmware

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// Files in the update directory.
const (
	currentLink = "current" // relative symbolic link to the slot that runs
	slotsDir    = "slots"
	program     = "kentongan"
	releaseFile = "release"
	trialFile   = "trial"
	floorFile   = "floor"
	keysFile    = "keys"
	resultFile  = "result"
)

// State of a trial.
type State string

// A trial begins as Trying and ends as one of the others.
const (
	Trying    State = "trying"
	Committed State = "committed"
	GoingBack State = "going-back" // decided; the link may not be back yet
	WentBack  State = "went-back"
	noTrial   State = "" // nothing was ever on trial here
)

// Trial is the newest switch of versions and how it went: one file, so that
// every step of it is one rename.
type Trial struct {
	Number   uint64 `json:"number"`
	Version  string `json:"version"`
	Slot     string `json:"slot"`     // a or b
	Previous string `json:"previous"` // the slot to go back to
	Before   uint64 `json:"before"`   // the number that ran before
	State    State  `json:"state"`
	Reason   string `json:"reason,omitempty"` // of going back
	Starts   int    `json:"starts"`
	Failures int    `json:"failures"` // starts in the boot in which the one before ended
	Cuts     int    `json:"cuts"`     // starts in another boot than the one before: power
	Boot     string `json:"boot"`     // boot id of the last start
}

// save writes a small file whole or not at all: it returns when the new content
// is on the disk, and until then a power cut leaves the old one.
func save(d FS, name string, perm fs.FileMode, text []byte) error {
	err := func() error {
		f, err := d.Create(name+".new", perm)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
		if err := d.Rename(name+".new", name); err != nil {
			return err
		}
		return d.SyncDir(path.Dir(name))
	}()
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	return nil
}

func saveJSON(d FS, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	return save(d, name, 0o644, append(text, '\n'))
}

// load reads a small file; nil where there is none.
func load(d FS, name string) ([]byte, error) {
	f, err := d.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxNoteBytes+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(text) > MaxNoteBytes {
		return nil, fmt.Errorf("%s: more than %d bytes", name, MaxNoteBytes)
	}
	return text, nil
}

func loadJSON(d FS, name string, v any) error {
	text, err := load(d, name)
	if err != nil || text == nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w: %w", name, errDamaged, err)
	}
	return nil
}

// Result is what became of the newest offer: the answer of who applies to who
// brought it in, and may only read here.
type Result struct {
	Offer   string `json:"offer"` // as the offer named itself
	Number  uint64 `json:"number,omitempty"`
	Version string `json:"version,omitempty"`
	Code    Code   `json:"code,omitempty"` // of a refusal; "failed" for another error; "" = applied
	Detail  string `json:"detail,omitempty"`
}

// Failed is the code of an offer that could not be applied for a reason that
// is not the offer's.
const Failed Code = "failed"

// Answer keeps a result.
func (d *Dir) Answer(r Result) error { return saveJSON(d.fs, resultFile, r) }

// Result is the newest answer; the zero Result where there is none.
func (d *Dir) Result() (r Result, err error) {
	err = loadJSON(d.fs, resultFile, &r)
	return r, err
}
