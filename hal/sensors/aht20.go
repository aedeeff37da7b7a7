package sensors

import (
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"

	"kentongan/hal"
)

// readAHT20 reads Aosong's AHT20: hwmon's driver aht10, which knows the chip by this
// name since Linux 6.5, or ours at i2c-1:0x38, its only address.
func readAHT20(m Machine, c hal.SensorConfig) (hal.Reading, error) {
	return readChip(m, c, hwmonNamed(m, "aht20"), measureAHT20)
}

// From Aosong's AHT20 product manual, version 1.0.03, sections 5.3 and 5.4: a read gives
// the status first; without its calibration bit the chip wants to be told to begin,
// for which it takes 10 ms; a measurement takes 80 ms, and for as long as it goes on
// the status says busy.
var (
	beginAHT20 = []byte{0xbe, 0x08, 0x00}
	startAHT20 = []byte{0xac, 0x33, 0x00}
)

const (
	beginTimeAHT20   = 10 * time.Millisecond
	measureTimeAHT20 = 80 * time.Millisecond
	busyAHT20        = 0x80
	calibratedAHT20  = 0x08
)

// looksAHT20 is how often a measurement is looked for: a chip that is busy for
// half a second does not measure.
const looksAHT20 = 6

func measureAHT20(bus i2c.Bus, addr uint16, c hal.SensorConfig) (hal.Reading, error) {
	var raw [7]byte
	if err := bus.Tx(addr, nil, raw[:1]); err != nil {
		return hal.Reading{}, err
	}
	if raw[0]&calibratedAHT20 == 0 {
		if err := bus.Tx(addr, beginAHT20, nil); err != nil {
			return hal.Reading{}, err
		}
		time.Sleep(beginTimeAHT20)
	}
	if err := bus.Tx(addr, startAHT20, nil); err != nil {
		return hal.Reading{}, err
	}
	for range looksAHT20 {
		time.Sleep(measureTimeAHT20)
		if err := bus.Tx(addr, nil, raw[:]); err != nil {
			return hal.Reading{}, err
		}
		if raw[0]&busyAHT20 == 0 {
			break
		}
	}
	r, err := decodeAHT20(raw)
	if err != nil {
		return hal.Reading{}, &hal.SensorError{Sensor: c, Problem: hal.Invalid, Err: err}
	}
	return plausible(c, r)
}

// decodeAHT20 converts as section 6 has it: 20 bits of humidity, 0 to 100 per cent,
// then 20 of temperature, -50 to 150 degrees. The check sum is that of an SHT3x.
func decodeAHT20(raw [7]byte) (hal.Reading, error) {
	switch got := crc8(raw[:6]); {
	case got != raw[6]:
		return hal.Reading{}, fmt.Errorf("%w: bytes % x have the check sum %#02x", errNoMeasurement, raw, got)
	case raw[0]&busyAHT20 != 0:
		return hal.Reading{}, fmt.Errorf("%w: the chip is still busy", errNoMeasurement)
	case raw[0]&calibratedAHT20 == 0:
		return hal.Reading{}, fmt.Errorf("%w: the chip does not become calibrated", errNoMeasurement)
	}
	h := float64(uint32(raw[1])<<12 | uint32(raw[2])<<4 | uint32(raw[3])>>4)
	t := float64(uint32(raw[3]&0x0f)<<16 | uint32(raw[4])<<8 | uint32(raw[5]))
	const full = 1 << 20
	return hal.Reading{Temperature: celsius(-50 + 200*t/full), Humidity: percent(100 * h / full)}, nil
}
