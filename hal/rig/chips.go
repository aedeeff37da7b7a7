package rig

import (
	"encoding/binary"
	"fmt"
	"math"
)

// lm75 is a thermometer by National Semiconductor (LM75B data sheet, SNIS153): a
// pointer and four registers.
type lm75 struct {
	pointer         byte
	temperature     int16 // in 1/256 of a degree, of which the chip has the upper 9 bits
	hysteresis, top [2]byte
	configuration   byte
}

func (c *lm75) write(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	c.pointer = b[0] & 3
	switch value := b[1:]; {
	case c.pointer == 1 && len(value) == 1:
		c.configuration = value[0]
	case c.pointer == 2 && len(value) == 2:
		copy(c.hysteresis[:], value)
	case c.pointer == 3 && len(value) == 2:
		copy(c.top[:], value)
	}
	return true
}

func (c *lm75) read(n int) ([]byte, bool) {
	switch c.pointer {
	case 0:
		return binary.BigEndian.AppendUint16(nil, uint16(c.temperature)&0xff80), true
	case 1:
		return []byte{c.configuration}, true
	case 2:
		return c.hysteresis[:], true
	}
	return c.top[:], true
}

func (c *lm75) set(what string, v float64) error {
	if what != "temperature" {
		return fmt.Errorf("an LM75 has no %q", what)
	}
	c.temperature = int16(math.Round(v * 256))
	return nil
}

// sht3x is a sensor of temperature and humidity by Sensirion (SHT3x-DIS data
// sheet, version 6): commands of two bytes, and words that each carry a check
// sum.
type sht3x struct {
	temperature, humidity uint16 // raw
	answer                []byte // what a read gets next; none is a NACK
	limits                [4]uint16
	garbled               bool // its check sums are wrong
}

func (c *sht3x) write(b []byte) bool {
	if len(b) < 2 {
		return len(b) == 0 // a probe for the address
	}
	c.answer = nil
	switch command := binary.BigEndian.Uint16(b); command {
	case 0x2400, 0x2c06, 0x240b, 0x2416, 0x2c0d, 0x2c10: // one measurement
		c.words(c.temperature, c.humidity)
	case 0xf32d: // status
		c.words(0)
	case 0xe11f, 0xe114, 0xe109, 0xe102: // limits of the alert
		c.words(c.limits[limitOf(command)])
	case 0x611d, 0x6116, 0x610b, 0x6100:
		if len(b) == 5 {
			c.limits[limitOf(command)] = binary.BigEndian.Uint16(b[2:])
		}
	case 0x3041, 0x3093, 0x30a2, 0x306d, 0x3066: // clear status, break, reset, heater
	default:
		return false
	}
	return true
}

func limitOf(command uint16) int {
	return map[uint16]int{0xe11f: 0, 0x611d: 0, 0xe114: 1, 0x6116: 1, 0xe109: 2, 0x610b: 2, 0xe102: 3, 0x6100: 3}[command]
}

func (c *sht3x) words(all ...uint16) {
	for _, w := range all {
		b := binary.BigEndian.AppendUint16(nil, w)
		sum := sensirionSum(b)
		if c.garbled {
			sum ^= 0xff
		}
		c.answer = append(c.answer, append(b, sum)...)
	}
}

// sensirionSum is the data sheet's section 4.12: the remainder of the bits by
// the polynomial 0x131, begun with 0xff.
func sensirionSum(b []byte) byte {
	rest := uint32(0xff)
	for _, v := range b {
		rest ^= uint32(v)
		for range 8 {
			if rest <<= 1; rest > 0xff {
				rest ^= 0x131
			}
		}
	}
	return byte(rest)
}

func (c *sht3x) read(n int) ([]byte, bool) {
	if c.answer == nil {
		return nil, false
	}
	b := c.answer
	c.answer = nil
	return b, true
}

func (c *sht3x) set(what string, v float64) error {
	switch what {
	case "temperature":
		c.temperature = uint16(math.Round((v + 45) / 175 * 65535))
	case "humidity":
		c.humidity = uint16(math.Round(v / 100 * 65535))
	case "garbled":
		c.garbled = v != 0
	default:
		return fmt.Errorf("an SHT3x has no %q", what)
	}
	return nil
}

// aht20 is a sensor of temperature and humidity by Aosong (AHT20 product manual,
// version 1.0.03): it has to be told to begin after power on, and to measure each
// time; the first read after that finds it busy.
type aht20 struct {
	temperature, humidity uint32 // raw, 20 bits
	begun, busy, measured bool
	garbled               bool // its check sums are wrong
}

func (c *aht20) write(b []byte) bool {
	switch {
	case len(b) == 3 && b[0] == 0xbe:
		c.begun = true
	case len(b) == 3 && b[0] == 0xac:
		c.busy, c.measured = true, c.begun
	default:
		return len(b) == 0
	}
	return true
}

func (c *aht20) read(n int) ([]byte, bool) {
	b := make([]byte, 6, 7)
	b[0] = 0x10
	if c.begun {
		b[0] |= 0x08
	}
	if c.busy {
		b[0] |= 0x80
	}
	if c.measured {
		h, t := c.humidity, c.temperature
		b[1], b[2], b[3], b[4], b[5] = byte(h>>12), byte(h>>4), byte(h<<4)|byte(t>>16), byte(t>>8), byte(t)
	}
	c.busy = c.busy && n < 7 // the status alone is looked at before
	sum := sensirionSum(b)
	if c.garbled {
		sum ^= 0xff
	}
	return append(b, sum)[:min(n, 7)], true
}

func (c *aht20) set(what string, v float64) error {
	switch what {
	case "temperature":
		c.temperature = uint32(math.Round((v + 50) / 200 * (1 << 20)))
	case "humidity":
		c.humidity = uint32(math.Round(v / 100 * (1 << 20)))
	case "garbled":
		c.garbled = v != 0
	case "powerless": // it has lost its calibration
		c.begun, c.measured = false, false
	default:
		return fmt.Errorf("an AHT20 has no %q", what)
	}
	return nil
}

// bme280 is Bosch's sensor (BST-BME280-DS001): 256 registers, read in a row from
// the one that was written last, and written in pairs of register and value.
type bme280 struct {
	registers [256]byte
	pointer   byte
}

func (c *bme280) write(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	c.pointer = b[0]
	for i := 0; i+1 < len(b); i += 2 {
		if r := b[i]; r == 0xf2 || r == 0xf4 || r == 0xf5 { // control and configuration
			c.registers[r] = b[i+1]
		}
	}
	return true
}

func (c *bme280) read(n int) (b []byte, ok bool) {
	for range n {
		b = append(b, c.registers[c.pointer])
		c.pointer++
	}
	return b, true
}

func (c *bme280) set(what string, v float64) error {
	switch what {
	case "raw_temperature": // 20 bits, from register 0xfa
		c.raw(0xfa, uint32(v))
	case "raw_pressure":
		c.raw(0xf7, uint32(v))
	case "id":
		c.registers[0xd0] = byte(v)
	default:
		return fmt.Errorf("a BME280 has no %q", what)
	}
	return nil
}

func (c *bme280) raw(at byte, v uint32) {
	c.registers[at], c.registers[at+1], c.registers[at+2] = byte(v>>12), byte(v>>4), byte(v<<4)
}
