package sensors

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"

	"kentongan/hal"
	"kentongan/hal/haltest"
)

func TestOnI2C(t *testing.T) {
	tests := map[string]struct {
		bus    string
		addr   uint16
		device string
		ok     bool
	}{
		"i2c-1:0x44":  {"i2c-1", 0x44, "1-0044", true},
		"i2c-20:0x76": {"i2c-20", 0x76, "20-0076", true},
		"i2c-1:0x03":  {}, // reserved
		"i2c-1:0x78":  {},
		"i2c-1:68":    {},
		"1-0044":      {},
		"":            {},
	}
	for in, want := range tests {
		bus, addr, device, ok := onI2C(in)
		if ok != want.ok || ok && (bus != want.bus || addr != want.addr || device != want.device) {
			t.Errorf("onI2C(%q) = %s %#x %s %v, want %+v", in, bus, addr, device, ok, want)
		}
	}
}

// The transfer's structures are those of linux/i2c.h on this processor: the
// pointer comes at the next multiple of its size.
func TestTransferLayout(t *testing.T) {
	word := unsafe.Sizeof(uintptr(0))
	if got, want := unsafe.Offsetof(i2cMessage{}.buf), (6+word-1)/word*word; got != want {
		t.Errorf("the buffer is at %d, want %d", got, want)
	}
	if got, want := unsafe.Sizeof(i2cTransfer{}), 2*word; got != want {
		t.Errorf("a transfer has %d bytes, want %d", got, want)
	}
}

