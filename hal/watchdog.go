package hal

import (
	"io"
	"time"
)

// WatchdogConfig names a hardware watchdog and how patient it shall be.
type WatchdogConfig struct {
	Device  string        // /dev/watchdog0
	Timeout time.Duration // whole seconds; the board may only have another one
}

// Watchdog resets the board when it has not been fed for its timeout. It runs
// from opening on. Its methods may be called from any goroutine.
type Watchdog interface {
	Feed() error
	// Timeout is what the board agreed to.
	Timeout() time.Duration
	// Identity is what the board calls it.
	Identity() string
	// CausedBoot tells whether the board started because it was not fed, where
	// the board can tell.
	CausedBoot() bool
	// Close stops it, so that a program that ends in order is no reason for a
	// reset. A watchdog that can't be stopped gives an error, and resets.
	io.Closer
}

// Watchdogs opens the board's watchdog.
type Watchdogs interface {
	OpenWatchdog(WatchdogConfig) (Watchdog, error)
}
