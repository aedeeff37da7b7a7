package sensors

import (
	"errors"
	"io/fs"
	"path/filepath"

	"kentongan/hal"
)

// readIIO reads a chip of the kernel's industrial I/O: bme280, dht11, hts221.
// The address is its name or its device, as for hwmon.
func readIIO(m Machine, c hal.SensorConfig) (hal.Reading, error) {
	dir, err := only(c, glob(m.Sys, "bus/iio/devices/iio:device*"), meansHwmon(c.Address), hwmonName)
	if err != nil {
		return hal.Reading{}, err
	}
	return iioReading(c, dir)
}

// iioReading reads what a chip has of the three. The units are of
// Documentation/ABI/testing/sysfs-bus-iio: thousandths of a degree and of a
// per cent, and kilopascals.
func iioReading(c hal.SensorConfig, dir string) (r hal.Reading, err error) {
	for _, part := range []struct {
		name string
		by   float64
		set  func(float64)
	}{
		{"in_temp", 1e-3, func(v float64) { r.Temperature = celsius(v) }},
		{"in_humidityrelative", 1e-3, func(v float64) { r.Humidity = percent(v) }},
		{"in_pressure", 1e3, func(v float64) { r.Pressure = pascal(v) }},
	} {
		v, err := iioFigure(filepath.Join(dir, part.name), part.by)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return hal.Reading{}, err
		}
		part.set(v)
	}
	if r == (hal.Reading{}) {
		return r, missing(c, hwmonName(dir)+" measures neither temperature nor humidity nor pressure", nil)
	}
	return plausible(c, r)
}

// iioFigure is the processed value, or the raw one with its offset and scale;
// which of the two there is depends on the kernel.
func iioFigure(path string, by float64) (float64, error) {
	v, err := figure(path+"_input", by)
	if !errors.Is(err, fs.ErrNotExist) {
		return v, err
	}
	raw, err := figure(path+"_raw", 1)
	if err != nil {
		return 0, err
	}
	offset, err := figure(path+"_offset", 1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	scale, err := figure(path+"_scale", 1)
	if errors.Is(err, fs.ErrNotExist) {
		scale, err = 1, nil
	}
	return (raw + offset) * scale * by, err
}
