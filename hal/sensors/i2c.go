package sensors

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"kentongan/hal"
)

// place is an address of a chip on an I2C bus: i2c-1:0x44.
var placeForm = regexp.MustCompile(`^(i2c-([0-9]{1,3})):0x([0-9a-f]{2})$`)

// onI2C splits an address; ok is false for one that names no I2C bus.
func onI2C(address string) (bus string, addr uint16, device string, ok bool) {
	p := placeForm.FindStringSubmatch(address)
	if p == nil {
		return "", 0, "", false
	}
	n, err := strconv.ParseUint(p[3], 16, 8)
	return p[1], uint16(n), fmt.Sprintf("%s-%04x", p[2], n), err == nil && n >= 0x08 && n <= 0x77
}

// readChip reads a chip from the kernel's driver, if it has one bound to it,
// else with ours. An address without a bus leaves only the kernel's.
func readChip(m Machine, c hal.SensorConfig, kernel func(hal.SensorConfig) (hal.Reading, error),
	ours func(bus i2c.Bus, addr uint16, c hal.SensorConfig) (hal.Reading, error)) (hal.Reading, error) {
	bus, addr, dev, ok := onI2C(c.Address)
	if !ok {
		return kernel(c)
	}
	driver, err := os.Readlink(filepath.Join(m.Sys, "bus/i2c/devices", dev, "driver"))
	if err == nil {
		bound := c
		bound.Address = dev
		r, err := kernel(bound)
		if e, is := errors.AsType[*hal.SensorError](err); is && e.Problem == hal.Missing {
			e.Sensor = c
			e.Detail = "the kernel's driver " + filepath.Base(driver) + " has the chip, and it is another than ours; " + e.Detail
		}
		return r, err
	}
	b, err := openI2C(filepath.Join(m.Dev, bus))
	if err != nil {
		return hal.Reading{}, &hal.SensorError{Sensor: c, Problem: problemOf(err), Detail: "is I2C switched on, and the module i2c-dev loaded?", Err: err}
	}
	defer b.Close()
	if err := b.free(addr); err != nil {
		return hal.Reading{}, &hal.SensorError{Sensor: c, Problem: hal.Busy, Detail: "a kernel driver has the address", Err: err}
	}
	return ours(b, addr, c)
}

func problemOf(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return hal.Missing
	}
	return hal.Refused
}

// i2cBus is a bus of linux/i2c-dev.h, in periph's words.
type i2cBus struct {
	file *os.File
}

var _ i2c.BusCloser = (*i2cBus)(nil)

func openI2C(path string) (*i2cBus, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &i2cBus{f}, nil
}

func (b *i2cBus) String() string { return filepath.Base(b.file.Name()) }
func (b *i2cBus) Close() error   { return b.file.Close() }

// SetSpeed is the board's business.
func (b *i2cBus) SetSpeed(physic.Frequency) error {
	return fmt.Errorf("bus %s: the kernel sets its speed", b)
}

// From linux/i2c-dev.h and linux/i2c.h.
const (
	i2cSlave = 0x0703
	i2cRdwr  = 0x0707
	i2cRead  = 0x0001
)

type i2cMessage struct {
	addr, flags, length uint16
	buf                 *byte
}

type i2cTransfer struct {
	messages *i2cMessage
	count    uint32
}

// free asks whether the kernel would let this program speak to an address.
func (b *i2cBus) free(addr uint16) error {
	return unix.IoctlSetInt(int(b.file.Fd()), i2cSlave, int(addr))
}

// Tx implements i2c.Bus: it writes, then reads without giving up the bus.
func (b *i2cBus) Tx(addr uint16, w, r []byte) error {
	var m [2]i2cMessage
	t := i2cTransfer{messages: &m[0]}
	for _, part := range []struct {
		flags uint16
		buf   []byte
	}{{0, w}, {i2cRead, r}} {
		if len(part.buf) > 0 {
			m[t.count] = i2cMessage{addr, part.flags, uint16(len(part.buf)), &part.buf[0]}
			t.count++
		}
	}
	if err := b.transfer(&t); err != nil {
		return fmt.Errorf("bus %s: address %#x: %w", b, addr, gone(err))
	}
	return nil
}

// transfer takes a pointer up to the system call: as a number it would not follow t
// when the goroutine's stack moves.
func (b *i2cBus) transfer(t *i2cTransfer) error {
	fd := b.file.Fd()
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, fd, i2cRdwr, uintptr(unsafe.Pointer(t)))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return e
		}
	}
}
