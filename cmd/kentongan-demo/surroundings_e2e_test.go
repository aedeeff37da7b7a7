package main

import (
	"os"
	"slices"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
)

// TestSurroundingsReachTheCentre: mains that go, a door that is opened and a
// cabinet that is heated on the bench are shown by the centre, raise their alarms,
// and clear them when they are over. The alarm of the heat, which comes and goes
// after a minute each, is waited for in `make soak` only.
func TestSurroundingsReachTheCentre(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	device, centre := buildPrograms(t)
	s, err := openSite(ctx, siteOptions{Dir: t.TempDir(), Device: device, Centre: centre, PageAddr: brokertest.FreeAddress(t), Leased: leased(t)})
	if s != nil {
		defer s.close()
	}
	if err != nil {
		t.Fatal(err)
	}
	watchContract(t, s.centre.broker, "up/event", "up/telemetry", "state/alarms")
	shows := func(source string, ok func(aroundState) bool) func() bool {
		return func() bool {
			list, err := s.centre.surroundings(ctx, demoDevice)
			return err == nil && slices.ContainsFunc(list, func(a aroundState) bool { return a.Source == source && ok(a) })
		}
	}
	active := func(yes bool) func(aroundState) bool {
		return func(a aroundState) bool { return a.Input != nil && a.Input.Active == yes }
	}
	degrees := func(d float64) func(aroundState) bool {
		return func(a aroundState) bool { return a.Reading != nil && a.Reading.Temperature == d }
	}
	alarm := func(source, condition string, raised bool) func() bool {
		return func() bool {
			list, err := s.centre.alarms(ctx, false)
			return err == nil && raised == slices.ContainsFunc(list, func(a alarmState) bool { return a.Source == source && a.Condition == condition && a.State == "raised" })
		}
	}
	see := func(what string, is func() bool) {
		t.Helper()
		if !waitFor(ctx, 3*time.Minute, is) {
			t.Fatalf("%s is not seen at the centre:\n%s", what, s.device.log.text())
		}
	}
	do := func(what, how string) {
		t.Helper()
		if err := s.act(ctx, what, how); err != nil {
			t.Fatal(err)
		}
	}
	see("the first reading", shows("sensor/cabinet", degrees(warm)))
	see("the mains", shows("line/mains", active(false)))
	see("the door", shows("line/door", active(false)))

	do("climate", "heat")
	do("mains", "off")
	do("door", "open")
	see("heat", shows("sensor/cabinet", degrees(heated)))
	see("the mains' end", shows("line/mains", active(true)))
	see("the open door", shows("line/door", active(true)))
	see("the alarm of the mains", alarm("line/mains", "on_battery", true))
	see("the alarm of the door", alarm("line/door", "open", true))
	soak := os.Getenv("KENTONGAN_SOAK") != ""
	if soak {
		see("the alarm of the heat", alarm("sensor/cabinet", "too_hot", true))
	}

	do("climate", "unplug")
	see("the alarm of the sensor", alarm("sensor/cabinet", "sensor_lost", true))
	do("climate", "normal")
	do("mains", "on")
	do("door", "close")
	see("the mains again", alarm("line/mains", "on_battery", false))
	see("the door closed", alarm("line/door", "open", false))
	see("the sensor again", alarm("sensor/cabinet", "sensor_lost", false))
	see("the normal reading", shows("sensor/cabinet", degrees(warm)))
	if soak {
		see("the heat's end", alarm("sensor/cabinet", "too_hot", false))
	}
	if err := s.act(ctx, "climate", "freeze"); err == nil {
		t.Error("a climate that there is not was set")
	}
}
