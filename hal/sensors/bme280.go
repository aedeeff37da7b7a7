package sensors

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/bmxx80"

	"kentongan/hal"
)

// readBME280 reads Bosch's BME280, and its sister without humidity: IIO's
// driver bmp280, or periph's at i2c-1:0x76 or 0x77.
func readBME280(m Machine, c hal.SensorConfig) (hal.Reading, error) {
	return readChip(m, c, func(c hal.SensorConfig) (hal.Reading, error) {
		if c.Address != "" {
			return readIIO(m, c)
		}
		c.Address = "bme280"
		r, err := readIIO(m, c)
		if e, ok := errors.AsType[*hal.SensorError](err); ok && e.Problem == hal.Missing {
			c.Address = "bmp280" // what the kernel calls the sister
			if r, err := readIIO(m, c); err == nil {
				return r, nil
			}
		}
		return r, err
	}, measureBME280)
}

// measureBME280 sets the chip up and measures once, as the datasheet proposes
// for the weather: each quantity once, without a filter.
func measureBME280(bus i2c.Bus, addr uint16, c hal.SensorConfig) (hal.Reading, error) {
	if err := isBME280(bus, addr, c); err != nil {
		return hal.Reading{}, err
	}
	d, err := bmxx80.NewI2C(&measuring{Bus: bus}, addr, &bmxx80.Opts{Temperature: bmxx80.O1x, Pressure: bmxx80.O1x, Humidity: bmxx80.O1x})
	if err != nil {
		return hal.Reading{}, fmt.Errorf("set up: %w", err)
	}
	var e physic.Env
	if err := d.Sense(&e); err != nil {
		return hal.Reading{}, fmt.Errorf("measure: %w", err)
	}
	r := hal.Reading{Temperature: &e.Temperature, Pressure: &e.Pressure}
	if strings.HasPrefix(d.String(), "BME280") {
		r.Humidity = &e.Humidity
	}
	return plausible(c, r)
}

// statusBME280 is the register whose bit 3 says that a measurement goes on, and
// looksBME280 is how often it is looked at, a millisecond apart: the measurement
// takes 10 ms at most, and the driver has waited for it before.
const (
	statusBME280 = 0xf3
	looksBME280  = 100
)

// measuring is a bus to a chip that measures. The driver would look for the end of
// it for ever and without a pause, also on a chip that hangs.
type measuring struct {
	i2c.Bus
	looks int
}

func (m *measuring) Tx(addr uint16, w, r []byte) error {
	if len(w) == 1 && w[0] == statusBME280 {
		switch m.looks++; {
		case m.looks > looksBME280:
			return fmt.Errorf("%w: the chip is still busy", errNoMeasurement)
		case m.looks > 1:
			time.Sleep(time.Millisecond)
		}
	}
	return m.Bus.Tx(addr, w, r)
}

// isBME280 reads the chip's id: 0x60, or 0x56 to 0x58 of the sister (register
// 0xd0 in both data sheets).
func isBME280(bus i2c.Bus, addr uint16, c hal.SensorConfig) error {
	var id [1]byte
	if err := bus.Tx(addr, []byte{0xd0}, id[:]); err != nil {
		return err
	}
	if id[0] != 0x60 && (id[0] < 0x56 || id[0] > 0x58) {
		return &hal.SensorError{Sensor: c, Problem: hal.Missing, Detail: fmt.Sprintf("the chip at this address says it is %#02x, which is no BME280 (0x60) and no BMP280 (0x56 to 0x58)", id[0])}
	}
	return nil
}
