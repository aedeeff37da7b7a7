package rig

import (
	"fmt"
	"math"
)

// ds2482 is a bridge from I2C to 1-Wire (DS2482-100 data sheet, 19-4930): it
// resets the wire and moves bytes, bits and the triplets of a search.
type ds2482 struct {
	wire    *ds18b20
	pointer byte // which register is read
	status  byte
	data    byte
	config  byte
}

// Registers and bits of the status.
const (
	bridgeStatus, bridgeData, bridgeConfig = 0xf0, 0xe1, 0xc3

	bridgePresence = 0x02
	bridgeLevel    = 0x08
	bridgeReset    = 0x10
	bridgeBit      = 0x20
	bridgeSecond   = 0x40
	bridgeTaken    = 0x80
)

func (c *ds2482) write(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	var value byte
	if len(b) > 1 {
		value = b[1]
	}
	if b[0] != 0xe1 {
		c.pointer = bridgeStatus
	}
	one := value&0x80 != 0
	switch b[0] {
	case 0xf0: // reset of the bridge
		c.status, c.config = bridgeLevel|bridgeReset, 0
	case 0xe1:
		c.pointer = value
	case 0xd2:
		c.config, c.pointer = value&0x0f, bridgeConfig
		c.status &^= bridgeReset
	case 0xb4: // reset of the wire
		c.status = bridgeLevel
		if c.wire.reset() {
			c.status |= bridgePresence
		}
	case 0xa5:
		for i := range 8 {
			c.wire.bit(value>>i&1 != 0)
		}
	case 0x96:
		c.data = 0
		for i := range 8 {
			if c.wire.bit(true) {
				c.data |= 1 << i
			}
		}
	case 0x87:
		c.flags(c.wire.bit(one), false, false)
	case 0x78: // two bits of the search, and which way to go
		id, inverse := c.wire.bit(true), c.wire.bit(true)
		way := id
		if !id && !inverse {
			way = one
		}
		c.wire.bit(way)
		c.flags(id, inverse, way)
	default: // the channels of its sister with eight
		return false
	}
	return true
}

func (c *ds2482) flags(bit, second, taken bool) {
	c.status &^= bridgeBit | bridgeSecond | bridgeTaken
	for flag, is := range map[byte]bool{bridgeBit: bit, bridgeSecond: second, bridgeTaken: taken} {
		if is {
			c.status |= flag
		}
	}
}

func (c *ds2482) read(n int) ([]byte, bool) {
	b := map[byte]byte{bridgeStatus: c.status, bridgeData: c.data, bridgeConfig: c.config}[c.pointer]
	return []byte{b}, true
}

func (c *ds2482) set(what string, _ float64) error {
	return fmt.Errorf("a DS2482 has no %q", what)
}

// ds18b20 is a thermometer on the wire (DS18B20 data sheet, 19-7487), the only
// one there. Bits come and go one at a time, the lowest first.
type ds18b20 struct {
	rom         [8]byte
	scratch     [9]byte
	temperature int16 // in 1/16 of a degree
	unplugged   bool
	garbled     bool // a bit falls over on the wire
	powerless   bool // it loses its power while it measures

	expects func(command byte) // takes the next whole byte; nil drops it
	in      byte
	got     int    // bits of in
	out     []bool // that it puts on the wire next
	search  int    // the bit of its number that is asked for; -1 is no search
	asked   int    // of the three steps of that bit
}

const powerOnRaw = 85 * 16 // what its scratchpad holds then, table 1

func newDS18B20() *ds18b20 {
	c := &ds18b20{rom: [8]byte{0x28, 0xff, 0x4b, 0x79, 0xa2, 0x16, 0x03}, search: -1}
	c.rom[7] = dallasSum(c.rom[:7])
	c.hold(powerOnRaw)
	return c
}

// hold puts a temperature into the scratchpad: after it the alarms, the
// resolution (12 bits) and what is reserved.
func (c *ds18b20) hold(t int16) {
	c.scratch = [9]byte{byte(t), byte(t >> 8), 0x4b, 0x46, 0x7f, 0xff, 0x0c, 0x10}
	c.scratch[8] = dallasSum(c.scratch[:8])
}

// dallasSum is application note 27: the polynomial x^8+x^5+x^4+1, bits reversed.
func dallasSum(b []byte) (sum byte) {
	for _, v := range b {
		for i := range 8 {
			last := (sum ^ v>>i) & 1
			sum >>= 1
			if last != 0 {
				sum ^= 0x8c
			}
		}
	}
	return sum
}

func (c *ds18b20) reset() (present bool) {
	c.in, c.got, c.out, c.search, c.asked = 0, 0, nil, -1, 0
	c.expects = c.romCommand
	return !c.unplugged
}

// bit is one time slot: what the master drives and what it sees then.
func (c *ds18b20) bit(master bool) (seen bool) {
	switch {
	case c.unplugged:
		return master
	case c.search >= 0:
		return c.searchStep(master)
	case len(c.out) > 0:
		b := c.out[0]
		c.out = c.out[1:]
		return master && b
	}
	if master {
		c.in |= 1 << c.got
	}
	if c.got++; c.got == 8 {
		command, take := c.in, c.expects
		c.in, c.got, c.expects = 0, 0, nil
		if take != nil {
			take(command)
		}
	}
	return master
}

// searchStep is a bit of its number, the same inverted, and the way that the
// master goes: the chip leaves when it is not its own.
func (c *ds18b20) searchStep(master bool) bool {
	own := c.rom[c.search/8]>>(c.search%8)&1 != 0
	c.asked++
	switch c.asked {
	case 1:
		return own
	case 2:
		return !own
	}
	c.asked = 0
	if c.search++; c.search == 64 || master != own {
		c.search = -1
		c.expects = nil
	}
	return master
}

func (c *ds18b20) romCommand(command byte) {
	switch command {
	case 0xf0:
		c.search = 0
	case 0xcc: // to all
		c.expects = c.function
	case 0x55: // to the one whose number follows
		c.match(0)
	case 0x33:
		c.say(c.rom[:]...)
	}
}

func (c *ds18b20) match(n int) {
	c.expects = func(b byte) {
		switch {
		case b != c.rom[n]:
		case n == 7:
			c.expects = c.function
		default:
			c.match(n + 1)
		}
	}
}

func (c *ds18b20) function(command byte) {
	switch command {
	case 0x44: // measure
		c.hold(c.temperature)
		if c.powerless {
			c.hold(powerOnRaw)
		}
	case 0xbe:
		s := c.scratch
		if c.garbled {
			s[0] ^= 1
		}
		c.say(s[:]...)
	case 0xb4: // has it power of its own? 1 is yes, as an idle wire is
	}
}

func (c *ds18b20) say(bytes ...byte) {
	for _, b := range bytes {
		for i := range 8 {
			c.out = append(c.out, b>>i&1 != 0)
		}
	}
}

func (c *ds18b20) write([]byte) bool       { return false } // it is on no I2C
func (c *ds18b20) read(int) ([]byte, bool) { return nil, false }

func (c *ds18b20) set(what string, v float64) error {
	switch what {
	case "temperature":
		c.temperature = int16(math.Round(v * 16))
	case "unplugged":
		c.unplugged = v != 0
	case "garbled":
		c.garbled = v != 0
	case "powerless":
		c.powerless = v != 0
	default:
		return fmt.Errorf("a DS18B20 has no %q", what)
	}
	return nil
}
