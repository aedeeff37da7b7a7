package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kentongan/agent/config"
	"kentongan/agent/erase"
	"kentongan/agent/spool"
)

// How a device is emptied.

// Erasure is a device that is about to be emptied. Its lock keeps an agent from
// starting meanwhile.
type Erasure struct {
	Device  string
	Data    string
	Begun   bool   // before, and cut off
	Settled bool   // then: what is there may go
	Waiting uint64 // complaints that the centre has not confirmed
	Unread  error  // why that can't be told

	Places     []*erase.Found // the data directory, then the mirrors
	Absent     []string       // mirrors that hold nothing: perhaps their disk is not there
	Config     []string       // the configuration, and what is beside it, with it
	WithConfig bool           // it was begun so
	Others     []string       // files that the configuration names and that lie elsewhere

	cfg   *config.Config
	mark  erasing
	links []string // of Config, symbolic links
	lock  *os.File
	made  bool // the spool's directory, for the lock
}

// How a device is to be emptied.
type How struct {
	Config         bool // with the configuration
	LoseComplaints bool // that the centre has not confirmed
	WithoutMirror  bool // that holds nothing
}

// Why a device is not emptied.
var (
	ErrOwed      = errors.New("there are complaints that the centre has not confirmed")
	ErrNoMirror  = errors.New("a mirror holds nothing")
	ErrEnrolling = errors.New("an enrolment is under way; wait until it has ended, or end it")
	ErrNoData    = errors.New("it is not there; is its disk mounted?")
	ErrMeanwhile = errors.New("something was written meanwhile")
)

// OpenErasure looks at what a device keeps, and changes nothing. A running agent is a
// *spool.LockedError, a wrong directory an *erase.Refused.
func OpenErasure(cfg *config.Config) (*Erasure, error) {
	e := &Erasure{Device: cfg.Device, Data: cfg.Data, cfg: cfg}
	if _, err := os.Stat(e.Data); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s: %w", e.Data, ErrNoData)
		}
		return nil, err
	}
	err := e.take()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // Run makes it
	}
	if err == nil {
		err = e.look()
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// lockDir locks a directory without waiting.
func lockDir(dir string, how int) (*os.File, error) {
	d, err := os.OpenFile(dir, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), how|unix.LOCK_NB); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return d, nil
}

// take locks the spool as an agent does, but follows no link and writes no file: root
// does it, where the agent's user may have laid one. The lock is held until all is
// gone. Where the spool is no directory look says so.
func (e *Erasure) take() (err error) {
	dir := filepath.Join(e.Data, "spool")
	e.lock, err = lockDir(dir, unix.LOCK_EX)
	switch {
	case errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR):
		return nil
	case errors.Is(err, unix.EWOULDBLOCK):
		pid, _ := os.ReadFile(filepath.Join(dir, "pid"))
		return &spool.LockedError{Dir: dir, PID: strings.TrimSpace(string(pid))}
	}
	return err
}

// hold takes the lock where there was no spool to lock.
func (e *Erasure) hold() error {
	if e.lock != nil {
		return nil
	}
	dir := filepath.Join(e.Data, "spool")
	err := os.Mkdir(dir, 0o750)
	e.made = err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(e.Data)
	if err == nil && e.made {
		err = chownLike(dir, info)
	}
	return errors.Join(err, e.take())
}

// Files is how many files of the device's own are there.
func (e *Erasure) Files() (n int) {
	for _, p := range e.Places {
		n += p.Files()
	}
	return n
}

// May tells whether the device may be emptied like this.
func (e *Erasure) May(how How) error {
	switch {
	case (e.Waiting > 0 || e.Unread != nil) && !how.LoseComplaints:
		return ErrOwed
	case len(e.Absent) > 0 && !how.WithoutMirror:
		return fmt.Errorf("%w: %s", ErrNoMirror, strings.Join(e.Absent, ", "))
	case (how.Config || e.WithConfig) && len(e.links) > 0:
		return &erase.Refused{Dir: filepath.Dir(e.cfg.File), Why: erase.Link, Names: e.links}
	}
	return nil
}

// Run empties the device, and with it what is in Config when how says so. step is
// asked before each change. After an error, or a cut, the same again goes on: the mark
// stands until nothing is left but the stub of the configuration. Raw are files that are
// gone but could not be overwritten.
func (e *Erasure) Run(ctx context.Context, how How, step func(name string) error) (raw []string, err error) {
	if err := e.hold(); err != nil {
		return nil, err
	}
	enrolling, err := lockDir(identityDir(e.Data), unix.LOCK_EX)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrEnrolling
	}
	if err == nil {
		defer enrolling.Close()
	}
	how.Config = how.Config || e.WithConfig
	if err := errors.Join(e.look(), e.May(how)); err != nil { // since the person was asked
		return nil, err
	}
	if err := e.begin(how, step); err != nil {
		return nil, err
	}
	if enrolling == nil { // one that made its directory since looks for the mark
		if d, err := lockDir(identityDir(e.Data), unix.LOCK_EX); err == nil {
			defer d.Close()
		} else if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", identityDir(e.Data), ErrMeanwhile)
		}
	}
	for _, p := range e.Places {
		more, err := p.Remove(ctx, step)
		raw = append(raw, more...)
		if err != nil {
			return raw, err
		}
	}
	for _, f := range slices.Backward(e.Config) { // its own file is the first of them
		if !how.Config {
			break
		}
		whole, err := erase.File(f, func() error { return errors.Join(ctx.Err(), step(f)) })
		if !whole {
			raw = append(raw, f)
		}
		if err != nil {
			return raw, err
		}
	}
	return raw, e.end(how, step)
}

// Close lets go of the lock.
func (e *Erasure) Close() error {
	if e.made {
		_ = os.Remove(filepath.Join(e.Data, "spool")) // where nothing was erased
	}
	if e.lock == nil {
		return nil
	}
	return e.lock.Close()
}
