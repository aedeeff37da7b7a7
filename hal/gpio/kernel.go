package gpio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"kentongan/hal"
)

// From linux/gpio.h, where x/sys/unix does not have it. The structures are laid
// out alike on 32 and 64 bits; uapi_test.go holds them against the header.
const (
	flagUsed         = 1 << 0
	flagActiveLow    = 1 << 1
	flagInput        = 1 << 2
	flagOutput       = 1 << 3
	flagEdgeRising   = 1 << 4
	flagEdgeFalling  = 1 << 5
	flagBiasPullUp   = 1 << 8
	flagBiasPullDown = 1 << 9
	flagBiasDisabled = 1 << 10

	ioctlChipInfo  = unix.GPIO_GET_CHIPINFO_IOCTL
	ioctlLineInfo  = unix.GPIO_V2_GET_LINEINFO_IOCTL
	ioctlGetLine   = unix.GPIO_V2_GET_LINE_IOCTL
	ioctlSetConfig = 0xc110b40d
	ioctlGetValues = unix.GPIO_V2_LINE_GET_VALUES_IOCTL
	ioctlSetValues = unix.GPIO_V2_LINE_SET_VALUES_IOCTL

	eventBytes = 48
)

// inputConfig asks for both edges, stamped with CLOCK_MONOTONIC (the default).
func inputConfig(c hal.LineConfig) unix.GPIOV2LineConfig {
	k := unix.GPIOV2LineConfig{Flags: flagInput | flagEdgeRising | flagEdgeFalling | polarity(c) | bias(c.Bias)}
	if c.Debounce > 0 {
		k.Num_attrs = 1
		k.Attrs[0].Mask = 1
		k.Attrs[0].Attr.Id = unix.GPIO_V2_LINE_ATTR_ID_DEBOUNCE
		k.Attrs[0].Attr.Flags = inUnion32(uint32(c.Debounce / time.Microsecond))
	}
	return k
}

// outputConfig gives the value with the direction, so that there is no glitch.
func outputConfig(c hal.LineConfig) unix.GPIOV2LineConfig {
	k := unix.GPIOV2LineConfig{Flags: flagOutput | polarity(c) | bias(c.Bias), Num_attrs: 1}
	k.Attrs[0].Mask = 1
	k.Attrs[0].Attr.Id = unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES
	return k
}

func polarity(c hal.LineConfig) uint64 {
	if c.ActiveLow {
		return flagActiveLow
	}
	return 0
}

func bias(p gpio.Pull) uint64 {
	switch p {
	case gpio.PullUp:
		return flagBiasPullUp
	case gpio.PullDown:
		return flagBiasPullDown
	case gpio.Float:
		return flagBiasDisabled
	}
	return 0
}

// inUnion32 puts a u32 of a C union where the kernel looks for it, on either
// byte order.
func inUnion32(v uint32) (u uint64) {
	*(*uint32)(unsafe.Pointer(&u)) = v
	return u
}

// wire is one requested line.
type wire struct {
	chip   string // name: gpiochip0
	name   string // the kernel's; "" if it gave none
	offset uint32
	file   *os.File
}

// label is the kernel's name of the line, or chip and offset.
func (w *wire) label() string { return label(w.chip, w.offset, w.name) }

func label(chip string, offset uint32, name string) string {
	if name != "" {
		return name
	}
	return fmt.Sprintf("%s-%d", chip, offset)
}

func (w *wire) value() (bool, error) {
	v := unix.GPIOV2LineValues{Mask: 1}
	err := w.control(ioctlGetValues, unsafe.Pointer(&v))
	return v.Bits&1 == 1, err
}

func (w *wire) setValue(on bool) error {
	v := unix.GPIOV2LineValues{Mask: 1}
	if on {
		v.Bits = 1
	}
	return w.control(ioctlSetValues, unsafe.Pointer(&v))
}

func (w *wire) configure(c unix.GPIOV2LineConfig) error {
	return w.control(ioctlSetConfig, unsafe.Pointer(&c))
}

// control is safe beside a Close: the file descriptor is held while it is used.
func (w *wire) control(req uint, arg unsafe.Pointer) error {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = ioctl(int(fd), req, arg) }); err != nil {
		return err
	}
	return failed
}

func ioctl(fd int, req uint, arg unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(arg))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return e
		}
	}
}

// event is one edge as the kernel tells it.
type event struct {
	at     time.Duration // CLOCK_MONOTONIC
	active bool
	seq    uint32 // of the line, from 1
}

// decodeEvent reads a struct gpio_v2_line_event; ok is false for a kind of
// event that this program does not know.
func decodeEvent(b [eventBytes]byte) (e event, ok bool) {
	order := binary.NativeEndian
	id := order.Uint32(b[8:])
	e.at = time.Duration(order.Uint64(b[0:]))
	e.active = id == unix.GPIO_V2_LINE_EVENT_RISING_EDGE
	e.seq = order.Uint32(b[20:])
	return e, e.active || id == unix.GPIO_V2_LINE_EVENT_FALLING_EDGE
}

func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}
