package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
)

// What sensors and contacts say newest is what is shown, whatever comes late; a
// start says the contacts anew; a sensor that is silent for a week is not shown.
func TestSurroundings(t *testing.T) { onEach(t, testSurroundings) }

func testSurroundings(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	const dev = "kiosk-7"
	birth(t, s, dev)
	hot := func(seq uint64, degrees float64) report.Received {
		return rec(t, dev, report.Telemetry, seq, report.KindReading, report.Reading{Sensor: "cabinet", Temperature: &degrees})
	}
	door := func(seq uint64, name string, open bool) report.Received {
		return rec(t, dev, report.Event, seq, report.KindInput, report.InputState{Line: name, Kind: "door", Active: open})
	}
	says := func(want string, after time.Duration) {
		t.Helper()
		list, err := s.Surroundings(t.Context(), dev, t0.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range list {
			switch {
			case a.Reading != nil:
				got = append(got, fmt.Sprint(a.Source, " ", *a.Reading.Temperature))
			case a.Input.Active:
				got = append(got, a.Source+" open")
			default:
				got = append(got, a.Source+" closed")
			}
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("shown are %q, want %q", g, want)
		}
	}
	commit(t, s, batch(dev, report.Telemetry, 1, 2, hot(2, 41)))
	commit(t, s, batch(dev, report.Event, 1, 3, door(2, "door", true), door(3, "lid", false)))
	says("sensor/cabinet 41, line/lid closed, line/door open", time.Minute)
	commit(t, s, batch(dev, report.Telemetry, 1, 2, hot(1, 22)))
	commit(t, s, batch(dev, report.Event, 1, 3, door(1, "door", false)))
	says("sensor/cabinet 41, line/lid closed, line/door open", time.Minute)
	commit(t, s, batch(dev, report.Event, 1, 5, rec(t, dev, report.Event, 4, report.KindBoot, report.Boot{Version: "1"}), door(5, "door", false)))
	says("sensor/cabinet 41, line/door closed", time.Minute)
	says("line/door closed", 8*24*time.Hour)
	if list, err := s.For(OfAgency("dinkes")).Surroundings(t.Context(), "", t0); err != nil || len(list) != 0 {
		t.Errorf("another agency sees %+v, %v", list, err)
	}
	commit(t, s, batch(dev, report.Telemetry, 1, 3, rec(t, dev, report.Telemetry, 3, report.KindReading, report.Reading{Sensor: "../x"})))
	says("sensor/cabinet 41, line/door closed", time.Minute)
}
