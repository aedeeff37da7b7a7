package sensor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"periph.io/x/conn/v3/physic"

	"kentongan/agent/pulse"
	"kentongan/agent/report"
	"kentongan/hal"
)

const (
	// readTime is for one read. A DS18B20 takes 0.75 s, and the kernel lets
	// several on one bus convert one after the other.
	readTime = 10 * time.Second
	// lostAfter is how many failures in a row are a lost sensor. A check sum
	// fails now and then on a long wire.
	lostAfter = 3
)

// sensor is one sensor; run owns all but what mu guards.
type sensor struct {
	cfg    Sensor
	s      hal.Sensor
	out    Output
	log    *slog.Logger
	limits []*limit
	pulse  pulse.Pulse

	failures int
	problem  string // as it was logged last

	mu sync.Mutex // guards st
	st SensorStatus
}

// SensorStatus is what one sensor says.
type SensorStatus struct {
	Name    string
	Reading report.Reading // the newest
	At      time.Time      // of it; zero when there was none
	Err     string         // why there is no newer one; "" when there is
}

// run reads at once and then at the interval.
func (s *sensor) run(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	for {
		s.once(ctx)
		for due := false; !due; {
			select {
			case <-tick.C:
				due = true
			case beat := <-s.pulse:
				beat()
			case <-ctx.Done():
				return
			}
		}
	}
}

func (s *sensor) once(ctx context.Context) {
	reading, cancel := context.WithTimeout(ctx, min(readTime, s.cfg.Every))
	defer cancel()
	var r hal.Reading
	var err error
	s.pulse.While(2*readTime, func() { r, err = s.s.Read(reading) })
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.failed(err)
		return
	}
	if s.failures > 0 {
		s.log.Info("sensor reads", "sensor", s.cfg.Name, "failures", s.failures)
	}
	s.failures, s.problem = 0, ""
	out := record(s.cfg.Name, r)
	s.mu.Lock()
	s.st = SensorStatus{Reading: out, At: time.Now()}
	s.mu.Unlock()
	s.out.SensorRead(out)
	s.found(CondSensorLost, false, "it reads")
	for _, l := range s.limits {
		if v := l.of(out); v != nil {
			s.found(l.condition, l.over(*v), l.detail(*v))
		}
	}
}

// failed notes a failure. The limits stay as they were found: nobody knows.
func (s *sensor) failed(err error) {
	s.failures++
	problem := hal.Refused
	if e, ok := errors.AsType[*hal.SensorError](err); ok {
		problem = e.Problem
	}
	if problem != s.problem {
		s.log.Warn("sensor does not read", "sensor", s.cfg.Name, "problem", problem, "err", err, "retry_in", s.cfg.Every)
	}
	s.problem = problem
	s.mu.Lock()
	s.st.Err = err.Error()
	s.mu.Unlock()
	if s.failures >= lostAfter {
		s.found(CondSensorLost, true, fmt.Sprintf("%d times in a row: %v", s.failures, err))
	}
}

func (s *sensor) found(condition string, present bool, detail string) {
	s.out.SensorFound(Finding{Source: "sensor/" + s.cfg.Name, Condition: condition, Present: present, Detail: detail})
}

func (s *sensor) status() SensorStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.st
	st.Name = s.cfg.Name
	return st
}

// record puts a reading into the units of records.
func record(name string, r hal.Reading) report.Reading {
	out := report.Reading{Sensor: name}
	if r.Temperature != nil {
		out.Temperature = round(r.Temperature.Celsius())
	}
	if r.Humidity != nil {
		out.Humidity = round(float64(*r.Humidity) / float64(physic.PercentRH))
	}
	if r.Pressure != nil {
		out.Pressure = round(float64(*r.Pressure) / float64(100*physic.Pascal))
	}
	if r.Voltage != nil {
		out.Voltage = round(float64(*r.Voltage) / float64(physic.Volt))
	}
	if r.Current != nil {
		out.Current = round(float64(*r.Current) / float64(physic.Ampere))
	}
	return out
}
