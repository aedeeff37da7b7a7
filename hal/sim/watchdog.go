package sim

import (
	"errors"
	"fmt"
	"time"

	"kentongan/hal"
)

// WatchdogState is the board's watchdog, for who plays the board.
type WatchdogState struct {
	Running   bool  `json:"running"`
	TimeoutMS int64 `json:"timeout_ms"`
	Resets    int   `json:"resets"` // how often it was not fed in time
}

// WatchdogName is what the board calls its watchdog.
const WatchdogName = "simulated watchdog"

// dog is an open watchdog; the board's mutex guards it.
type dog struct {
	board   *Board
	timeout time.Duration
	running bool
	bitten  bool // there was a reset before it was opened
	timer   *time.Timer
}

var (
	_ hal.Watchdogs = (*Board)(nil)
	_ hal.Sensors   = (*Board)(nil)
	_ hal.Watchdog  = (*dog)(nil)
)

// OpenWatchdog implements hal.Watchdogs. When it is not fed, the board counts a
// reset and calls Options.Reset; the watchdog is stopped then, as after a boot.
func (b *Board) OpenWatchdog(c hal.WatchdogConfig) (hal.Watchdog, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, errors.New("open the watchdog: the board is closed")
	case b.dog != nil && b.dog.running:
		return nil, fmt.Errorf("open the watchdog: %s: somebody else has it", hal.Busy)
	case c.Timeout < time.Second:
		return nil, fmt.Errorf("open the watchdog: timeout %v: must be a second at least", c.Timeout)
	}
	d := &dog{board: b, timeout: c.Timeout.Truncate(time.Second), running: true, bitten: b.resets > 0}
	d.timer = time.AfterFunc(d.timeout, d.bite)
	b.dog = d
	return d, nil
}

// Watchdog tells how it stands.
func (b *Board) Watchdog() WatchdogState {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := WatchdogState{Resets: b.resets}
	if b.dog != nil {
		st.Running, st.TimeoutMS = b.dog.running, b.dog.timeout.Milliseconds()
	}
	return st
}

// bite is the reset.
func (d *dog) bite() {
	b := d.board
	b.mu.Lock()
	bites := d.running
	d.running = false
	if bites {
		b.resets++
	}
	b.mu.Unlock()
	if bites && b.reset != nil {
		b.reset()
	}
}

func (d *dog) Feed() error {
	d.board.mu.Lock()
	defer d.board.mu.Unlock()
	if !d.running {
		return errors.New("feed the watchdog: it is closed")
	}
	d.timer.Reset(d.timeout)
	return nil
}

func (d *dog) Timeout() time.Duration { return d.timeout }
func (d *dog) CausedBoot() bool       { return d.bitten }
func (d *dog) Identity() string       { return WatchdogName }

func (d *dog) Close() error {
	d.board.mu.Lock()
	defer d.board.mu.Unlock()
	d.stopLocked()
	return nil
}

func (d *dog) stopLocked() {
	d.running = false
	d.timer.Stop()
}