func TestNoBus(t *testing.T) {
	b, err := openI2C(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Tx(0x44, []byte{1}, nil); !errors.Is(err, unix.ENOTTY) && !errors.Is(err, unix.ENOSYS) { // ENOSYS is qemu-arm's
		t.Errorf("a transfer on what is no bus gave %v, want %v", err, unix.ENOTTY)
	}
}

// From the data sheet: 0xbeef has the check sum 0x92; 0x6666 is in the middle of
// the range, 25 degrees and 40 per cent.
func TestSHT3x(t *testing.T) {
	if got := crc8([]byte{0xbe, 0xef}); got != 0x92 {
		t.Errorf("check sum %#x, want 0x92", got)
	}
	word := []byte{0x66, 0x66}
	answer := append(append(append([]byte{}, word...), crc8(word)), append(append([]byte{}, word...), crc8(word))...)
	bus := &i2ctest.Playback{Ops: []i2ctest.IO{{Addr: 0x44, W: []byte{0x24, 0x00}}, {Addr: 0x44, R: answer}}}
	r, err := measureSHT3x(bus, 0x44, hal.SensorConfig{})
	if want := "25.000 C, 40.00 %"; err != nil || show(r) != want {
		t.Errorf("read %s, %v; want %s", show(r), err, want)
	}
	if err := bus.Close(); err != nil {
		t.Error(err)
	}
	for i := range answer {
		bad := [6]byte(answer)
		bad[i] ^= 0x10
		if _, err := decodeSHT3x(bad); !errors.Is(err, errNoMeasurement) {
			t.Errorf("a bit of byte %d turned over: error %v", i, err)
		}
	}
}

// What two boards measured: the bytes of a chip on an Orange Pi Zero, with the figures
// that its reader printed (github.com/bilbobg/aht20, README), and those of periph's test
// (periph.io/x/devices/v3/aht20).
func TestAHT20(t *testing.T) {
	start, begin := i2ctest.IO{Addr: 0x38, W: []byte{0xac, 0x33, 0x00}}, i2ctest.IO{Addr: 0x38, W: []byte{0xbe, 0x08, 0x00}}
	says := func(b ...byte) i2ctest.IO { return i2ctest.IO{Addr: 0x38, R: b} }
	board := []byte{0x1c, 0x3b, 0x5e, 0x86, 0x88, 0xb2, 0xd2}
	busy := append([]byte{0x9c}, board[1:]...)
	asleep := append([]byte{0x10}, board[1:6]...)
	asleep = append(asleep, crc8(asleep))
	tests := map[string]struct {
		ops  []i2ctest.IO
		want string // "" is no measurement
		says string
	}{
		"a board":           {[]i2ctest.IO{says(0x1c), start, says(board...)}, "31.675 C, 23.19 %", ""},
		"another":           {[]i2ctest.IO{says(0x18), start, says(0x18, 0x75, 0x52, 0x05, 0x8e, 0x40, 0x7f)}, "19.446 C, 45.83 %", ""},
		"after power on":    {[]i2ctest.IO{says(0x10), begin, start, says(board...)}, "31.675 C, 23.19 %", ""},
		"it takes longer":   {[]i2ctest.IO{says(0x1c), start, says(busy...), says(busy...), says(board...)}, "31.675 C, 23.19 %", ""},
		"a check sum":       {[]i2ctest.IO{says(0x1c), start, says(0x1c, 0x3b, 0x5e, 0x86, 0x88, 0xb3, 0xd2)}, "", "check sum"},
		"shorted to ground": {[]i2ctest.IO{says(0x00), begin, start, says(0, 0, 0, 0, 0, 0, 0)}, "", "check sum"},
		"never calibrated":  {[]i2ctest.IO{says(0x10), begin, start, says(asleep...)}, "", "calibrated"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bus := &i2ctest.Playback{Ops: tt.ops, DontPanic: true}
			r, err := measureAHT20(bus, 0x38, hal.SensorConfig{})
			e, _ := errors.AsType[*hal.SensorError](err)
			switch {
			case tt.want != "" && (err != nil || show(r) != tt.want):
				t.Errorf("read %s, %v; want %s", show(r), err, tt.want)
			case tt.want == "" && (e == nil || e.Problem != hal.Invalid || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("read %s, %v; want that it is invalid, with %q", show(r), err, tt.says)
			}
			if err := bus.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range board {
		bad := [7]byte(board)
		bad[i] ^= 0x10
		if _, err := decodeAHT20(bad); !errors.Is(err, errNoMeasurement) {
			t.Errorf("a bit of byte %d turned over: error %v", i, err)
		}
	}
}

// registers is a chip whose registers are what a dump says, with the pointer
// that goes on by itself.
type registers struct {
	at    uint16
	bytes [256]byte
}

func dump(t testing.TB, name string) *registers {
	t.Helper()
	return &registers{at: 0x76, bytes: haltest.Registers(t, "testdata/"+name)}
}

func (c *registers) String() string                  { return "dump" }
func (c *registers) SetSpeed(physic.Frequency) error { return nil }

func (c *registers) Tx(addr uint16, w, r []byte) error {
	if addr != c.at {
		return gone(unix.EREMOTEIO)
	}
	if len(r) > 0 {
		copy(r, c.bytes[w[0]:])
		return nil
	}
	for ; len(w) > 1; w = w[2:] {
		c.bytes[w[0]] = w[1]
	}
	return nil
}

var _ i2c.Bus = (*registers)(nil)

func TestBME280(t *testing.T) {
	for name, percent := range map[string]float64{"bmp280.regs": 0, "bme280.regs": humidity(30281)} {
		t.Run(name, func(t *testing.T) {
			r, err := measureBME280(dump(t, name), 0x76, hal.SensorConfig{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Humidity != nil {
				if got := float64(*r.Humidity) / float64(physic.PercentRH); math.Abs(got-percent) > 0.02 {
					t.Errorf("humidity %.3f %%, want %.3f", got, percent)
				}
				percent, r.Humidity = 0, nil
			}
			if percent != 0 {
				t.Error("no humidity")
			}
			r.Temperature = celsius(math.Round(r.Temperature.Celsius()*100) / 100)
			if got, want := show(r), "25.080 C, 100653.3 Pa"; got != want { // Bosch's result
				t.Errorf("read %s, want %s", got, want)
			}
		})
	}
}

// TestBME280ThatStaysBusy: one whose status says for ever that it measures was asked
// for ever, and without a pause.
func TestBME280ThatStaysBusy(t *testing.T) {
	c := dump(t, "bme280.regs")
	c.bytes[statusBME280] = 1 << 3
	if r, err := measureBME280(c, 0x76, hal.SensorConfig{}); err == nil || !strings.Contains(err.Error(), "still busy") {
		t.Errorf("read %s, error %v", show(r), err)
	}
}

// humidity is the data sheet's formula in floating point (BST-BME280-DS002,
// section 8.1), which the driver has in whole numbers.
func humidity(raw float64) float64 {
	const fine, h1, h2, h3, h4, h5, h6 = 128422.0, 75.0, 355.0, 0.0, 339.0, 0.0, 30.0
	h := fine - 76800
	h = (raw - (h4*64 + h5/16384*h)) * (h2 / 65536 * (1 + h6/67108864*h*(1+h3/67108864*h)))
	return h * (1 - h1*h/524288)
}

func TestChipIsAnother(t *testing.T) {
	c := dump(t, "bme280.regs")
	c.at = 0x77
	if _, err := measureBME280(c, 0x76, hal.SensorConfig{}); !errors.Is(err, errGone) {
		t.Errorf("nothing at the address: %v", err)
	}
	c.at, c.bytes[0xd0] = 0x76, 0x11
	_, err := measureBME280(c, 0x76, hal.SensorConfig{})
	if e, ok := errors.AsType[*hal.SensorError](err); !ok || e.Problem != hal.Missing || !strings.Contains(e.Detail, "0x11") {
		t.Errorf("a chip of another kind: %v", err)
	}
}

func FuzzW1(f *testing.F) {
	f.Add("72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n")
	f.Add("00 : crc=00 YES\nt=")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseW1(s)
		if err == nil && (v == powerOn || !strings.Contains(s, "YES")) {
			t.Errorf("%q is a measurement of %d", s, v)
		}
	})
}

func FuzzSHT3x(f *testing.F) {
	f.Add([]byte{0x66, 0x66, 0x93, 0x66, 0x66, 0x93})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 6 {
			return
		}
		r, err := decodeSHT3x([6]byte(b))
		if err != nil {
			return
		}
		if _, err := plausible(hal.SensorConfig{}, r); err != nil {
			t.Errorf("bytes % x: %v", b, err)
		}
	})
}

func FuzzAHT20(f *testing.F) {
	f.Add([]byte{0x1c, 0x3b, 0x5e, 0x86, 0x88, 0xb2, 0xd2})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 7 {
			return
		}
		r, err := decodeAHT20([7]byte(b))
		if err != nil {
			return
		}
		if _, err := plausible(hal.SensorConfig{}, r); err != nil {
			t.Errorf("bytes % x: %v", b, err)
		}
	})
}
