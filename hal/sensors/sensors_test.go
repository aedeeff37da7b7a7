package sensors

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/physic"

	"kentongan/hal"
	"kentongan/hal/haltest"
)

func open(t *testing.T, m Machine, c hal.SensorConfig) hal.Sensor {
	t.Helper()
	c.Name = "cabinet"
	s, err := m.OpenSensor(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// show is a reading in few words.
func show(r hal.Reading) string {
	var all []string
	if r.Temperature != nil {
		all = append(all, fmt.Sprintf("%.3f C", r.Temperature.Celsius()))
	}
	if r.Humidity != nil {
		all = append(all, fmt.Sprintf("%.2f %%", float64(*r.Humidity)/float64(physic.PercentRH)))
	}
	if r.Pressure != nil {
		all = append(all, fmt.Sprintf("%.1f Pa", float64(*r.Pressure)/float64(physic.Pascal)))
	}
	if r.Voltage != nil {
		all = append(all, r.Voltage.String())
	}
	if r.Current != nil {
		all = append(all, r.Current.String())
	}
	return strings.Join(all, ", ")
}

func TestReadings(t *testing.T) {
	tests := map[string]struct {
		c    hal.SensorConfig
		want string
	}{
		"the only DS18B20":       {hal.SensorConfig{Driver: "ds18b20"}, "23.125 C"},
		"a DS18B20 by identity":  {hal.SensorConfig{Driver: "ds18b20", Address: "28-0316a2794bff"}, "23.125 C"},
		"SHT3x":                  {hal.SensorConfig{Driver: "sht3x"}, "-3.502 C, 12.25 %"},
		"SHT3x on its bus":       {hal.SensorConfig{Driver: "sht3x", Address: "i2c-0:0x44"}, "-3.502 C, 12.25 %"},
		"SHT3x by device":        {hal.SensorConfig{Driver: "sht3x", Address: "0-0044"}, "-3.502 C, 12.25 %"},
		"AHT20":                  {hal.SensorConfig{Driver: "aht20"}, "33.875 C, 71.25 %"},
		"AHT20 on its bus":       {hal.SensorConfig{Driver: "aht20", Address: "i2c-1:0x38"}, "33.875 C, 71.25 %"},
		"LM75":                   {hal.SensorConfig{Driver: "hwmon", Address: "lm75"}, "41.500 C"},
		"DS18B20 among hwmon":    {hal.SensorConfig{Driver: "hwmon", Address: "w1_slave_temp"}, "23.125 C"},
		"BME280 on its bus":      {hal.SensorConfig{Driver: "bme280", Address: "i2c-0:0x76"}, "25.080 C, 47.26 %, 100653.3 Pa"},
		"BME280 by device":       {hal.SensorConfig{Driver: "bme280", Address: "0-0076"}, "25.080 C, 47.26 %, 100653.3 Pa"},
		"BME280":                 {hal.SensorConfig{Driver: "bme280"}, "25.080 C, 47.26 %, 100653.3 Pa"},
		"IIO by name":            {hal.SensorConfig{Driver: "iio", Address: "bme280"}, "25.080 C, 47.26 %, 100653.3 Pa"},
		"hwmon by name":          {hal.SensorConfig{Driver: "hwmon", Address: "cpu_thermal"}, "48.312 C"},
		"hwmon, first channels":  {hal.SensorConfig{Driver: "hwmon", Address: "ina219"}, "12mV, -350mA"},
		"hwmon, one channel":     {hal.SensorConfig{Driver: "hwmon", Address: "1-0040", Channel: "in1"}, "12.096V"},
		"hwmon, channel's label": {hal.SensorConfig{Driver: "hwmon", Address: "ina219", Channel: "battery"}, "12.096V"},
		"thermal zone":           {hal.SensorConfig{Driver: "thermal", Address: "cpu-thermal"}, "48.312 C"},
		"the only thermal zone":  {hal.SensorConfig{Driver: "thermal"}, "48.312 C"},
	}
	m := newTree(t).machine()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := open(t, m, tt.c).Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := show(r); got != tt.want {
				t.Errorf("read %s, want %s", got, tt.want)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	ds := hal.SensorConfig{Driver: "ds18b20"}
	w1 := func(text string) func(*testing.T, tree) {
		return func(t *testing.T, tr tree) { tr.write(t, w1File, text) }
	}
	remove := func(names ...string) func(*testing.T, tree) {
		return func(t *testing.T, tr tree) {
			for _, n := range names {
				if err := os.RemoveAll(tr.path(n)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	tests := map[string]struct {
		c       hal.SensorConfig
		change  func(*testing.T, tree)
		problem string
		says    string
	}{
		"power-on value": {ds, w1("50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n"), hal.Invalid, "after power on"},
		"bad check sum":  {ds, w1("72 01 4b 46 7f ff 0e 10 00 : crc=57 NO\n72 01 4b 46 7f ff 0e 10 00 t=23125\n"), hal.Invalid, "bad check sum"},
		"bus to ground":  {ds, w1("00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n"), hal.Invalid, "shorted to ground"},
		"out of range":   {ds, w1("ff 7f 4b 46 7f ff 0e 10 57 : crc=57 YES\nff 7f 4b 46 7f ff 0e 10 57 t=-127000\n"), hal.Invalid, "no measurement"},
		"half a file":    {ds, w1("72 01 4b 46 7f ff 0e"), hal.Invalid, "two lines"},
		"empty file":     {ds, w1(""), hal.Invalid, "no answer with a right check sum"},
		"power-on, hwmon": {hal.SensorConfig{Driver: "hwmon", Address: "w1_slave_temp"}, func(t *testing.T, tr tree) { tr.write(t, w1Dir+"/hwmon/hwmon2/temp1_input", "85000\n") },
			hal.Invalid, "after power on"},
		"no figure":             {ds, w1("72 : crc=57 YES\n72 t=warm\n"), hal.Invalid, `"warm" is no number`},
		"unplugged":             {ds, remove(w1Dir, "sys/bus/w1/devices/28-0316a2794bff"), hal.Missing, "no such sensor"},
		"another identity":      {hal.SensorConfig{Driver: "ds18b20", Address: "28-000000000000"}, nil, hal.Missing, "there is 28-0316a2794bff"},
		"no such chip":          {hal.SensorConfig{Driver: "hwmon", Address: "tmp102"}, nil, hal.Missing, "lm75 (0-0048), sht3x (0-0044), w1_slave_temp (28-0316a2794bff), cpu_thermal (thermal_zone0), ina219 (1-0040), aht20 (1-0038)"},
		"several are meant":     {hal.SensorConfig{Driver: "hwmon"}, nil, hal.Refused, "write its address"},
		"no such channel":       {hal.SensorConfig{Driver: "hwmon", Address: "ina219", Channel: "temp1"}, nil, hal.Missing, "there is curr1, in0, in1, power1"},
		"no such bus":           {hal.SensorConfig{Driver: "sht3x", Address: "i2c-7:0x44"}, nil, hal.Missing, "i2c-dev"},
		"other kernel driver":   {hal.SensorConfig{Driver: "bme280", Address: "i2c-0:0x44"}, nil, hal.Missing, "the kernel's driver sht3x has the chip"},
		"empty humidity":        {hal.SensorConfig{Driver: "sht3x"}, func(t *testing.T, tr tree) { tr.write(t, shtDir+"/humidity1_input", "") }, hal.Invalid, "humidity1_input"},
		"humidity beyond":       {hal.SensorConfig{Driver: "sht3x"}, func(t *testing.T, tr tree) { tr.write(t, shtDir+"/humidity1_input", "118900\n") }, hal.Invalid, "118.9 %"},
		"an old kernel's AHT20": {hal.SensorConfig{Driver: "aht20"}, func(t *testing.T, tr tree) { tr.write(t, ahtDir+"/name", "aht10\n") }, hal.Missing, "aht10 (1-0038)"},
		"no AHT20":              {hal.SensorConfig{Driver: "aht20"}, remove("sys/class/hwmon/hwmon5"), hal.Missing, "no such sensor"},
		"pressure of a vacuum":  {hal.SensorConfig{Driver: "bme280"}, func(t *testing.T, tr tree) { tr.write(t, bmeDir+"/in_pressure_input", "0.01\n") }, hal.Invalid, "pressure"},
		"measures nothing": {hal.SensorConfig{Driver: "bme280"}, remove(bmeDir+"/in_temp_input", bmeDir+"/in_pressure_input", bmeDir+"/in_humidityrelative_input"),
			hal.Missing, "neither temperature"},
		"zone gone": {hal.SensorConfig{Driver: "thermal"}, remove(zoneFile), hal.Missing, "no such file"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t)
			s := open(t, tr.machine(), tt.c)
			if tt.change != nil {
				tt.change(t, tr)
			}
			r, err := s.Read(t.Context())
			e, ok := errors.AsType[*hal.SensorError](err)
			if !ok {
				t.Fatalf("read %s with error %v, want a *hal.SensorError", show(r), err)
			}
			if e.Problem != tt.problem || !strings.Contains(e.Error(), tt.says) || !strings.Contains(e.Error(), "cabinet") {
				t.Errorf("error is %q, want %s, with %q in it", e, tt.problem, tt.says)
			}
		})
	}
}

// A kernel without w1_slave has the figure alone, in one of two places.
func TestDS18B20WithoutItsOldFile(t *testing.T) {
	const hwmon, plain = w1Dir + "/hwmon/hwmon2/temp1_input", w1Dir + "/temperature"
	tests := map[string]struct {
		files   map[string]string
		want    string
		problem string
		says    string
	}{
		"hwmon":             {files: map[string]string{hwmon: "23187\n", plain: "1\n"}, want: "23.187 C"},
		"no hwmon":          {files: map[string]string{plain: "-1500\n"}, want: "-1.500 C"},
		"power-on value":    {files: map[string]string{hwmon: "85000\n"}, problem: hal.Invalid, says: "after power on"},
		"the same, plain":   {files: map[string]string{plain: "85000\n"}, problem: hal.Invalid, says: "after power on"},
		"close to it":       {files: map[string]string{hwmon: "85062\n"}, want: "85.062 C"},
		"no figure":         {files: map[string]string{hwmon: "\n"}, problem: hal.Invalid, says: "is no number"},
		"driver not loaded": {problem: hal.Missing, says: "w1_therm"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t)
			for _, f := range []string{w1File, w1Dir + "/hwmon", plain} {
				if err := os.RemoveAll(tr.path(f)); err != nil {
					t.Fatal(err)
				}
			}
			for f, text := range tt.files {
				if err := os.MkdirAll(filepath.Dir(tr.path(f)), 0o700); err != nil {
					t.Fatal(err)
				}
				tr.write(t, f, text)
			}
			r, err := open(t, tr.machine(), hal.SensorConfig{Driver: "ds18b20"}).Read(t.Context())
			if tt.problem == "" {
				if err != nil || show(r) != tt.want {
					t.Errorf("read %s, %v; want %s", show(r), err, tt.want)
				}
				return
			}
			if e, ok := errors.AsType[*hal.SensorError](err); !ok || e.Problem != tt.problem || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("read %s, error %v; want %s, with %q in it", show(r), err, tt.problem, tt.says)
			}
		})
	}
}

func TestUnknownDriver(t *testing.T) {
	_, err := Machine{}.OpenSensor(hal.SensorConfig{Name: "cabinet", Driver: "lm35"})
	if err == nil || !strings.Contains(err.Error(), "there are ds18b20, sht3x, aht20, bme280, hwmon, iio, thermal") {
		t.Errorf("error %v does not name the drivers", err)
	}
}

// The kernel numbers chips as it finds them.
func TestRenumbered(t *testing.T) {
	tr := newTree(t)
	sht, bme := open(t, tr.machine(), hal.SensorConfig{Driver: "sht3x"}), open(t, tr.machine(), hal.SensorConfig{Driver: "bme280"})
	for from, to := range map[string]string{
		"sys/class/hwmon/hwmon1":          "sys/class/hwmon/hwmon9",
		"sys/class/hwmon/hwmon0":          "sys/class/hwmon/hwmon1",
		"sys/bus/iio/devices/iio:device0": "sys/bus/iio/devices/iio:device3",
	} {
		if err := os.Rename(tr.path(from), tr.path(to)+".new"); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if t.Failed() {
				t.Logf("%s was renamed to %s", from, to)
			}
		}()
	}
	for _, to := range []string{"sys/class/hwmon/hwmon9", "sys/class/hwmon/hwmon1", "sys/bus/iio/devices/iio:device3"} {
		if err := os.Rename(tr.path(to)+".new", tr.path(to)); err != nil {
			t.Fatal(err)
		}
	}
	for s, want := range map[hal.Sensor]string{sht: "-3.502 C, 12.25 %", bme: "25.080 C, 47.26 %, 100653.3 Pa"} {
		r, err := s.Read(t.Context())
		if err != nil || show(r) != want {
			t.Errorf("read %s, %v; want %s", show(r), err, want)
		}
	}
}

// IIO drivers of newer kernels give raw figures with offset and scale too.
func TestRawIIO(t *testing.T) {
	tr := newTree(t)
	for name, text := range map[string]string{"in_temp_raw": "6600", "in_temp_offset": "-400", "in_temp_scale": "5", "in_humidityrelative_raw": "40000"} {
		tr.write(t, bmeDir+"/"+name, text+"\n")
	}
	for _, name := range []string{"in_temp_input", "in_humidityrelative_input"} {
		if err := os.Remove(tr.path(bmeDir + "/" + name)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := open(t, tr.machine(), hal.SensorConfig{Driver: "iio"}).Read(t.Context())
	if want := "31.000 C, 40.00 %, 100653.3 Pa"; err != nil || show(r) != want {
		t.Errorf("read %s, %v; want %s", show(r), err, want)
	}
}

// A bus that hangs: a named pipe that nobody writes to blocks as its read does.
func TestHungBus(t *testing.T) {
	tr := newTree(t)
	s := open(t, tr.machine(), hal.SensorConfig{Driver: "ds18b20"})
	old, err := os.ReadFile(tr.path(w1File))
	if err != nil {
		t.Fatal(err)
	}
	hang(t, tr)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := s.Read(ctx)
		cancel()
		if e, ok := errors.AsType[*hal.SensorError](err); !ok || e.Problem != hal.Hung || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want one that says hung", err)
		}
	}
	resume(t, tr, old) // what comes late is thrown away
	tr.write(t, w1File, strings.ReplaceAll(string(old), "t=23125", "t=24000"))
	r, err := s.Read(t.Context())
	if want := "24.000 C"; err != nil || show(r) != want {
		t.Errorf("after the bus is back: %s, %v; want %s", show(r), err, want)
	}
}

// hang puts a named pipe in the place of the thermometer's file.
func hang(t *testing.T, tr tree) {
	t.Helper()
	if err := os.Remove(tr.path(w1File)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(tr.path(w1File), 0o600); err != nil {
		t.Fatal(err)
	}
}

// resume answers the read that hangs, and takes the pipe away.
func resume(t *testing.T, tr tree, answer []byte) {
	t.Helper()
	f, err := os.OpenFile(tr.path(w1File), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(tr.path(w1File)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(answer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
}

func TestConformance(t *testing.T) {
	tr := newTree(t)
	for _, f := range []string{w1Dir + "/hwmon", w1Dir + "/temperature"} {
		if err := os.RemoveAll(tr.path(f)); err != nil {
			t.Fatal(err)
		}
	}
	good := func(milli int) []byte {
		return fmt.Appendf(nil, "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=%d\n", milli)
	}
	hung := false
	haltest.RunSensor(t, haltest.SensorBench{
		Open: func(t *testing.T) hal.Sensor { return open(t, tr.machine(), hal.SensorConfig{Driver: "ds18b20"}) },
		Set: func(degrees float64) error {
			return os.WriteFile(tr.path(w1File), good(int(degrees*1000)), 0o600)
		},
		Problems: []string{hal.Missing, hal.Invalid, hal.Hung},
		Break: func(problem string) error {
			if hung {
				resume(t, tr, good(1))
				hung = false
			}
			switch problem {
			case hal.Missing:
				return os.Remove(tr.path(w1File))
			case hal.Hung:
				hang(t, tr)
				hung = true
				return nil
			case hal.Invalid:
				return os.WriteFile(tr.path(w1File), []byte("ff"), 0o600)
			}
			return os.WriteFile(tr.path(w1File), good(20000), 0o600)
		},
	})
}
