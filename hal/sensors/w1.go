package sensors

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"kentongan/hal"
)

// readDS18B20 reads a thermometer on a 1-Wire bus from the kernel's driver
// w1_therm. The address is its identity: 28-0316a2795bff. Reading it starts a
// conversion, which takes up to 750 ms.
func readDS18B20(m Machine, c hal.SensorConfig) (hal.Reading, error) {
	there := glob(m.Sys, "bus/w1/devices/28-*")
	dir, err := only(c, there, func(d string) bool { return filepath.Base(d) == c.Address }, filepath.Base)
	if err != nil {
		return hal.Reading{}, err
	}
	text, err := readSome(filepath.Join(dir, "w1_slave"))
	if errors.Is(err, fs.ErrNotExist) {
		return readW1Figure(c, dir)
	}
	if errors.Is(err, io.EOF) {
		// Linux 6.1 shows nothing where older ones wrote crc=... NO.
		err = fmt.Errorf("%w: the kernel got no answer with a right check sum: a loose or too long wire, or the sensor is gone", errNoMeasurement)
	}
	if err != nil {
		return hal.Reading{}, err
	}
	milli, err := parseW1(string(text))
	if err != nil {
		return hal.Reading{}, &hal.SensorError{Sensor: c, Problem: hal.Invalid, Detail: filepath.Base(dir), Err: err}
	}
	return plausible(c, hal.Reading{Temperature: celsius(float64(milli) / 1e3)})
}

// readW1Figure reads a chip whose kernel has no w1_slave, which
// Documentation/w1/slaves/w1_therm.rst calls the old interface: from its hwmon
// device, or the file temperature where the kernel has no hwmon. Both are
// thousandths of a degree and nothing else; a bad check sum is an error of the
// read.
func readW1Figure(c hal.SensorConfig, dir string) (hal.Reading, error) {
	for _, path := range append(glob(dir, "hwmon/hwmon*/temp1_input"), filepath.Join(dir, "temperature")) {
		v, err := figure(path, 1)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && v == powerOn {
			err = errPowerOn
		}
		if err != nil {
			return hal.Reading{}, err
		}
		return plausible(c, hal.Reading{Temperature: celsius(v / 1e3)})
	}
	return hal.Reading{}, missing(c, filepath.Base(dir)+" has neither w1_slave nor hwmon/hwmon*/temp1_input nor temperature; is the module w1_therm loaded?", nil)
}

// powerOn is what a DS18B20 holds before its first conversion (85 degrees, its
// datasheet's table 1): a chip that lost power since it was told to measure.
const powerOn = 85_000

var errPowerOn = fmt.Errorf("%w: %w", errNoMeasurement, hal.ErrPowerOn)

// parseW1 reads w1_slave: the chip's nine bytes and the kernel's verdict on
// their check sum, twice, and the temperature in thousandths of a degree.
//
//	72 01 4b 46 7f ff 0e 10 57 : crc=57 YES
//	72 01 4b 46 7f ff 0e 10 57 t=23125
func parseW1(text string) (milli int, err error) {
	first, second, ok := strings.Cut(strings.TrimSpace(text), "\n")
	if !ok {
		return 0, fmt.Errorf("%w: %q are not two lines", errNoMeasurement, short(text))
	}
	bytes, verdict, _ := strings.Cut(first, ":")
	switch {
	case strings.HasSuffix(verdict, "NO"):
		return 0, fmt.Errorf("%w: bad check sum (%s): a loose or too long wire", errNoMeasurement, short(strings.TrimSpace(first)))
	case !strings.HasSuffix(verdict, "YES"):
		return 0, fmt.Errorf("%w: no verdict on the check sum in %q", errNoMeasurement, short(first))
	case strings.Trim(bytes, "0 ") == "":
		return 0, fmt.Errorf("%w: all bytes are 0, whose check sum is right: the bus is shorted to ground", errNoMeasurement)
	}
	_, t, ok := strings.Cut(second, "t=")
	if !ok {
		return 0, fmt.Errorf("%w: no temperature in %q", errNoMeasurement, short(second))
	}
	v, err := number(t)
	if err != nil {
		return 0, err
	}
	if v == powerOn {
		return 0, errPowerOn
	}
	return int(v), nil
}

// only picks the one of several that is meant, or the only one. name is what
// people call it.
func only(c hal.SensorConfig, there []string, is func(string) bool, name func(string) string) (string, error) {
	var found, names []string
	for _, d := range there {
		names = append(names, name(d))
		if c.Address == "" || is(d) {
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return "", missing(c, "no such sensor", names)
	}
	return "", &hal.SensorError{Sensor: c, Problem: hal.Refused, Detail: "several are meant: " + strings.Join(names, ", ") + "; write its address"}
}
