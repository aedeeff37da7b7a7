package agent

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/agent/alarm"
	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/sensor"
	"kentongan/agent/spool"
	"kentongan/hal/sensors"
)

// Each driver and kind that the configuration lets through is one that there
// is, or the agent would not start.
func TestSensorWordsMeanTheSame(t *testing.T) {
	for _, driver := range sensors.Names() {
		if err := load(t, "sensors: [{name: a, driver: "+driver+"}]\n"); err != nil {
			t.Errorf("driver %s: %v", driver, err)
		}
	}
	for _, kind := range []string{"mains", "ups", "door", "water", "motion", "tamper", "other"} {
		if err := load(t, "board: {driver: gpio}\nlines: [{name: a, kind: "+kind+", line: GPIO5}]\n"); err != nil {
			t.Errorf("kind %s: %v", kind, err)
		}
		if _, ok := sensor.Conditions(kind); !ok {
			t.Errorf("the configuration takes kind %s, which the sensors do not know", kind)
		}
	}
}

// What a sensor or line can be found of has its row and its texts.
func TestSensorConditionsAreInTheCatalogue(t *testing.T) {
	for source, conditions := range map[alarm.Kind][]string{
		alarm.Sensor: {sensor.CondTooHot, sensor.CondTooCold, sensor.CondHumid, sensor.CondLowVoltage, sensor.CondSensorLost},
		alarm.Line:   {sensor.CondOnBattery, sensor.CondBatteryLow, sensor.CondOpen, sensor.CondWater, sensor.CondTamper, sensor.CondActive, sensor.CondLineLost},
	} {
		for _, c := range conditions {
			if !slices.ContainsFunc(alarm.Catalogue(), func(row alarm.Condition) bool { return row.Kind == source && row.Name == c }) {
				t.Errorf("%s %s has no row in the alarms' catalogue", source, c)
			}
		}
	}
}

func load(t *testing.T, more string) error {
	t.Helper()
	_, err := config.Parse("x.yaml", []byte("device: kiosk-7\nuplink: {brokers: [{url: 'mqtt://127.0.0.1'}], acknowledge: broker}\n"+more))
	return err
}

// What the how-to says to write is taken.
func TestHowToIsTrue(t *testing.T) {
	for page, least := range map[string]int{"sensors": 2, "watchdog": 1} {
		text, err := os.ReadFile("../docs/how-to/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```yaml\n")[1:]
		if len(blocks) < least {
			t.Errorf("%d blocks of configuration in %s", len(blocks), page)
		}
		for _, b := range blocks {
			b, _, _ = strings.Cut(b, "```")
			if err := load(t, b); err != nil {
				t.Errorf("%s: %v\n%s", page, err, b)
			}
		}
	}
}

// A whole agent on a simulated board: a line that is not there is told to the
// centre, and all else goes on.
func TestAgentTellsOfSensorsAndLines(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "board.sock")
	cfg, err := config.Parse(filepath.Join(dir, "x.yaml"), []byte(`device: kiosk-7
data: data
uplink: {brokers: [{url: 'mqtt://127.0.0.1:1'}], acknowledge: broker}
spool: {complaint: 1MiB, event: 1MiB, telemetry: 1MiB}
board: {driver: sim, socket: board.sock}
watchdog: {device: /dev/watchdog0, timeout: 10s}
kiosk: {lamps: {saved: {line: "led:ACT"}}}
sensors: [{name: cabinet, driver: sht3x, every: 1s}]
lines:
  - {name: door, kind: door, line: GPIO6, hold_on: 0s, hold_off: 0s}
  - {name: roof, kind: water, line: GPIO99}
`))
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	a, err := New(cfg, Options{Version: "test", Log: slog.New(slog.NewTextHandler(&startLog{started: started}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	select {
	case <-started:
	case err := <-ended:
		t.Fatal(err)
	}
	opened := false
	await(t, func() bool {
		for _, e := range records(t, a.spool, report.Event) {
			if e.Kind == report.KindInput && strings.Contains(string(e.Body), `"first":true`) && !opened {
				opened = order(t, socket, `{"op":"set","line":"GPIO6","active":true}`)
			}
		}
		return opened
	})
	await(t, func() bool {
		seen := ""
		for _, lane := range []report.Lane{report.Event, report.Telemetry} {
			for _, r := range records(t, a.spool, lane) {
				seen += r.Kind + " " + string(r.Body) + "\n"
			}
		}
		return strings.Contains(seen, `input {"line":"door","kind":"door","active":true`) &&
			strings.Contains(seen, `line {"line":"roof","state":"missing","detail":"line roof (chip \"\", line \"GPIO99\"): missing: chip \"sim\" has GPIO0,`) &&
			strings.Contains(seen, `"source":"line/door","condition":"open","severity":"minor"`) &&
			strings.Contains(seen, `"source":"line/roof","condition":"line_lost"`) &&
			strings.Contains(seen, `watchdog {"state":"running","name":"simulated watchdog","timeout_s":10}`) &&
			strings.Contains(seen, `reading {"sensor":"cabinet","temperature_c":30.5,"humidity_percent":74}`)
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// startLog sees the agent start; its channel is closed once a.spool is there.
type startLog struct {
	once    sync.Once
	started chan struct{}
}

func (l *startLog) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("agent started")) {
		l.once.Do(func() { close(l.started) })
	}
	return len(line), nil
}

// await waits for something that comes; the test ends if it does not.
func await(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come in 90 s")
		}
	}
}

// records reads a lane.
func records(t *testing.T, s *spool.Spool, lane report.Lane) (all []report.Record) {
	t.Helper()
	entries, err := s.Read(lane, 1, 1000, 1<<20)
	if err != nil {
		return nil // nothing in it
	}
	for _, e := range entries {
		r, err := report.DecodeRecord(e.Line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// order asks the simulated board for something.
func order(t *testing.T, socket, request string) bool {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	defer c.Close()
	if _, err := c.Write([]byte(request + "\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.Contains(answer, `"ok":true`) {
		t.Fatalf("%s: %s, %v", request, answer, err)
	}
	return true
}
