package sensors

import (
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"

	"kentongan/hal"
)

// readSHT3x reads Sensirion's SHT30, 31 and 35: hwmon's driver sht3x, or ours
// at i2c-1:0x44 or 0x45.
func readSHT3x(m Machine, c hal.SensorConfig) (hal.Reading, error) {
	return readChip(m, c, hwmonNamed(m, "sht3x"), measureSHT3x)
}

// From Sensirion's SHT3x-DIS datasheet, version 6: a single measurement of high
// repeatability without clock stretching takes 15 ms at most (table 4) and
// answers with two words, each with its check sum (section 4.4).
var measureHigh = []byte{0x24, 0x00}

const measureTime = 16 * time.Millisecond

func measureSHT3x(bus i2c.Bus, addr uint16, c hal.SensorConfig) (hal.Reading, error) {
	if err := bus.Tx(addr, measureHigh, nil); err != nil {
		return hal.Reading{}, err
	}
	time.Sleep(measureTime)
	var raw [6]byte
	if err := bus.Tx(addr, nil, raw[:]); err != nil {
		return hal.Reading{}, err
	}
	r, err := decodeSHT3x(raw)
	if err != nil {
		return hal.Reading{}, &hal.SensorError{Sensor: c, Problem: hal.Invalid, Err: err}
	}
	return plausible(c, r)
}

// decodeSHT3x converts as section 4.13 of the datasheet has it: -45 to 130
// degrees and 0 to 100 per cent over 16 bits.
func decodeSHT3x(raw [6]byte) (hal.Reading, error) {
	for _, word := range [][]byte{raw[0:3], raw[3:6]} {
		if got := crc8(word[:2]); got != word[2] {
			return hal.Reading{}, fmt.Errorf("%w: bytes % x have the check sum %#02x", errNoMeasurement, raw, got)
		}
	}
	t := float64(uint16(raw[0])<<8 | uint16(raw[1]))
	h := float64(uint16(raw[3])<<8 | uint16(raw[4]))
	return hal.Reading{Temperature: celsius(-45 + 175*t/65535), Humidity: percent(100 * h / 65535)}, nil
}

// crc8 is section 4.12: polynomial 0x31, begun with 0xff; 0xbeef gives 0x92.
func crc8(b []byte) (sum byte) {
	sum = 0xff
	for _, v := range b {
		sum ^= v
		for range 8 {
			if sum&0x80 != 0 {
				sum = sum<<1 ^ 0x31
			} else {
				sum <<= 1
			}
		}
	}
	return sum
}
