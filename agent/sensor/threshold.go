package sensor

import (
	"fmt"
	"math"

	"kentongan/agent/report"
)

// Limits are what is too much and too little; nil is no limit.
type Limits struct {
	TooHot     *float64 // degrees Celsius, from here on
	TooCold    *float64 // degrees Celsius, down from here
	Humid      *float64 // per cent of relative humidity, from here on
	LowVoltage *float64 // volts, down from here
	// Hysteresis is how far a value must come back before the finding is over:
	// degrees and per cent, and for a voltage tenths of a volt.
	Hysteresis float64
}

// limit is one of them, with what was found last.
type limit struct {
	condition  string
	unit       string
	at         float64
	hysteresis float64
	below      bool // too little, not too much
	of         func(report.Reading) *float64
	present    bool
}

func (l Limits) conditions() (all []*limit) {
	add := func(at *float64, condition, unit string, below bool, hysteresis float64, of func(report.Reading) *float64) {
		if at != nil {
			all = append(all, &limit{condition: condition, unit: unit, at: *at, below: below, hysteresis: hysteresis, of: of})
		}
	}
	temperature := func(r report.Reading) *float64 { return r.Temperature }
	add(l.TooHot, CondTooHot, "°C", false, l.Hysteresis, temperature)
	add(l.TooCold, CondTooCold, "°C", true, l.Hysteresis, temperature)
	add(l.Humid, CondHumid, "%", false, l.Hysteresis, func(r report.Reading) *float64 { return r.Humidity })
	add(l.LowVoltage, CondLowVoltage, "V", true, l.Hysteresis/10, func(r report.Reading) *float64 { return r.Voltage })
	return all
}

// over takes a value and tells whether the condition is present: from the limit
// on, until it has come back by the hysteresis.
func (l *limit) over(v float64) bool {
	at := l.at
	if l.present && l.below {
		at += l.hysteresis
	} else if l.present {
		at -= l.hysteresis
	}
	switch {
	case l.present && l.below:
		l.present = v < at
	case l.present:
		l.present = v > at
	case l.below:
		l.present = v <= at
	default:
		l.present = v >= at
	}
	return l.present
}

func (l *limit) detail(v float64) string {
	return fmt.Sprintf("%.2f %s, limit %g %s, hysteresis %g %s", v, l.unit, l.at, l.unit, l.hysteresis, l.unit)
}

// round keeps thousandths, which no sensor here is better than.
func round(v float64) *float64 {
	v = math.Round(v*1e3) / 1e3
	return &v
}
