package firmware

import (
	"errors"
	"fmt"
)

// Code says why an update was refused or went back. It is part of the
// contract: the event at the centre carries it.
type Code string

// Reasons. Each leaves the running version, and everything that it keeps, as
// they were.
const (
	Tampered    Code = "tampered"    // a signature or a text that does not fit
	Truncated   Code = "truncated"   // a payload ends too early, or the bundle does
	Mixed       Code = "mixed"       // a payload is not the one that the release names
	UnknownKey  Code = "unknown-key" // no key that this board knows signed it
	FewRoots    Code = "few-roots"   // fewer root signatures than the key list wants
	OldKeys     Code = "old-keys"    // a key list older than the one here, or than the release wants
	Older       Code = "older"       // a release that was here before, or one before it
	Replayed    Code = "replayed"    // this number was here with another content
	TooFar      Code = "too-far"     // the running version is too old to go there at once
	Expired     Code = "expired"     // the release says so, and the time is known
	Platforms   Code = "platform"    // nothing in it for this processor
	Board       Code = "board"       // nothing in it for this board
	NoSpace     Code = "no-space"    // the disk has too little room
	FailedHere  Code = "failed-here" // this release failed on this board before
	TrialRuns   Code = "trial-runs"  // another version is being tried
	NoRun       Code = "no-run"      // the program does not start here
	Unavailable Code = "unavailable" // the source can't be read
	Window      Code = "window"      // outside the hours in which updates are allowed
)

// Refusal is why an update was not taken. Nothing was changed by then.
type Refusal struct {
	Code   Code
	Detail string
}

func (r *Refusal) Error() string { return fmt.Sprintf("refused (%s): %s", r.Code, r.Detail) }

func refuse(c Code, format string, args ...any) error {
	return &Refusal{Code: c, Detail: fmt.Sprintf(format, args...)}
}

// CodeOf is the reason in err, "" when it is not a Refusal.
func CodeOf(err error) Code {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Code
	}
	return ""
}
