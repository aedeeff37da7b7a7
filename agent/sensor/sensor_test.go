package sensor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/hal"
	"kentongan/hal/sim"
)

// seen keeps what a watch says.
type seen struct {
	mu       sync.Mutex // guards what follows
	readings []report.Reading
	inputs   []report.InputState
	faults   []report.LineState
	findings []Finding
}

func (s *seen) SensorRead(r report.Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readings = append(s.readings, r)
}

func (s *seen) InputChanged(i report.InputState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inputs = append(s.inputs, i)
}

func (s *seen) InputFault(l report.LineState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, l)
}

func (s *seen) SensorFound(f Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findings = append(s.findings, f)
}

// now is the newest finding of each condition, as source condition=present.
func (s *seen) now() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := map[string]bool{}
	for _, f := range s.findings {
		newest[f.Source+" "+f.Condition] = f.Present
	}
	var all []string
	for k, v := range newest {
		all = append(all, fmt.Sprintf("%s=%v", k, v))
	}
	slices.Sort(all)
	return all
}

func (s *seen) counts() (readings, inputs, faults int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.readings), len(s.inputs), len(s.faults)
}

// rig is a watch on a simulated board, in a bubble of synctest.
type rig struct {
	t     *testing.T
	board *sim.Board
	out   *seen
	watch *Watch
	stop  func()
}

func start(t *testing.T, cfg Config) *rig {
	t.Helper()
	began := time.Now()
	cfg.Now = func() time.Duration { return time.Since(began) }
	board, err := sim.Open(sim.Options{Now: cfg.Now})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, board: board, out: &seen{}}
	if r.watch, err = New(cfg, board, board, r.out, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.watch.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := board.Close(); err != nil {
			t.Error(err)
		}
	}
	synctest.Wait()
	return r
}

func (r *rig) set(degrees float64, problem string) {
	r.t.Helper()
	if err := r.board.SetSensor("cabinet", sim.Environment{Temperature: &degrees}, &problem); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) line(active bool) {
	r.t.Helper()
	if err := r.board.Set("GPIO5", active); err != nil {
		r.t.Fatal(err)
	}
}

func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func cabinet(limits Limits) Sensor {
	return Sensor{SensorConfig: hal.SensorConfig{Name: "cabinet", Driver: "bme280"}, Every: time.Minute, Limits: limits}
}

func TestSensor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{Sensors: []Sensor{cabinet(Limits{TooHot: new(60.0), Hysteresis: 2})}})
		defer r.stop()
		if n, _, _ := r.out.counts(); n != 1 {
			t.Fatalf("%d readings at the start, want 1", n)
		}
		if got := r.out.readings[0]; *got.Temperature != 30.5 || *got.Humidity != 74 || *got.Pressure != 1009.5 || got.Voltage != nil {
			t.Errorf("reading %+v", got)
		}
		r.set(61, "")
		sleep(time.Minute)
		if got, want := r.out.now(), []string{"sensor/cabinet sensor_lost=false", "sensor/cabinet too_hot=true"}; !slices.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
		}
		r.set(20, hal.Invalid) // one bad check sum is nothing
		sleep(2 * time.Minute)
		if got := r.out.now(); slices.Contains(got, "sensor/cabinet sensor_lost=true") {
			t.Errorf("lost after two failures: %v", got)
		}
		sleep(time.Minute)
		if got, want := r.out.now(), []string{"sensor/cabinet sensor_lost=true", "sensor/cabinet too_hot=true"}; !slices.Equal(got, want) {
			t.Errorf("found %v, want %v: nobody knows that it is cooler", got, want)
		}
		if st := r.watch.Status().Sensors[0]; !strings.Contains(st.Err, "invalid") || *st.Reading.Temperature != 61 {
			t.Errorf("status %+v", st)
		}
		r.set(20, "")
		sleep(time.Minute)
		if got, want := r.out.now(), []string{"sensor/cabinet sensor_lost=false", "sensor/cabinet too_hot=false"}; !slices.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
		}
	})
}

// A bus that hangs holds up neither the other sensor nor the end.
func TestHungBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		roof := cabinet(Limits{})
		roof.Name = "roof"
		r := start(t, Config{Sensors: []Sensor{cabinet(Limits{}), roof}})
		r.set(20, hal.Hung)
		sleep(10 * time.Minute)
		if n, _, _ := r.out.counts(); n != 2+10 {
			t.Errorf("%d readings, want 12: the sensor that does not hang goes on", n)
		}
		if got := r.out.now(); !slices.Contains(got, "sensor/cabinet sensor_lost=true") {
			t.Errorf("found %v", got)
		}
		began := time.Now()
		r.stop()
		if took := time.Since(began); took != 0 {
			t.Errorf("the end took %v", took)
		}
	})
}

