package haltest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"kentongan/hal"
)

// SensorBench is a sensor under test and the hand that warms and breaks it.
type SensorBench struct {
	Open func(t *testing.T) hal.Sensor // a sensor named "cabinet" that measures temperature
	// Set makes it that warm; nil where nobody can.
	Set func(celsius float64) error
	// Break gives it one of hal's problems, "" mends it. Problems are those that
	// the bench can make.
	Break    func(problem string) error
	Problems []string
}

// RunSensor runs all tests of a sensor as subtests.
func RunSensor(t *testing.T, b SensorBench) {
	t.Run("reads", func(t *testing.T) { sensorReads(t, b) })
	t.Run("a context that is over", func(t *testing.T) { sensorOver(t, b) })
	for _, p := range b.Problems {
		t.Run(p, func(t *testing.T) { sensorBreaks(t, b, p) })
	}
}

func sensorReads(t *testing.T, b SensorBench) {
	s := b.Open(t)
	if !strings.Contains(s.String(), "cabinet") {
		t.Errorf("the sensor calls itself %q, without our name", s)
	}
	degrees := []float64{21.5, 60, -3.25}
	if b.Set == nil {
		degrees = degrees[:1] // once, whatever it is
	}
	for _, want := range degrees {
		if b.Set != nil {
			if err := b.Set(want); err != nil {
				t.Fatal(err)
			}
		}
		r, err := readWithin(t, s, patience)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case r.Temperature == nil:
			t.Fatal("no temperature")
		case b.Set == nil:
			t.Logf("%v", r.Temperature)
		case r.Temperature.Celsius() < want-0.1 || r.Temperature.Celsius() > want+0.1:
			t.Errorf("temperature %v, want %v", r.Temperature, want)
		}
	}
}

func sensorOver(t *testing.T, b SensorBench) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := b.Open(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.Read(ctx) // a sensor may be faster than its context
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("Read did not end with its context")
	}
}

// sensorBreaks sees the problem named, and the sensor back when it is over.
func sensorBreaks(t *testing.T, b SensorBench, problem string) {
	s := b.Open(t)
	t.Cleanup(func() {
		if err := b.Break(""); err != nil {
			t.Error(err)
		}
	})
	if err := b.Break(problem); err != nil {
		t.Fatal(err)
	}
	within := patience
	if problem == hal.Hung {
		within = 100 * time.Millisecond
	}
	for range 3 {
		_, err := readWithin(t, s, within)
		e, ok := errors.AsType[*hal.SensorError](err)
		if !ok {
			t.Fatalf("error %v is no *hal.SensorError", err)
		}
		if e.Problem != problem || !strings.Contains(e.Error(), "cabinet") {
			t.Errorf("problem is %q, want %q with the sensor's name: %v", e.Problem, problem, e)
		}
	}
	if err := b.Break(""); err != nil {
		t.Fatal(err)
	}
	if _, err := readWithin(t, s, patience); err != nil {
		t.Errorf("after it was mended: %v", err)
	}
}

func readWithin(t *testing.T, s hal.Sensor, d time.Duration) (hal.Reading, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return s.Read(ctx)
}
