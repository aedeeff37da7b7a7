package agent

import (
	"fmt"

	"kentongan/agent/alarm"
	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/sensor"
	"kentongan/hal"
	"kentongan/hal/sensors"
	"kentongan/hal/watchdog"
)

// makeSensors makes the part that watches sensors and contacts.
func (a *Agent) makeSensors(c *config.Config) func() (*unit, error) {
	return func() (*unit, error) {
		w, err := sensor.New(sensorConfig(c), a.board, a.machine(), a.journal, a.o.Log)
		if err != nil {
			return nil, fmt.Errorf("sensors: %w", err)
		}
		return &unit{
			beats: []beating{w}, parts: []part{{"sensors", w.Run}},
			begin: func() { a.sensors.Store(w) }, end: func() { a.sensors.Store(nil) },
		}, nil
	}
}

func (a *Agent) trySensors(c *config.Config) func() error {
	return func() error {
		_, err := sensor.New(sensorConfig(c), a.board, a.machine(), a.journal, a.o.Log)
		return err
	}
}

// machine is what there is next to the board's lines.
type machine interface {
	hal.Sensors
	hal.Watchdogs
}

// kernels is the machine that the kernel shows: sensors need no GPIO.
type kernels struct{}

func (kernels) OpenSensor(c hal.SensorConfig) (hal.Sensor, error) {
	return sensors.Machine{}.OpenSensor(c)
}

func (kernels) OpenWatchdog(c hal.WatchdogConfig) (hal.Watchdog, error) {
	return watchdog.Machine{}.OpenWatchdog(c)
}

// machine is the simulated board's own, or the kernel's.
func (a *Agent) machine() machine {
	if played, ok := a.board.(machine); ok {
		return played
	}
	return kernels{}
}

func sensorConfig(c *config.Config) sensor.Config {
	var out sensor.Config
	for _, s := range c.Sensors {
		out.Sensors = append(out.Sensors, sensor.Sensor{
			SensorConfig: hal.SensorConfig{Name: s.Name, Driver: s.Driver, Address: s.Address, Channel: s.Channel},
			Every:        s.Every,
			Limits:       sensor.Limits{TooHot: s.TooHot, TooCold: s.TooCold, Humid: s.Humid, LowVoltage: s.LowVoltage, Hysteresis: s.Hysteresis},
		})
	}
	for _, l := range c.Lines {
		out.Lines = append(out.Lines, sensor.Line{
			LineConfig: hal.LineConfig{Name: l.Name, Chip: l.Chip, Line: l.Line, ActiveLow: l.ActiveLow, Bias: bias[l.Bias], Debounce: l.Debounce},
			Kind:       l.Kind, HoldOn: max(l.HoldOn, l.Debounce), HoldOff: max(l.HoldOff, l.Debounce),
		})
	}
	return out
}

// SensorRead implements sensor.Output.
func (j *journal) SensorRead(r report.Reading) { j.add(report.Telemetry, report.KindReading, r) }

// InputChanged implements sensor.Output.
func (j *journal) InputChanged(s report.InputState) { j.add(report.Event, report.KindInput, s) }

// InputFault implements sensor.Output.
func (j *journal) InputFault(s report.LineState) { j.add(report.Event, report.KindLine, s) }

// SensorFound implements sensor.Output.
func (j *journal) SensorFound(f sensor.Finding) {
	if j.alarms != nil {
		j.alarms.Found(alarm.Finding{Source: f.Source, Condition: f.Condition, Present: f.Present, Confidence: 1, Detail: f.Detail})
	}
}

// sensorSources are the sources of findings about sensors and contacts.
func sensorSources(c *config.Config) (all []string) {
	for _, s := range c.Sensors {
		all = append(all, "sensor/"+s.Name)
	}
	for _, l := range c.Lines {
		all = append(all, "line/"+l.Name)
	}
	return all
}
