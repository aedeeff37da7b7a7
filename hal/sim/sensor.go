package sim

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"periph.io/x/conn/v3/physic"

	"kentongan/hal"
)

// Environment is what the sensors of the board measure; nil leaves a value as
// it is.
type Environment struct {
	Temperature *float64 `json:"temperature_c,omitempty"`
	Humidity    *float64 `json:"humidity_percent,omitempty"`
	Pressure    *float64 `json:"pressure_hpa,omitempty"`
	Voltage     *float64 `json:"voltage_v,omitempty"`
}

// SensorState is one sensor, for who plays the board.
type SensorState struct {
	Sensor string `json:"sensor"`
	Driver string `json:"driver"`
	Environment
	Problem string `json:"problem,omitempty"`
}

// sensor is one sensor; the board's mutex guards it.
type sensor struct {
	board   *Board
	cfg     hal.SensorConfig
	now     Environment
	problem string
	mended  chan struct{} // closed when the problem changes
}

// measures says what a driver's chip has, with what it shows until it is set:
// an afternoon on Java's coast.
var measures = map[string]Environment{
	"ds18b20": {Temperature: new(30.5)},
	"thermal": {Temperature: new(48.0)},
	"sht3x":   {Temperature: new(30.5), Humidity: new(74.0)},
	"aht20":   {Temperature: new(30.5), Humidity: new(74.0)},
	"bme280":  {Temperature: new(30.5), Humidity: new(74.0), Pressure: new(1009.5)},
	"iio":     {Temperature: new(30.5), Humidity: new(74.0), Pressure: new(1009.5)},
	"hwmon":   {Temperature: new(48.0), Voltage: new(12.1)},
}

// OpenSensor implements hal.Sensors. Each name is a sensor; Address is ignored.
func (b *Board) OpenSensor(c hal.SensorConfig) (hal.Sensor, error) {
	has, ok := measures[c.Driver]
	if !ok {
		return nil, &hal.SensorError{Sensor: c, Problem: hal.Refused, Detail: "no such driver; there are " + strings.Join(slices.Sorted(maps.Keys(measures)), ", ")}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sensors[c.Name]
	if s == nil || s.cfg.Driver != c.Driver {
		s = &sensor{board: b, now: has, mended: make(chan struct{})}
		b.sensors[c.Name] = s
	}
	s.cfg = c
	return s, nil
}

// SetSensor changes what a sensor measures, and its problem if that is not nil:
// one of hal's, or "" for none.
func (b *Board) SetSensor(name string, e Environment, problem *string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sensors[name]
	if s == nil {
		return fmt.Errorf("no sensor %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(b.sensors)), ", "))
	}
	if p := problem; p != nil && *p != "" && !slices.Contains([]string{hal.Missing, hal.Busy, hal.Refused, hal.Hung, hal.Invalid}, *p) {
		return fmt.Errorf("no problem %q; there are missing, busy, refused, hung, invalid, and the empty one", *p)
	}
	has := measures[s.cfg.Driver]
	for _, part := range []struct {
		from, has *float64
		set       func(*float64)
		what      string
	}{
		{e.Temperature, has.Temperature, func(v *float64) { s.now.Temperature = v }, "temperature"},
		{e.Humidity, has.Humidity, func(v *float64) { s.now.Humidity = v }, "humidity"},
		{e.Pressure, has.Pressure, func(v *float64) { s.now.Pressure = v }, "pressure"},
		{e.Voltage, has.Voltage, func(v *float64) { s.now.Voltage = v }, "voltage"},
	} {
		if part.from != nil && part.has == nil {
			return fmt.Errorf("a %s measures no %s", s.cfg.Driver, part.what)
		}
		if part.from != nil {
			part.set(part.from)
		}
	}
	if problem != nil && *problem != s.problem {
		s.problem = *problem
		close(s.mended)
		s.mended = make(chan struct{})
	}
	return nil
}

// Sensors tells of all sensors that were opened, by name.
func (b *Board) Sensors() []SensorState {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []SensorState
	for _, name := range slices.Sorted(maps.Keys(b.sensors)) {
		s := b.sensors[name]
		all = append(all, SensorState{name, s.cfg.Driver, s.now, s.problem})
	}
	return all
}

func (s *sensor) String() string {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	return s.cfg.Name + " (simulated " + s.cfg.Driver + ")"
}

// Read implements hal.Sensor.
func (s *sensor) Read(ctx context.Context) (hal.Reading, error) {
	for {
		s.board.mu.Lock()
		now, problem, mended, cfg := s.now, s.problem, s.mended, s.cfg
		s.board.mu.Unlock()
		switch problem {
		case "":
			return now.reading(), nil
		case hal.Hung:
			select {
			case <-mended:
				continue
			case <-ctx.Done():
				return hal.Reading{}, &hal.SensorError{Sensor: cfg, Problem: hal.Hung, Err: context.Cause(ctx)}
			case <-s.board.gone:
				return hal.Reading{}, &hal.SensorError{Sensor: cfg, Problem: hal.Missing, Err: net.ErrClosed}
			}
		default:
			return hal.Reading{}, &hal.SensorError{Sensor: cfg, Problem: problem, Detail: "as the simulated board was told"}
		}
	}
}

func (e Environment) reading() (r hal.Reading) {
	if e.Temperature != nil {
		r.Temperature = new(physic.Temperature(*e.Temperature*float64(physic.Celsius)) + physic.ZeroCelsius)
	}
	if e.Humidity != nil {
		r.Humidity = new(physic.RelativeHumidity(*e.Humidity * float64(physic.PercentRH)))
	}
	if e.Pressure != nil {
		r.Pressure = new(physic.Pressure(*e.Pressure * 100 * float64(physic.Pascal)))
	}
	if e.Voltage != nil {
		r.Voltage = new(physic.ElectricPotential(*e.Voltage * float64(physic.Volt)))
	}
	return r
}
