package config

import (
	"fmt"
	"regexp"
	"time"
)

// Sensor is one sensor and what is too much or too little of what it measures.
type Sensor struct {
	Name    string
	Driver  string // ds18b20, sht3x, aht20, bme280, hwmon, iio, thermal
	Address string // "" is the only one
	Channel string // of hwmon; "" is the first of each kind
	Every   time.Duration

	TooHot, TooCold *float64 // degrees Celsius; nil is no limit
	Humid           *float64 // per cent
	LowVoltage      *float64 // volts
	Hysteresis      float64  // degrees, per cent, tenths of a volt
}

// Line is one contact: mains, a door, water, motion.
type Line struct {
	Name      string
	Kind      string // mains, ups, door, water, motion, tamper, other
	Chip      string // as Wire.Chip
	Line      string
	ActiveLow bool
	Bias      string        // up, down, off, as_is
	Debounce  time.Duration // 0 is none
	HoldOn    time.Duration
	HoldOff   time.Duration
}

func (s *Sensor) fields() []field {
	return []field{
		text("name", &s.Name, checkName).matching(namePattern).must().like("cabinet").says("Our name of the sensor. 1 to 40 of a-z, 0-9, hyphen and underscore."),
		oneOf("driver", &s.Driver, "ds18b20", "sht3x", "aht20", "bme280", "hwmon", "iio", "thermal").must().like("ds18b20").
			says("How it is read; docs/how-to/sensors.md says which is for what."),
		brief("address", &s.Address, 64).like("28-0316a2795bff").
			says("Which one, where there are several: a DS18B20's identity, i2c-BUS:0xADDRESS, a chip's name, a thermal zone's type."),
		brief("channel", &s.Channel, 64).like("temp2").says("Of hwmon: one channel or its label; else the first of each kind."),
		duration("every", &s.Every, time.Second, time.Hour).defaults("1m").says("Time between two readings."),
		optional("too_hot", &s.TooHot, -60, 150).like("65").says("Degrees Celsius from which on it is too hot."),
		optional("too_cold", &s.TooCold, -60, 150).like("0").says("Degrees Celsius down from which it is too cold."),
		optional("humid", &s.Humid, 0, 100).like("90").says("Relative humidity in per cent from which on it is too humid."),
		optional("low_voltage", &s.LowVoltage, 0, 1000).like("11.5").says("Volts down from which the voltage is too low."),
		number("hysteresis", &s.Hysteresis, 0, 50).defaults("2").
			says("How far a value must come back before it is well again: degrees, per cent, and tenths of a volt."),
	}
}

func (l *Line) fields() []field {
	return []field{
		text("name", &l.Name, checkName).matching(namePattern).must().like("door").says("Our name of the line; as a stream's."),
		oneOf("kind", &l.Kind, "mains", "ups", "door", "water", "motion", "tamper", "other").must().like("door").
			says("What it means when it is active: mains are gone, the UPS's battery is low, the door is open, there is water, somebody moves, somebody tampers, or what you say."),
		chip(&l.Chip),
		line(&l.Line),
		boolean("active_low", &l.ActiveLow).defaults("false").
			says("false is a contact to ground that opens when the thing happens, so that a cut wire counts too; true one that closes."),
		oneOf("bias", &l.Bias, "up", "down", "off", "as_is").defaults("up").says("The line's resistor: pull up, pull down, none, or as it is found."),
		duration("debounce", &l.Debounce, 0, time.Second).defaults("30ms").says("Time that the level must rest to be an edge; 0s is none."),
		duration("hold_on", &l.HoldOn, 0, time.Hour).defaults("1s").says("Time that it must be active to be told."),
		duration("hold_off", &l.HoldOff, 0, time.Hour).defaults("5s").says("Time that it must be inactive to be told; 60s suits motion."),
	}
}

// addresses are the forms that a driver takes, and how they are written.
var addresses = map[string]struct {
	form *regexp.Regexp
	like string
}{
	"ds18b20": {regexp.MustCompile(`^28-[0-9a-f]{12}$`), "28- and 12 hex digits, as ls /sys/bus/w1/devices shows it"},
	"sht3x":   {onI2C, "i2c-1:0x44"},
	"aht20":   {onI2C, "i2c-1:0x38"},
	"bme280":  {onI2C, "i2c-1:0x76"},
}

var onI2C = regexp.MustCompile(`^(i2c-[0-9]{1,3}:0x[0-7][0-9a-f]|[0-9]{1,3}-00[0-7][0-9a-f])$`)

func (d *decoder) checkSensors(c *Config) {
	d.once("sensors[%d].name", len(c.Sensors), func(i int) string { return c.Sensors[i].Name })
	d.once("lines[%d].name", len(c.Lines), func(i int) string { return c.Lines[i].Name })
	for i := range c.Sensors {
		d.checkSensor(&c.Sensors[i], fmt.Sprintf("sensors[%d]", i))
	}
	var mine []wire
	for i, l := range c.Lines {
		path := fmt.Sprintf("lines[%d]", i)
		mine = append(mine, wire{path + ".line", l.Chip, l.Line})
		if owner := c.Kiosk.named(l.Name); owner != "" {
			d.addf(d.at(path+".name"), path+".name", "%s is the name of a %s of the kiosk; write another, or records can't tell them apart", show(l.Name), owner)
		}
	}
	if c.Board.Driver == DriverNone && len(c.Lines) > 0 && !d.bad["board.driver"] && !d.bad["board"] {
		d.addf(d.at("lines"), "lines", "lines need a board; write board: {driver: gpio}")
	}
	d.checkLinesBeside(c.Kiosk.wires(), mine)
	inputs := mine
	for i, b := range c.Kiosk.Buttons {
		inputs = append(inputs, wire{fmt.Sprintf("kiosk.buttons[%d].line", i), b.Wire.Chip, b.Wire.Line})
	}
	for _, l := range c.Kiosk.outputs() {
		inputs = append(inputs, wire{l.path + ".sense", l.lamp.Chip, l.lamp.Sense})
	}
	inputs = append(inputs, wire{"kiosk.cancel.line", c.Kiosk.Cancel.Wire.Chip, c.Kiosk.Cancel.Wire.Line})
	d.checkLEDs(inputs, c.Kiosk.outputs())
}

func (d *decoder) checkSensor(s *Sensor, path string) {
	address, known := addresses[s.Driver]
	if at := join(path, "address"); known && d.given(at) && !address.form.MatchString(s.Address) {
		d.addf(d.at(at), at, "%s is no address of a %s; write %s, or leave it out where there is only one", show(s.Address), s.Driver, address.like)
	}
	if at := join(path, "channel"); d.given(at) && s.Driver != "hwmon" && !d.bad[join(path, "driver")] {
		d.addf(d.at(at), at, "only driver hwmon has channels; remove it")
	}
	if at := join(path, "humid"); d.given(at) && (s.Driver == "ds18b20" || s.Driver == "thermal") {
		d.addf(d.at(at), at, "driver %s measures no humidity; remove it", s.Driver)
	}
	if at := join(path, "low_voltage"); d.given(at) && known {
		d.addf(d.at(at), at, "driver %s measures no voltage; remove it", s.Driver)
	}
	if s.TooHot != nil && s.TooCold != nil && *s.TooHot-*s.TooCold <= s.Hysteresis && !d.bad[join(path, "hysteresis")] {
		at := join(path, "too_cold")
		d.addf(d.at(at), at, "too_cold %g and too_hot %g are not more than hysteresis %g apart; it would always be one of them", *s.TooCold, *s.TooHot, s.Hysteresis)
	}
}
