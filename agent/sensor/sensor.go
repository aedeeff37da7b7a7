// Package sensor watches what surrounds the device: temperatures and humidity
// at an interval, and contacts (mains, door, water, motion) as they change.
//
//	hal.Sensor ──► every interval ──► Output.SensorRead (telemetry)
//	                    └──► limits with hysteresis ──► Output.SensorFound
//	hal.Input ──► edge ──► hold ──► Output.InputChanged (event)
//	                                   └──► Output.SensorFound
//
// A sensor or line that is missing, busy or hangs is told of and tried again;
// it never ends Run, and never holds up another one: each has a goroutine of
// its own.
package sensor

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
	"kentongan/hal"
)

// Conditions that can be found.
const (
	CondTooHot     = "too_hot"
	CondTooCold    = "too_cold"
	CondHumid      = "humid"
	CondLowVoltage = "low_voltage"
	CondSensorLost = "sensor_lost" // no reading for a while
	CondOnBattery  = "on_battery"  // mains are gone
	CondBatteryLow = "battery_low"
	CondOpen       = "open"
	CondWater      = "water"
	CondTamper     = "tamper"
	CondActive     = "active"    // of a line of kind other
	CondLineLost   = "line_lost" // the line can't be opened, or its chip is gone
)

// Finding is what is wrong at a sensor or a line, or that it is not wrong any
// more. Findings repeat.
type Finding struct {
	Source    string // sensor/NAME or line/NAME
	Condition string
	Present   bool
	Detail    string // English, with figures
}

// Output takes what is seen. It is called by several goroutines and must not
// block.
type Output interface {
	SensorRead(report.Reading)
	InputChanged(report.InputState)
	// InputFault tells that a line can't be used, is usable again, or lost edges.
	InputFault(report.LineState)
	SensorFound(Finding)
}

// Config says what there is to watch.
type Config struct {
	Sensors []Sensor
	Lines   []Line
	Now     func() time.Duration // the clock of hal.Edge; nil is CLOCK_MONOTONIC
}

// Sensor is one sensor and its limits.
type Sensor struct {
	hal.SensorConfig
	Every  time.Duration
	Limits Limits
}

// Line is one contact.
type Line struct {
	hal.LineConfig
	Kind    string        // mains, ups, door, water, motion, tamper, other
	HoldOn  time.Duration // it must be active so long to count
	HoldOff time.Duration // and inactive so long
}

// conditions are what an active line of a kind is a finding of. Motion is no
// fault: it is told as an event only.
var conditions = map[string]string{
	"mains": CondOnBattery, "ups": CondBatteryLow, "door": CondOpen,
	"water": CondWater, "tamper": CondTamper, "other": CondActive, "motion": "",
}

// Conditions returns the conditions that a line of this kind can have; ok is
// false for a kind that there is not.
func Conditions(kind string) (condition string, ok bool) {
	condition, ok = conditions[kind]
	return condition, ok
}

// Watch is made by New. Status may be called from any goroutine.
type Watch struct {
	sensors []*sensor
	lines   []*line
}

// New makes a watch. It opens nothing. A sensor of a driver that there is not,
// and a line of an unknown kind, are errors.
func New(cfg Config, board hal.Board, sensors hal.Sensors, out Output, log *slog.Logger) (*Watch, error) {
	if cfg.Now == nil {
		cfg.Now = monotonic
	}
	log = log.With("part", "sensor")
	w := &Watch{}
	for _, c := range cfg.Sensors {
		s, err := sensors.OpenSensor(c.SensorConfig)
		if err != nil {
			return nil, err
		}
		w.sensors = append(w.sensors, &sensor{cfg: c, s: s, out: out, log: log, limits: c.Limits.conditions(), pulse: pulse.New()})
	}
	for _, c := range cfg.Lines {
		condition, ok := Conditions(c.Kind)
		if !ok {
			return nil, fmt.Errorf("line %s: no such kind: %q", c.Name, c.Kind)
		}
		w.lines = append(w.lines, &line{
			cfg: c, condition: condition, board: board, out: out, log: log, now: cfg.Now,
			hold: holder{on: c.HoldOn, off: c.HoldOff}, pulse: pulse.New(),
		})
	}
	return w, nil
}

// Run watches until ctx ends. A read that hangs may outlast it.
func (w *Watch) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, s := range w.sensors {
		all.Go(func() { s.run(ctx) })
	}
	for _, l := range w.lines {
		all.Go(func() { l.run(ctx) })
	}
	all.Wait()
	<-ctx.Done() // with nothing to watch, too
	return nil
}

// Pulses ask the loop of each sensor and line whether it lives. A bus that hangs
// does not keep it from answering.
func (w *Watch) Pulses() (all []pulse.Named) {
	for _, s := range w.sensors {
		all = append(all, pulse.Named{Name: "sensor " + s.cfg.Name, Pulse: s.pulse})
	}
	for _, l := range w.lines {
		all = append(all, pulse.Named{Name: "line " + l.cfg.Name, Pulse: l.pulse})
	}
	return all
}

// Status is what the sensors and lines say at the moment.
type Status struct {
	Sensors []SensorStatus
	Lines   []LineStatus
}

// Status returns the state of all.
func (w *Watch) Status() Status {
	var st Status
	for _, s := range w.sensors {
		st.Sensors = append(st.Sensors, s.status())
	}
	for _, l := range w.lines {
		st.Lines = append(st.Lines, l.status())
	}
	return st
}

func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // Linux always has this clock
	}
	return time.Duration(ts.Nano())
}
