// Package sensors reads temperature, humidity, pressure and voltage as the
// kernel offers them: 1-Wire, hwmon, IIO and thermal zones under sysfs. For some
// chips it also has a driver of its own over an I2C device file, where the
// kernel has none.
//
// Everything is looked up by name at each reading: the kernel numbers its hwmon
// and IIO devices as it finds them, and a sensor that was unplugged comes back
// under another number.
//
// A reading of a file under sysfs may block for as long as the bus hangs, and
// nothing can end it. So it is made by a goroutine of its own, one for each
// sensor at most; Read returns when its context ends, and as long as the bus
// hangs it says so and begins no other.
package sensors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kentongan/hal"
)

// Machine is where sensors are looked for. The zero value is this machine.
type Machine struct {
	Sys string // "" is /sys
	Dev string // "" is /dev
}

var _ hal.Sensors = Machine{}

// driver is one way to read a sensor.
type driver struct {
	name string
	// read may block. Its errors are *hal.SensorError or those of files.
	read func(Machine, hal.SensorConfig) (hal.Reading, error)
}

// drivers is the table; docs/how-to/sensors.md has the same rows.
var drivers = []driver{
	{"ds18b20", readDS18B20},
	{"sht3x", readSHT3x},
	{"aht20", readAHT20},
	{"bme280", readBME280},
	{"hwmon", readHwmon},
	{"iio", readIIO},
	{"thermal", readThermal},
}

// Names are the drivers that there are.
func Names() []string {
	var all []string
	for _, d := range drivers {
		all = append(all, d.name)
	}
	return all
}

// OpenSensor implements hal.Sensors.
func (m Machine) OpenSensor(c hal.SensorConfig) (hal.Sensor, error) {
	if m.Sys == "" {
		m.Sys = "/sys"
	}
	if m.Dev == "" {
		m.Dev = "/dev"
	}
	i := slices.IndexFunc(drivers, func(d driver) bool { return d.name == c.Driver })
	if i < 0 {
		return nil, &hal.SensorError{Sensor: c, Problem: hal.Refused, Detail: "no such driver; there are " + strings.Join(Names(), ", ")}
	}
	read := drivers[i].read
	return &patient{cfg: c, read: func() (hal.Reading, error) { return read(m, c) }}, nil
}

// patient lets a read that blocks go on by itself.
type patient struct {
	cfg  hal.SensorConfig
	read func() (hal.Reading, error)
	late chan result // of a read that an earlier Read did not wait for; nil if none
}

type result struct {
	r   hal.Reading
	err error
}

func (p *patient) String() string { return p.cfg.Name + " (" + p.cfg.Driver + ")" }

// Read implements hal.Sensor. What comes of a read that was given up is old
// when it comes, and is thrown away.
func (p *patient) Read(ctx context.Context) (hal.Reading, error) {
	if p.late != nil {
		select {
		case <-p.late:
			p.late = nil
		case <-ctx.Done():
			return hal.Reading{}, p.hung(ctx)
		}
	}
	came := make(chan result, 1)
	go func() {
		r, err := p.read()
		came <- result{r, err}
	}()
	select {
	case got := <-came:
		return got.r, p.explain(got.err)
	case <-ctx.Done():
		p.late = came
		return hal.Reading{}, p.hung(ctx)
	}
}

func (p *patient) hung(ctx context.Context) error {
	return &hal.SensorError{Sensor: p.cfg, Problem: hal.Hung, Detail: "the read has not come back; is the bus shorted?", Err: context.Cause(ctx)}
}

// explain makes every error a *hal.SensorError.
func (p *patient) explain(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*hal.SensorError](err); ok {
		return e
	}
	e := &hal.SensorError{Sensor: p.cfg, Problem: hal.Refused, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errGone):
		e.Problem = hal.Missing
	case errors.Is(err, fs.ErrPermission):
		e.Detail = "this user may not read it; see the file's group"
	case errors.Is(err, errNoMeasurement):
		e.Problem = hal.Invalid
	}
	return e
}

// errNoMeasurement is an answer that can't be read as a figure.
var errNoMeasurement = errors.New("no measurement")

// missing says that a sensor is not there, and what is.
func missing(c hal.SensorConfig, detail string, there []string) error {
	if len(there) > 0 {
		detail += "; there is " + strings.Join(there, ", ")
	}
	return &hal.SensorError{Sensor: c, Problem: hal.Missing, Detail: detail}
}

// glob lists a directory's entries of a pattern; one that can't be read has
// none.
func glob(parts ...string) []string {
	all, _ := filepath.Glob(filepath.Join(parts...)) // the patterns are good
	return all
}

// line reads a file of one short line.
func line(path string) (string, error) {
	b, err := readSome(path)
	return strings.TrimSpace(string(b)), err
}

// maxFile bounds what is read of one file; sysfs has a page at most.
const maxFile = 4096

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, maxFile)
	n, err := f.Read(b)
	if n == 0 && err != nil {
		return nil, fmt.Errorf("%s: %w", path, gone(err))
	}
	return b[:n], nil
}
