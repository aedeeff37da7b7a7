package gpio

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// uapi is what this package assumes of the kernel's interface. Sizes are the
// same on 32 and 64 bits: CI runs this test on both.
var uapi = []struct {
	ioctl, structure string
	number           uint
	size             uintptr
}{
	{"GPIO_GET_CHIPINFO_IOCTL", "gpiochip_info", ioctlChipInfo, unsafe.Sizeof(unix.GPIOChipInfo{})},
	{"GPIO_V2_GET_LINEINFO_IOCTL", "gpio_v2_line_info", ioctlLineInfo, unsafe.Sizeof(unix.GPIOV2LineInfo{})},
	{"GPIO_V2_GET_LINE_IOCTL", "gpio_v2_line_request", ioctlGetLine, unsafe.Sizeof(unix.GPIOV2LineRequest{})},
	{"GPIO_V2_LINE_SET_CONFIG_IOCTL", "gpio_v2_line_config", ioctlSetConfig, unsafe.Sizeof(unix.GPIOV2LineConfig{})},
	{"GPIO_V2_LINE_GET_VALUES_IOCTL", "gpio_v2_line_values", ioctlGetValues, unsafe.Sizeof(unix.GPIOV2LineValues{})},
	{"GPIO_V2_LINE_SET_VALUES_IOCTL", "gpio_v2_line_values", ioctlSetValues, unsafe.Sizeof(unix.GPIOV2LineValues{})},
}

func TestGoldenSizes(t *testing.T) {
	want := map[string]uintptr{
		"gpiochip_info": 68, "gpio_v2_line_info": 256, "gpio_v2_line_request": 592,
		"gpio_v2_line_config": 272, "gpio_v2_line_values": 16,
	}
	for _, u := range uapi {
		if u.size != want[u.structure] {
			t.Errorf("struct %s has %d bytes, want %d", u.structure, u.size, want[u.structure])
		}
		if got := uintptr(u.number >> 16 & 0x3fff); got != u.size {
			t.Errorf("%s carries the size %d, the structure has %d", u.ioctl, got, u.size)
		}
	}
	if s := unsafe.Sizeof(unix.GPIOV2LineEvent{}); s != eventBytes {
		t.Errorf("struct gpio_v2_line_event has %d bytes, want %d", s, eventBytes)
	}
	var e unix.GPIOV2LineEvent
	if id, seq := unsafe.Offsetof(e.Id), unsafe.Offsetof(e.Line_seqno); id != 8 || seq != 20 {
		t.Errorf("id at %d and line_seqno at %d, want 8 and 20", id, seq)
	}
}

// TestKernelHeader reads the numbers and sizes out of the kernel's own header,
// where it is installed; TestGoldenSizes has them from it.
func TestKernelHeader(t *testing.T) {
	raw, err := os.ReadFile("/usr/include/linux/gpio.h")
	if err != nil {
		t.Logf("no header to compare with (package linux-libc-dev): %v", err)
		return
	}
	h := header(raw)
	for _, u := range uapi {
		number, err := h.ioctl(u.ioctl)
		if err != nil {
			t.Error(err)
			continue
		}
		if number != u.number {
			t.Errorf("%s is %#x, the header has %#x", u.ioctl, u.number, number)
		}
	}
	for name, want := range map[string]uint64{
		"GPIO_V2_LINE_FLAG_USED": flagUsed, "GPIO_V2_LINE_FLAG_ACTIVE_LOW": flagActiveLow,
		"GPIO_V2_LINE_FLAG_INPUT": flagInput, "GPIO_V2_LINE_FLAG_OUTPUT": flagOutput,
		"GPIO_V2_LINE_FLAG_EDGE_RISING": flagEdgeRising, "GPIO_V2_LINE_FLAG_EDGE_FALLING": flagEdgeFalling,
		"GPIO_V2_LINE_FLAG_BIAS_PULL_UP": flagBiasPullUp, "GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN": flagBiasPullDown,
		"GPIO_V2_LINE_FLAG_BIAS_DISABLED": flagBiasDisabled,
	} {
		m := regexp.MustCompile(name + `\s*= _BITULL\((\d+)\)`).FindSubmatch(raw)
		if m == nil {
			t.Errorf("the header has no %s", name)
			continue
		}
		if bit, _ := strconv.Atoi(string(m[1])); 1<<bit != want {
			t.Errorf("%s is bit %d, want %#x", name, bit, want)
		}
	}
}

// header is the text of a C header of the kernel's plain kind.
type header string

func (h header) ioctl(name string) (uint, error) {
	m := regexp.MustCompile(name + ` _IO(W?)R\(0xB4, (0x[0-9A-F]+), struct (\w+)\)`).FindStringSubmatch(string(h))
	if m == nil {
		return 0, fmt.Errorf("the header has no %s", name)
	}
	direction := uint(2) // read
	if m[1] != "" {
		direction = 3
	}
	nr, _ := strconv.ParseUint(m[2], 0, 8)
	size, err := h.size("struct " + m[3])
	return direction<<30 | size<<16 | 0xb4<<8 | uint(nr), err
}

var field = regexp.MustCompile(`^\s*((?:struct )?\w+) \w+(?:\[(\w+)\])?;`)

// size adds up the members; a union counts once, with its largest. The kernel
// fills these structures so that a compiler adds nothing.
func (h header) size(kind string) (uint, error) {
	switch kind {
	case "char":
		return 1, nil
	case "__u32", "__s32":
		return 4, nil
	case "__aligned_u64":
		return 8, nil
	}
	_, body, ok := strings.Cut(string(h), "\n"+kind+" {\n")
	if !ok {
		return 0, fmt.Errorf("the header has no %s", kind)
	}
	body, _, _ = strings.Cut(body, "\n};")
	var sum, largest uint
	union := false
	for line := range strings.Lines(body) {
		if strings.Contains(line, "union {") {
			union, largest = true, 0
			continue
		}
		if union && strings.Contains(line, "};") {
			union, sum = false, sum+largest
			continue
		}
		m := field.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		one, err := h.size(m[1])
		if err != nil {
			return 0, err
		}
		n := one * h.count(m[2])
		if union {
			largest = max(largest, n)
		} else {
			sum += n
		}
	}
	return sum, nil
}

func (h header) count(dim string) uint {
	if dim == "" {
		return 1
	}
	if n, err := strconv.Atoi(dim); err == nil {
		return uint(n)
	}
	m := regexp.MustCompile(`#define ` + dim + ` (\d+)`).FindStringSubmatch(string(h))
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return uint(n)
}
