//go:build rigguest

package guest

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/physic"

	"kentongan/hal"
	"kentongan/hal/haltest"
	"kentongan/hal/sensors"
)

// The chips of the rig's I2C bus, by the kernel's names for their drivers.
var onBus = []struct{ driver, addr string }{
	{"lm75", "0x48"}, {"sht3x", "0x44"}, {"bme280", "0x76"}, {"ds2482", "0x18"},
}

// bus finds the I2C bus behind the USB adapter: i2c-0.
func bus(t *testing.T) string {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		names, _ := filepath.Glob("/sys/bus/i2c/devices/i2c-*/name") // the pattern is good
		for _, n := range names {
			if text, err := os.ReadFile(n); err == nil && strings.Contains(string(text), "i2c-tiny-usb") {
				return filepath.Base(filepath.Dir(n))
			}
		}
	}
	t.Fatal("no I2C bus behind the USB adapter")
	return ""
}

// bind gives the chips to the kernel's drivers until the test ends.
func bind(t *testing.T, bus string) {
	t.Helper()
	for _, c := range onBus {
		order := func(file, text string) error {
			return os.WriteFile("/sys/bus/i2c/devices/"+bus+"/"+file, []byte(text), 0)
		}
		if err := order("new_device", c.driver+" "+c.addr); err != nil {
			t.Fatal(err)
		}
		device := "/sys/bus/i2c/devices/" + strings.TrimPrefix(bus, "i2c-") + "-00" + c.addr[2:]
		if _, err := os.Stat(device + "/driver"); err != nil {
			t.Fatalf("the kernel's driver %s did not take its chip: %v", c.driver, err)
		}
		t.Cleanup(func() {
			if err := order("delete_device", c.addr); err != nil {
				t.Error(err)
			}
		})
	}
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(10 * time.Millisecond) { // the kernel searches the wire by itself
		found, _ := filepath.Glob("/sys/bus/w1/devices/28-*/hwmon/hwmon*/temp1_input") // the pattern is good
		if len(found) == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the kernel found no DS18B20 on the wire")
		}
	}
}

