package sensors

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/physic"

	"kentongan/hal"
)

// errGone is what the kernel's drivers say of a chip that does not answer.
var errGone = errors.New("the sensor does not answer")

// gone tells a chip that is not there from one that answers badly. Drivers
// give ENXIO, ENODEV and EREMOTEIO for no answer on I2C, and EIO for a bad
// check sum.
func gone(err error) error {
	switch {
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EREMOTEIO), errors.Is(err, unix.ETIMEDOUT):
		return fmt.Errorf("%w: %w", errGone, err)
	case errors.Is(err, unix.EIO), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENODATA), errors.Is(err, unix.EINVAL), errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %w", errNoMeasurement, err)
	}
	return err
}

// figure reads a decimal number and multiplies it.
func figure(path string, by float64) (float64, error) {
	s, err := line(path)
	if err != nil {
		return 0, err
	}
	v, err := number(s)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return v * by, nil
}

func number(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.Abs(v) > 1e12 {
		return 0, fmt.Errorf("%w: %q is no number", errNoMeasurement, short(s))
	}
	return v, nil
}

// short is enough of a foreign text for a message.
func short(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

func celsius(v float64) *physic.Temperature {
	t := physic.Temperature(math.Round(v*1e3))*physic.MilliKelvin + physic.ZeroCelsius
	return &t
}

// percent is of relative humidity.
func percent(v float64) *physic.RelativeHumidity {
	h := physic.RelativeHumidity(math.Round(v * float64(physic.PercentRH)))
	return &h
}

func pascal(v float64) *physic.Pressure {
	p := physic.Pressure(math.Round(v * float64(physic.Pascal)))
	return &p
}

func volt(v float64) *physic.ElectricPotential {
	u := physic.ElectricPotential(math.Round(v * float64(physic.Volt)))
	return &u
}

func ampere(v float64) *physic.ElectricCurrent {
	i := physic.ElectricCurrent(math.Round(v * float64(physic.Ampere)))
	return &i
}

// Limits of what any of the chips can measure, or the air can be: SHT3x and
// BME280 end at 85 to 125 degrees, hwmon chips inside a processor at some 127,
// and 300 to 1,100 hPa is what Bosch promises.
const (
	coldest, hottest = -60, 150     // degrees Celsius
	lowest, highest  = 20e3, 1200e2 // pascal
)

// plausible refuses what no working sensor says.
func plausible(c hal.SensorConfig, r hal.Reading) (hal.Reading, error) {
	wrong := ""
	if t := r.Temperature; t != nil && (t.Celsius() < coldest || t.Celsius() > hottest) {
		wrong = fmt.Sprintf("a temperature of %v", *t)
	}
	if h := r.Humidity; h != nil && (*h < 0 || *h > 100*physic.PercentRH) {
		wrong = fmt.Sprintf("a humidity of %.1f %%", float64(*h)/float64(physic.PercentRH))
	}
	if p := r.Pressure; p != nil && (*p < lowest*physic.Pascal || *p > highest*physic.Pascal) {
		wrong = fmt.Sprintf("a pressure of %v", *p)
	}
	if wrong != "" {
		return hal.Reading{}, &hal.SensorError{Sensor: c, Problem: hal.Invalid, Detail: wrong + " is no measurement"}
	}
	return r, nil
}
