package sensors

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"kentongan/hal"
)

// readHwmon reads any chip of the kernel's hardware monitoring. The address is
// the chip's name (cpu_thermal, ina219) or its device (1-0044, where 1 is the
// I2C bus and 44 the address on it).
func readHwmon(m Machine, c hal.SensorConfig) (hal.Reading, error) {
	dir, err := only(c, glob(m.Sys, "class/hwmon/hwmon*"), meansHwmon(c.Address), hwmonName)
	if err != nil {
		return hal.Reading{}, err
	}
	return hwmonReading(c, dir)
}

// hwmonNamed reads a chip of hwmon by its name there, unless an address is given.
func hwmonNamed(m Machine, name string) func(hal.SensorConfig) (hal.Reading, error) {
	return func(c hal.SensorConfig) (hal.Reading, error) {
		if c.Address == "" {
			c.Address = name
		}
		return readHwmon(m, c)
	}
}

func meansHwmon(address string) func(string) bool {
	return func(dir string) bool {
		chip, _ := line(filepath.Join(dir, "name")) // one without is not meant
		return chip == address || device(dir) == address
	}
}

// hwmonName is a chip's name and device, for people.
func hwmonName(dir string) string {
	chip, _ := line(filepath.Join(dir, "name"))
	if d := device(dir); d != "" {
		return chip + " (" + d + ")"
	}
	return chip
}

// device is the kernel's name of what a class directory stands for. One of IIO
// has no link to it, and lies in it.
func device(dir string) string {
	if target, err := filepath.EvalSymlinks(filepath.Join(dir, "device")); err == nil {
		return filepath.Base(target)
	}
	if target, err := filepath.EvalSymlinks(dir); err == nil && strings.HasPrefix(filepath.Base(target), "iio:") {
		return filepath.Base(filepath.Dir(target))
	}
	return ""
}

// hwmonReading reads the first of each kind, or the channel that is meant. The
// units are of Documentation/hwmon/sysfs-interface: thousandths of degrees,
// per cent, volts and amperes.
func hwmonReading(c hal.SensorConfig, dir string) (r hal.Reading, err error) {
	there := glob(dir, "*_input")
	slices.Sort(there)
	var names []string
	for _, path := range there {
		channel := strings.TrimSuffix(filepath.Base(path), "_input")
		names = append(names, channel)
		if c.Channel != "" && c.Channel != channel {
			if label, err := line(filepath.Join(dir, channel+"_label")); err != nil || label != c.Channel {
				continue
			}
		}
		if err := hwmonChannel(&r, channel, path); err != nil {
			return hal.Reading{}, err
		}
	}
	if r == (hal.Reading{}) {
		what := "it has no channel that is known here"
		if c.Channel != "" {
			what = fmt.Sprintf("%s has no channel %s", hwmonName(dir), c.Channel)
		}
		return r, missing(c, what, names)
	}
	return plausible(c, r)
}

// w1Hwmon is what the kernel calls a DS18B20 among its hwmon chips.
const w1Hwmon = "w1_slave_temp"

func hwmonChannel(r *hal.Reading, channel, path string) error {
	kind := strings.TrimRight(channel, "0123456789")
	have := kind == "temp" && r.Temperature != nil || kind == "humidity" && r.Humidity != nil ||
		kind == "in" && r.Voltage != nil || kind == "curr" && r.Current != nil
	if have || !slices.Contains([]string{"temp", "humidity", "in", "curr"}, kind) {
		return nil
	}
	v, err := figure(path, 1e-3)
	if err != nil {
		return err
	}
	if chip, _ := line(filepath.Join(filepath.Dir(path), "name")); chip == w1Hwmon && v == powerOn*1e-3 {
		return errPowerOn
	}
	switch kind {
	case "temp":
		r.Temperature = celsius(v)
	case "humidity":
		r.Humidity = percent(v)
	case "in":
		r.Voltage = volt(v)
	case "curr":
		r.Current = ampere(v)
	}
	return nil
}

// readThermal reads a thermal zone; the address is its type: cpu-thermal.
func readThermal(m Machine, c hal.SensorConfig) (hal.Reading, error) {
	kind := func(dir string) string {
		s, _ := line(filepath.Join(dir, "type"))
		return s
	}
	dir, err := only(c, glob(m.Sys, "class/thermal/thermal_zone*"), func(d string) bool { return kind(d) == c.Address }, kind)
	if err != nil {
		return hal.Reading{}, err
	}
	v, err := figure(filepath.Join(dir, "temp"), 1e-3)
	if err != nil {
		return hal.Reading{}, err
	}
	return plausible(c, hal.Reading{Temperature: celsius(v)})
}
