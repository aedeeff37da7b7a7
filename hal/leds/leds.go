// Package leds is the LEDs of a Linux machine, as outputs: /sys/class/leds.
//
// An LED is taken from its trigger (heartbeat, mmc0), which would go on
// blinking it otherwise. Nobody can own one, so none is ever busy.
package leds

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"

	"kentongan/hal"
)

// led is an open LED.
type led struct {
	ours string
	name string // the kernel's
	dir  string
	full string // brightness when on

	mu     sync.Mutex // guards what follows
	on     bool
	closed bool
}

var _ hal.Output = (*led)(nil)

// Open takes the LED that c names, and puts it out. sys is where sysfs is, /sys
// for "". All errors are *hal.LineError.
func Open(sys string, c hal.LineConfig) (hal.Output, error) {
	class, err := classOf(sys, c)
	if err != nil {
		return nil, err
	}
	l := &led{ours: c.Name, name: c.LED, dir: filepath.Join(class, c.LED), full: "1"}
	if err := l.take(); err != nil {
		e := &hal.LineError{Line: c, Problem: hal.Refused, Err: err}
		if errors.Is(err, fs.ErrNotExist) {
			e.Problem, e.Detail, e.Err = hal.Missing, there(class), nil
		}
		if errors.Is(err, fs.ErrPermission) {
			e.Detail = "this user may not write there; run as root, or give the group gpio the file with a udev rule"
		}
		return nil, e
	}
	return l, nil
}

// Look tells whether the LED is there, and leaves it as it is. All errors are
// *hal.LineError.
func Look(sys string, c hal.LineConfig) error {
	class, err := classOf(sys, c)
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(class, c.LED, "brightness"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &hal.LineError{Line: c, Problem: hal.Missing, Detail: there(class)}
	case err != nil:
		return &hal.LineError{Line: c, Problem: hal.Refused, Err: err}
	}
	return nil
}

// classOf is the directory of all LEDs, once it is sure that c names something in it.
func classOf(sys string, c hal.LineConfig) (string, error) {
	if sys == "" {
		sys = "/sys"
	}
	class := filepath.Join(sys, "class/leds")
	if c.LED != filepath.Base(c.LED) || strings.HasPrefix(c.LED, ".") {
		return "", &hal.LineError{Line: c, Problem: hal.Missing, Detail: "that is no LED's name; " + there(class)}
	}
	return class, nil
}

// there names the LEDs of the machine.
func there(class string) string {
	entries, err := os.ReadDir(class)
	if err != nil || len(entries) == 0 {
		return "this machine has no LED"
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return "the LEDs are " + strings.Join(names, ", ")
}

// take frees the LED from its trigger and puts it out.
func (l *led) take() error {
	if err := l.write("trigger", "none"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	most, err := os.ReadFile(filepath.Join(l.dir, "max_brightness"))
	if n, bad := strconv.Atoi(strings.TrimSpace(string(most))); err == nil && bad == nil && n > 0 {
		l.full = strconv.Itoa(n)
	}
	return l.write("brightness", "0")
}

func (l *led) write(file, text string) error {
	f, err := os.OpenFile(filepath.Join(l.dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// Out implements gpio.PinOut: High lights it.
func (l *led) Out(v gpio.Level) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("set LED %s: it is closed", l)
	}
	text := "0"
	if v {
		text = l.full
	}
	if err := l.write("brightness", text); err != nil {
		return fmt.Errorf("set LED %s: %w", l, err)
	}
	l.on = bool(v)
	return nil
}

// Read returns what it was set to.
func (l *led) Read() gpio.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	return gpio.Level(l.on)
}

// PWM is not what an indicator needs.
func (l *led) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("LED %s: no PWM here", l)
}

// Halt gives the LED back; it stays as it is.
func (l *led) Halt() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

func (l *led) String() string   { return l.ours + " (LED " + l.name + ")" }
func (l *led) Name() string     { return l.name }
func (l *led) Number() int      { return -1 }
func (l *led) Function() string { return "" }
