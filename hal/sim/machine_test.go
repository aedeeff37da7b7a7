package sim

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/hal"
	"kentongan/hal/haltest"
)

func TestSensorConformance(t *testing.T) {
	b := open(t, Options{})
	haltest.RunSensor(t, haltest.SensorBench{
		Open: func(t *testing.T) hal.Sensor {
			s, err := b.OpenSensor(hal.SensorConfig{Name: "cabinet", Driver: "bme280"})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Set:      func(degrees float64) error { return b.SetSensor("cabinet", Environment{Temperature: &degrees}, nil) },
		Break:    func(problem string) error { return b.SetSensor("cabinet", Environment{}, &problem) },
		Problems: []string{hal.Missing, hal.Busy, hal.Refused, hal.Invalid, hal.Hung},
	})
}

// TestSensorSaysItsNameWhileItIsOpenedAgain: a new configuration opens a sensor of the
// same name while the old one's loop logs (for the race detector).
func TestSensorSaysItsNameWhileItIsOpenedAgain(t *testing.T) {
	b := open(t, Options{})
	c := hal.SensorConfig{Name: "cabinet", Driver: "bme280"}
	s, err := b.OpenSensor(c)
	if err != nil {
		t.Fatal(err)
	}
	var again sync.WaitGroup
	defer again.Wait()
	again.Go(func() {
		if _, err := b.OpenSensor(c); err != nil {
			t.Error(err)
		}
	})
	if got := s.String(); got != "cabinet (simulated bme280)" {
		t.Errorf("it says %q", got)
	}
}

func TestSetSensorRefuses(t *testing.T) {
	b := open(t, Options{})
	if _, err := b.OpenSensor(hal.SensorConfig{Name: "cabinet", Driver: "ds18b20"}); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{
		`no sensor "roof"; there are cabinet`: b.SetSensor("roof", Environment{}, nil),
		"a ds18b20 measures no humidity":      b.SetSensor("cabinet", Environment{Humidity: new(50.0)}, nil),
		`no problem "tired"`:                  b.SetSensor("cabinet", Environment{}, new("tired")),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := b.OpenSensor(hal.SensorConfig{Name: "roof", Driver: "lm35"}); err == nil {
		t.Error("an unknown driver was taken")
	}
}

func TestWatchdogConformance(t *testing.T) {
	b := open(t, Options{})
	haltest.RunWatchdog(t, haltest.WatchdogBench{
		Open: func(d time.Duration) (hal.Watchdog, error) { return b.OpenWatchdog(hal.WatchdogConfig{Timeout: d}) },
	})
}

func TestWatchdogBites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var resets atomic.Int32
		b := open(t, Options{Reset: func() { resets.Add(1) }})
		w, err := b.OpenWatchdog(hal.WatchdogConfig{Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			time.Sleep(9 * time.Second)
			if err := w.Feed(); err != nil {
				t.Fatal(err)
			}
		}
		if resets.Load() != 0 {
			t.Error("a watchdog that was fed reset the board")
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if again, err := b.OpenWatchdog(hal.WatchdogConfig{Timeout: time.Second}); err != nil || !again.CausedBoot() || w.CausedBoot() {
			t.Errorf("opened after the reset: %v, %v; want it to know", again, err)
		} else if err := again.Close(); err != nil {
			t.Error(err)
		}
		if resets.Load() != 1 || b.Watchdog().Resets != 1 || b.Watchdog().Running {
			t.Errorf("%d resets, watchdog %+v; want one", resets.Load(), b.Watchdog())
		}
	})
}

func TestLEDs(t *testing.T) {
	b := open(t, Options{})
	haltest.RunLED(t, haltest.LEDBench{
		Open: func(name string) (hal.Output, error) { return b.OpenOutput(hal.LineConfig{Name: "saved", LED: name}) },
		LED:  "ACT",
		Brightness: func() string {
			if on, err := b.Level("led:ACT"); err != nil || !on {
				return "0"
			}
			return "1"
		},
	})
	if _, err := b.OpenOutput(hal.LineConfig{Name: "saved", LED: "ACT"}); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		`used by "saved"`:          second(b.OpenOutput(hal.LineConfig{Name: "fault", LED: "ACT"})),
		"the LEDs are led:ACT":     second(b.OpenOutput(hal.LineConfig{Name: "fault", LED: "green"})),
		`chip "sim" has GPIO0`:     second(b.OpenInput(hal.LineConfig{Name: "road", Line: "led:PWR"})),
		`"led:ACT" is an LED`:      b.Set("led:ACT", false),
		`no line "GPIO99"; there`:  b.Set("GPIO99", false),
		"LED \"green\"): missing:": second(b.OpenOutput(hal.LineConfig{Name: "fault", LED: "green"})),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("error %v does not say %s", err, what)
		}
	}
}

func second[T any](_ T, err error) error { return err }
