package hal

import (
	"context"
	"errors"
	"fmt"

	"periph.io/x/conn/v3/physic"
)

// SensorConfig names a sensor and says where it is.
type SensorConfig struct {
	Name    string // ours: what records and the configuration call it
	Driver  string // a row of the driver table: ds18b20, sht3x, aht20, bme280, hwmon, iio, thermal
	Address string // which one, in the driver's words; "" is the only one there is
	Channel string // of a chip with several: temp2, or its label; "" is the first of each kind
}

// Reading is what a sensor measured at one time. What it does not measure is
// nil.
type Reading struct {
	Temperature *physic.Temperature
	Humidity    *physic.RelativeHumidity
	Pressure    *physic.Pressure
	Voltage     *physic.ElectricPotential
	Current     *physic.ElectricCurrent
}

// Sensor measures when it is asked. Read may be called by one goroutine at a
// time; it returns when ctx ends, even if the bus hangs. All its errors are
// *SensorError. A sensor that was gone is found again by a later Read.
type Sensor interface {
	fmt.Stringer
	Read(ctx context.Context) (Reading, error)
}

// Sensors opens sensors. It succeeds for a sensor that is not there: Read tells.
type Sensors interface {
	OpenSensor(SensorConfig) (Sensor, error)
}

// Problems of a sensor, next to Missing, Busy and Refused.
const (
	Hung    = "hung"    // the bus does not answer: a Read has not come back
	Invalid = "invalid" // an answer that is no measurement
)

// ErrPowerOn is the cause of an Invalid reading: a chip that lost its power since
// it was told to measure.
var ErrPowerOn = errors.New("85.000 degrees is what the chip holds after power on, before it has measured")

// SensorError says why there is no reading.
type SensorError struct {
	Sensor  SensorConfig
	Problem string // Missing, Busy, Refused, Hung, Invalid
	Detail  string // what was seen, and what there is instead
	Err     error
}

func (e *SensorError) Error() string {
	s := fmt.Sprintf("sensor %s (%s", e.Sensor.Name, e.Sensor.Driver)
	if e.Sensor.Address != "" {
		s += " " + e.Sensor.Address
	}
	if e.Sensor.Channel != "" {
		s += " " + e.Sensor.Channel
	}
	s += "): " + e.Problem
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *SensorError) Unwrap() error { return e.Err }