func sensor(t *testing.T, driver, address string) hal.Sensor {
	t.Helper()
	s, err := sensors.Machine{}.OpenSensor(hal.SensorConfig{Name: "cabinet", Driver: driver, Address: address})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func change(t *testing.T, orders ...string) {
	t.Helper()
	for _, o := range orders {
		if err := outside("chip %s", o); err != nil {
			t.Fatal(err)
		}
	}
}

// garbledBits bounds how often a sensor is read again. The kernel counts microseconds
// for each bit on the wire of a DS18B20, and a host that does other things as well
// steals them from the emulated machine: an answer may come with a wrong check sum,
// and that is an error like any other here.
const garbledBits = 20

// read reads a sensor until the outcome is the one that is wanted, or once too often.
func read(t *testing.T, s hal.Sensor, wanted func(error) bool) (r hal.Reading, err error) {
	t.Helper()
	for range garbledBits {
		if r, err = s.Read(t.Context()); wanted(err) {
			break
		}
		t.Logf("%s: read again after %v", s, err)
	}
	return r, err
}

func good(err error) bool { return err == nil }

// climate checks a reading; NaN is a figure that the sensor has not.
func climate(t *testing.T, s hal.Sensor, celsius, percent, pascal float64) {
	t.Helper()
	began := time.Now()
	r, err := read(t, s, good)
	if err != nil {
		t.Error(err)
		return
	}
	got := [3]float64{math.NaN(), math.NaN(), math.NaN()}
	if r.Temperature != nil {
		got[0] = r.Temperature.Celsius()
	}
	if r.Humidity != nil {
		got[1] = float64(*r.Humidity) / float64(physic.PercentRH)
	}
	if r.Pressure != nil {
		got[2] = float64(*r.Pressure) / float64(physic.Pascal)
	}
	t.Logf("%s: %.3f C, %.2f %%, %.1f Pa in %v", s, got[0], got[1], got[2], time.Since(began).Round(time.Millisecond))
	for i, want := range []float64{celsius, percent, pascal} {
		most := []float64{0.005, 0.02, 1}[i] // the kernel's formulas are in whole numbers
		if math.IsNaN(want) != math.IsNaN(got[i]) || math.Abs(got[i]-want) > most {
			t.Errorf("%s: figure %d of %v is not %v", s, i, got, want)
		}
	}
}

var none = math.NaN()

// What Bosch's example gives (BST-BMP280-DS001, section 3.12), and the humidity
// of the dump by the formula of BST-BME280-DS002, section 8.1.
const boschCelsius, boschPercent, boschPascal = 25.08, 47.26, 100653.3

// Our own drivers speak to the chips through the kernel's i2c-dev.
func TestOwnDrivers(t *testing.T) {
	bus := bus(t)
	change(t, "sht3x temperature 31.25", "sht3x humidity 78.5")
	sht, bme := sensor(t, "sht3x", bus+":0x44"), sensor(t, "bme280", bus+":0x76")
	climate(t, sht, 31.25, 78.5, none)
	climate(t, bme, boschCelsius, boschPercent, boschPascal)

	change(t, "aht20 temperature 33.875", "aht20 humidity 71.25")
	aht := sensor(t, "aht20", bus+":0x38")
	climate(t, aht, 33.875, 71.25, none)
	change(t, "aht20 powerless 1")
	climate(t, aht, 33.875, 71.25, none)
	change(t, "aht20 garbled 1")
	fails(t, aht, hal.Invalid, "check sum")
	change(t, "aht20 garbled 0", "aht20 gone")
	fails(t, aht, hal.Missing, "0x38")
	change(t, "aht20 back")

	change(t, "sht3x garbled 1")
	fails(t, sht, hal.Invalid, "check sum")
	change(t, "sht3x garbled 0", "sht3x gone")
	fails(t, sht, hal.Missing, "0x44")
	change(t, "sht3x back")
	climate(t, sht, 31.25, 78.5, none)
	fails(t, sensor(t, "bme280", bus+":0x77"), hal.Missing, "0x77")
	change(t, "bme280 id 85")
	fails(t, bme, hal.Missing, "0x55")
	change(t, "bme280 id 96")
}

// The kernel's drivers have the chips, and we read what they say.
func TestKernelDrivers(t *testing.T) {
	bus := bus(t)
	number := strings.TrimPrefix(bus, "i2c-")
	change(t, "lm75 temperature 41.5", "sht3x temperature -3.5", "sht3x humidity 12.25", "ds18b20 temperature 23.125")
	bind(t, bus)
	if *capture {
		captureTrees(t)
	}
	for _, tt := range []struct {
		driver, address          string
		celsius, percent, pascal float64
	}{
		{"hwmon", "lm75", 41.5, none, none},
		{"hwmon", number + "-0048", 41.5, none, none},
		{"sht3x", "", -3.5, 12.25, none},
		{"sht3x", bus + ":0x44", -3.5, 12.25, none},
		{"hwmon", "sht3x", -3.5, 12.25, none},
		{"bme280", "", boschCelsius, boschPercent, boschPascal},
		{"bme280", bus + ":0x76", boschCelsius, boschPercent, boschPascal},
		{"iio", "bme280", boschCelsius, boschPercent, boschPascal},
		{"ds18b20", "", 23.125, none, none},
		{"hwmon", "w1_slave_temp", 23.125, none, none},
	} {
		climate(t, sensor(t, tt.driver, tt.address), tt.celsius, tt.percent, tt.pascal)
	}
	fails(t, sensor(t, "bme280", bus+":0x44"), hal.Missing, "the kernel's driver sht3x has the chip")
	fails(t, sensor(t, "hwmon", "ina219"), hal.Missing, "lm75 ("+number+"-0048)")
	fails(t, sensor(t, "hwmon", ""), hal.Refused, "write its address")
}

// What goes wrong on the wires comes through the kernel's drivers as what it is.
func TestKernelDriversTellWhatIsWrong(t *testing.T) {
	bind(t, bus(t))
	ds, w1 := sensor(t, "ds18b20", ""), sensor(t, "hwmon", "w1_slave_temp")
	for _, tt := range []struct {
		order, over string
		s           hal.Sensor
		problem     string
		says        string
	}{
		{"lm75 gone", "lm75 back", sensor(t, "hwmon", "lm75"), hal.Missing, "does not answer"},
		{"sht3x gone", "sht3x back", sensor(t, "sht3x", ""), hal.Missing, "does not answer"},
		{"bme280 gone", "bme280 back", sensor(t, "bme280", ""), hal.Missing, "does not answer"},
		{"ds18b20 garbled 1", "ds18b20 garbled 0", ds, hal.Invalid, "check sum"},
		{"ds18b20 garbled 1", "ds18b20 garbled 0", w1, hal.Invalid, "no measurement"},
		{"ds18b20 unplugged 1", "ds18b20 unplugged 0", ds, hal.Invalid, "no answer"},
		{"ds18b20 powerless 1", "ds18b20 powerless 0", ds, hal.Invalid, "after power on"},
		{"ds18b20 powerless 1", "ds18b20 powerless 0", w1, hal.Invalid, "after power on"},
	} {
		t.Run(tt.order, func(t *testing.T) {
			change(t, tt.order)
			fails(t, tt.s, tt.problem, tt.says)
			change(t, tt.over)
			if _, err := read(t, tt.s, good); err != nil {
				t.Errorf("after %s: %v", tt.over, err)
			}
		})
	}
}

func fails(t *testing.T, s hal.Sensor, problem, says string) {
	t.Helper()
	wanted := func(err error) bool {
		e, ok := errors.AsType[*hal.SensorError](err)
		return ok && e.Problem == problem && strings.Contains(e.Error(), says)
	}
	_, err := read(t, s, wanted)
	t.Log(err)
	if !wanted(err) {
		t.Errorf("%s: error %q, want %s, with %q in it", s, err, problem, says)
	}
}

// The kernel's sht3x passes what every driver has to.
func TestSensorConformance(t *testing.T) {
	bind(t, bus(t))
	haltest.RunSensor(t, haltest.SensorBench{
		Open: func(t *testing.T) hal.Sensor { return sensor(t, "sht3x", "") },
		Set:  func(degrees float64) error { return outside("chip sht3x temperature %g", degrees) },
		Break: func(problem string) error {
			if problem == hal.Missing {
				return outside("chip sht3x gone")
			}
			return outside("chip sht3x back")
		},
		Problems: []string{hal.Missing}, // the kernel's driver looks at no check sum
	})
}

// captureTrees prints what the kernel shows of the chips, for
// hal/sensors/testdata.
func captureTrees(t *testing.T) {
	seen := map[string]bool{}
	for _, class := range []string{"class/hwmon", "bus/iio/devices", "bus/w1/devices", "bus/i2c/devices"} {
		links, _ := filepath.Glob("/sys/" + class + "/*") // the pattern is good
		for _, l := range links {
			captureLink(l)
			dir, err := filepath.EvalSymlinks(l)
			if err != nil {
				t.Fatal(err)
			}
			captureTree(dir, seen)
		}
	}
}

func captureLink(path string) {
	if to, err := os.Readlink(path); err == nil {
		fmt.Printf("\nCAPTURE %s %q\n", path, "link: "+to+"\n")
	}
}

func captureTree(dir string, seen map[string]bool) {
	entries, _ := os.ReadDir(dir) // what can't be read is left out
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case seen[path] || slices.Contains([]string{"power", "i2c-dev", "uevent", "modalias", "id", "w1_master_pointer"}, e.Name()):
		case e.Name() == "device", e.Name() == "driver":
			captureLink(path)
		case e.IsDir():
			captureTree(path, seen)
		case e.Type().IsRegular():
			if text, err := os.ReadFile(path); err == nil {
				fmt.Printf("\nCAPTURE %s %q\n", path, text)
			}
		}
		seen[path] = true
	}
}
