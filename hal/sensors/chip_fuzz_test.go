package sensors

import (
	"testing"
	"testing/synctest"

	"kentongan/hal"
	"kentongan/hal/haltest"
)

// FuzzBME280: whatever the chip's registers hold, it is a measurement that can be, or
// an error.
func FuzzBME280(f *testing.F) {
	for _, name := range []string{"bme280.regs", "bmp280.regs"} {
		b := haltest.Registers(f, "testdata/"+name)
		f.Add(b[:])
	}
	f.Add(make([]byte, 256))
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) { // a measurement waits
			c := &registers{at: 0x76}
			copy(c.bytes[:], b)
			r, err := measureBME280(c, 0x76, hal.SensorConfig{})
			if err != nil {
				return
			}
			if _, err := plausible(hal.SensorConfig{}, r); err != nil {
				t.Error(err)
			}
		})
	})
}

// FuzzFigure: a figure of sysfs is a number that can be counted with.
func FuzzFigure(f *testing.F) {
	for _, s := range []string{"23125", "-40000", "NaN", "1e309", "0x1p3", "", "Inf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := number(s); err == nil && (v != v || v > 1e12 || v < -1e12) {
			t.Errorf("%q is %v", s, v)
		}
	})
}
