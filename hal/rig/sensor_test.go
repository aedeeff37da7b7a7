package rig

import (
	"fmt"
	"math"
	"time"

	"kentongan/agent/report"
)

// warm makes the cabinet that warm, and 78.5 per cent humid.
func (s *site) warm(celsius float64) {
	s.t.Helper()
	for _, order := range [][]string{{"sht3x", "temperature", fmt.Sprint(celsius)}, {"sht3x", "humidity", "78.5"}} {
		if err := s.bus.Do(order); err != nil {
			s.t.Fatal(err)
		}
	}
}

// sensor finds at the centre what the chip on the board's I2C bus measures: the
// agent read it over the kernel's i2c-dev and a USB adapter. In the full form the
// cabinet gets too hot, and the alarm comes too.
func (r *running) sensor() {
	r.t.Helper()
	r.reads(41.25)
	if !full() {
		return
	}
	r.warm(71.5)
	r.reads(71.5)
	r.until("the centre has the alarm that the cabinet is too hot", 2*time.Minute, func() bool {
		for _, a := range records[report.Alarm](r.site, report.Event, report.KindAlarm) {
			if a.Source == "sensor/cabinet" && a.Condition == "too_hot" && a.Active() {
				r.t.Logf("at the centre: %s, %s", a.Text.EN, a.Detail)
				return true
			}
		}
		return false
	})
	r.warm(41.25)
}

func (r *running) reads(celsius float64) {
	r.t.Helper()
	r.until(fmt.Sprintf("the centre has a reading of %g degrees", celsius), slow, func() bool {
		for _, got := range records[report.Reading](r.site, report.Telemetry, report.KindReading) {
			if got.Temperature == nil || got.Humidity == nil || math.Abs(*got.Temperature-celsius) > 0.01 {
				continue
			}
			if math.Abs(*got.Humidity-78.5) > 0.01 {
				r.t.Errorf("a humidity of %v", *got.Humidity)
			}
			r.t.Logf("at the centre: %.3f degrees, %.2f per cent", *got.Temperature, *got.Humidity)
			return true
		}
		return false
	})
}