func door(kind string) Line {
	return Line{LineConfig: hal.LineConfig{Name: "cabinet", Line: "GPIO5"}, Kind: kind, HoldOn: time.Second, HoldOff: 5 * time.Second}
}

func TestLineOfEachKind(t *testing.T) {
	for kind, condition := range conditions {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Config{Lines: []Line{door(kind)}})
				defer r.stop()
				sleep(10 * time.Second)
				r.line(true)
				sleep(2 * time.Second)
				want := []report.InputState{
					{Line: "cabinet", Kind: kind, First: true, AgoMS: 5000},
					{Line: "cabinet", Kind: kind, Active: true, AgoMS: 1000},
				}
				if !slices.Equal(r.out.inputs, want) {
					t.Errorf("events %+v, want %+v", r.out.inputs, want)
				}
				found := []string{"line/cabinet line_lost=false"}
				if condition != "" {
					found = append(found, "line/cabinet "+condition+"=true")
				}
				slices.Sort(found)
				if got := r.out.now(); !slices.Equal(got, found) {
					t.Errorf("found %v, want %v", got, found)
				}
				if st := r.watch.Status().Lines[0]; !st.Active || !st.Known || st.State != "ok" {
					t.Errorf("status %+v", st)
				}
			})
		})
	}
}

// A line that somebody else has: the centre is told by whom, once, and it is
// taken when it is free.
func TestBusyLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		now := func() time.Duration { return time.Since(began) }
		board, err := sim.Open(sim.Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		defer board.Close()
		other, err := board.OpenOutput(hal.LineConfig{Name: "fan", Line: "GPIO5"})
		if err != nil {
			t.Fatal(err)
		}
		out := &seen{}
		w, err := New(Config{Lines: []Line{door("door")}, Sensors: []Sensor{cabinet(Limits{})}, Now: now}, board, board, out, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		sleep(5 * time.Minute)
		if n, _, faults := out.counts(); n < 5 || faults != 1 {
			t.Errorf("%d readings and %d faults, want the sensor to go on and one fault", n, faults)
		}
		if f := out.faults[0]; f.State != hal.Busy || !strings.Contains(f.Detail, `used by "fan"`) || !strings.Contains(f.Detail, "GPIO27") {
			t.Errorf("fault %+v does not name the chip's lines and who has this one", f)
		}
		if !slices.Contains(out.now(), "line/cabinet line_lost=true") {
			t.Errorf("found %v", out.now())
		}
		if err := other.Halt(); err != nil {
			t.Fatal(err)
		}
		sleep(time.Minute)
		if _, inputs, faults := out.counts(); faults != 2 || inputs != 1 || out.faults[1].State != "ok" {
			t.Errorf("faults %+v, %d events", out.faults, inputs)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A short circuit faster than the reader: what was lost is counted and told,
// events stay few, and the last level is true.
func TestFloodedLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{Lines: []Line{door("water")}})
		defer r.stop()
		sleep(10 * time.Second)
		const changes = 5001
		for i := range changes {
			r.line(i%2 == 0)
		}
		sleep(10 * time.Minute)
		st := r.watch.Status().Lines[0]
		var told uint64
		for _, f := range r.out.faults {
			told += f.Count
		}
		t.Logf("%d edges lost, %d told in %d faults, %d events", st.Lost, told, len(r.out.faults), len(r.out.inputs))
		if told != st.Lost || !st.Active {
			t.Errorf("%d edges lost, %d told; status %+v", st.Lost, told, st)
		}
		if len(r.out.inputs) != 2 {
			t.Errorf("%d events, want 2", len(r.out.inputs))
		}
	})
}

func TestNewRefuses(t *testing.T) {
	board, err := sim.Open(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer board.Close()
	log := slog.New(slog.DiscardHandler)
	for name, cfg := range map[string]Config{
		"driver": {Sensors: []Sensor{{SensorConfig: hal.SensorConfig{Name: "a", Driver: "lm35"}, Every: time.Second}}},
		"kind":   {Lines: []Line{{LineConfig: hal.LineConfig{Name: "a"}, Kind: "window"}}},
	} {
		if _, err := New(cfg, board, board, &seen{}, log); err == nil {
			t.Errorf("an unknown %s was taken", name)
		}
	}
}
