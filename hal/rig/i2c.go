package rig

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"sync"
)

// Bus is an I2C bus with chips on it that are ours: they answer as the data
// sheets have it, register by register, so that the kernel's own drivers talk to
// them. It stands behind a USB adapter of the kind i2c-tiny-usb, whose driver
// Debian's kernels have. Its methods may be called from any goroutine.
type Bus struct {
	mu    sync.Mutex // guards the chips
	chips map[uint16]*onBus
	names map[string]chip
}

// chip is a chip on the bus. Write takes what follows the address, up to the
// next start or stop; false is a NACK.
type chip interface {
	write(b []byte) bool
	read(n int) ([]byte, bool)
	// set changes what it measures, or what is wrong with it.
	set(what string, value float64) error
}

type onBus struct {
	chip
	gone bool
}

// NewBus is a bus with an LM75 (at 0x48), an SHT3x (0x44), an AHT20 (0x38), a BME280 (0x76) with
// these registers, and a DS2482 (0x18), which is a bridge to a 1-Wire bus with a
// DS18B20.
func NewBus(registers [256]byte) *Bus {
	thermometer := newDS18B20()
	b := &Bus{
		chips: map[uint16]*onBus{
			0x48: {chip: &lm75{}},
			0x44: {chip: &sht3x{}},
			0x38: {chip: &aht20{}},
			0x76: {chip: &bme280{registers: registers}},
			0x18: {chip: &ds2482{wire: thermometer}},
		},
		names: map[string]chip{"ds18b20": thermometer},
	}
	for addr, name := range map[uint16]string{0x48: "lm75", 0x44: "sht3x", 0x38: "aht20", 0x76: "bme280", 0x18: "ds2482"} {
		b.names[name] = b.chips[addr]
	}
	return b
}

// Do carries out an order: a chip's name, what is to change, and a figure for
// what has one.
//
//	lm75 temperature 21.5
//	sht3x gone            it does not answer; back ends it
func (b *Bus) Do(order []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(order) < 2 {
		return fmt.Errorf("order %q is too short for a chip", order)
	}
	c := b.names[order[0]]
	if c == nil {
		return fmt.Errorf("no chip %q on the bus", order[0])
	}
	if on, is := c.(*onBus); is && (order[1] == "gone" || order[1] == "back") {
		on.gone = order[1] == "gone"
		return nil
	}
	var v float64
	if len(order) > 2 {
		var err error
		if v, err = strconv.ParseFloat(order[2], 64); err != nil {
			return err
		}
	}
	return c.set(order[1], v)
}

// at is the chip that answers to an address; nil is none.
func (b *Bus) at(addr uint16) chip {
	if c := b.chips[addr]; c != nil && !c.gone {
		return c
	}
	return nil
}

// adapter is i2c-tiny-usb as its kernel driver knows it (drivers/i2c/busses/
// i2c-tiny-usb.c): each message on the bus is a control transfer, its flags the
// value and its address the index; then the driver asks for its fate.
type adapter struct {
	*Bus
	status byte
}

const (
	tinyFunctions = 1
	tinyDelay     = 2
	tinyStatus    = 3
	tinyMessage   = 4 // up to 7: bit 0 begins and bit 1 ends a transaction

	tinyAck, tinyNack = 1, 2

	messageReads = 1          // I2C_M_RD
	canDo        = 0x0eff0009 // I2C_FUNC_I2C and I2C_FUNC_SMBUS_EMUL
)

func (a *adapter) descriptors() (device, configuration []byte) {
	device = []byte{18, 1, 0x10, 0x01, 0xff, 0, 0, 64, 0x03, 0x04, 0x31, 0xc6, 0x05, 0x01, 0, 0, 0, 1}
	configuration = []byte{9, 2, 18, 0, 1, 1, 0, 0x80, 5, 9, 4, 0, 0, 0, 0xff, 0, 0, 0}
	return device, configuration
}

func (a *adapter) control(request uint8, value, index uint16, data []byte, n int) ([]byte, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case request == tinyFunctions:
		return binary.LittleEndian.AppendUint32(nil, canDo), true
	case request == tinyDelay:
		return nil, true
	case request == tinyStatus:
		return []byte{a.status}, true
	case request >= tinyMessage && request <= tinyMessage|3:
		return a.message(value&messageReads != 0, index, data, n), true
	}
	return nil, false
}

func (a *adapter) message(reads bool, addr uint16, data []byte, n int) (answer []byte) {
	c, ok := a.at(addr), false
	switch {
	case c == nil:
	case reads:
		answer, ok = c.read(n)
	default:
		ok = c.write(data)
	}
	a.status = tinyNack
	if ok {
		a.status = tinyAck
	}
	if reads { // the adapter has a byte for each that is asked for
		answer = append(answer, make([]byte, n)...)[:n]
	}
	return answer
}
