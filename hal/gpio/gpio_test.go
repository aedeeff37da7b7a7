package gpio

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"kentongan/hal"
)

// raw makes an event as the kernel writes it.
func raw(at time.Duration, id, seq uint32) []byte {
	b := make([]byte, eventBytes)
	order := binary.NativeEndian
	order.PutUint64(b[0:], uint64(at))
	order.PutUint32(b[8:], id)
	order.PutUint32(b[16:], 999) // of the request: not ours
	order.PutUint32(b[20:], seq)
	return b
}

const (
	rise = unix.GPIO_V2_LINE_EVENT_RISING_EDGE
	fall = unix.GPIO_V2_LINE_EVENT_FALLING_EDGE
)

// piped is an input whose events come from a pipe, through the same wait as
// the kernel's.
func piped(t *testing.T) (*input, *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	r, err := pollable(fds[0], "events")
	if err != nil {
		t.Fatal(err)
	}
	w := os.NewFile(uintptr(fds[1]), "kernel")
	t.Cleanup(func() { _ = w.Close() })
	b := New(Options{})
	in := newInput(b, &wire{chip: "gpiochip9", offset: 3, file: r}, hal.LineConfig{Name: "road", Bias: gpio.PullUp})
	if err := b.add(in, in.start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return in, w
}

func TestEdges(t *testing.T) {
	in, kernel := piped(t)
	for _, b := range [][]byte{raw(5*time.Second, rise, 1), raw(6*time.Second, 77, 2), raw(7*time.Second, fall, 3)} {
		if _, err := kernel.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	want := []hal.Edge{
		{Line: "road", Active: true, At: 5 * time.Second, Seq: 1},
		{Line: "road", Active: false, At: 7 * time.Second, Seq: 3}, // the unknown kind in between counts as lost
	}
	for _, w := range want {
		if got := <-in.Edges(); got != w {
			t.Errorf("edge %+v, want %+v", got, w)
		}
	}
	if in.Lost() != 1 {
		t.Errorf("lost %d, want 1", in.Lost())
	}
}

func TestLost(t *testing.T) {
	tests := map[string]struct {
		seqs []uint32
		want uint64
	}{
		"none":             {[]uint32{1, 2, 3}, 0},
		"the first":        {[]uint32{4, 5}, 3},
		"in the middle":    {[]uint32{1, 10, 11, 20}, 16},
		"numbers go round": {[]uint32{1, math.MaxUint32, 1}, math.MaxUint32 - 2 + 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			in, kernel := piped(t)
			for _, s := range tt.seqs {
				if _, err := kernel.Write(raw(0, rise, s)); err != nil {
					t.Fatal(err)
				}
				<-in.Edges()
			}
			if in.Lost() != tt.want {
				t.Errorf("lost %d, want %d", in.Lost(), tt.want)
			}
		})
	}
}

func TestHaltEndsTheReaderAtOnce(t *testing.T) {
	for name, busy := range map[string]bool{"waiting for the kernel": false, "waiting for a reader": true} {
		t.Run(name, func(t *testing.T) {
			in, kernel := piped(t)
			if busy {
				for n := range uint32(10) {
					if _, err := kernel.Write(raw(0, rise, n+1)); err != nil {
						t.Fatal(err)
					}
				}
			}
			began := time.Now()
			if err := in.Halt(); err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 30*time.Second { // it would wait for ever
				t.Errorf("halt took %v", took)
			}
			if _, ok := <-in.Edges(); ok {
				t.Error("Edges is open after Halt")
			}
			if _, err := in.Active(); err == nil {
				t.Error("Active after Halt gave no error")
			}
		})
	}
}

// When a USB chip is pulled out, the read ends, and so must Edges.
func TestChipGone(t *testing.T) {
	in, kernel := piped(t)
	if err := kernel.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-in.Edges(); ok {
		t.Error("an edge came from a chip that is gone")
	}
}

func TestConfigs(t *testing.T) {
	in := inputConfig(hal.LineConfig{ActiveLow: true, Bias: gpio.PullUp, Debounce: 30 * time.Millisecond})
	if want := uint64(flagInput | flagEdgeRising | flagEdgeFalling | flagActiveLow | flagBiasPullUp); in.Flags != want {
		t.Errorf("flags %#x, want %#x", in.Flags, want)
	}
	if a := in.Attrs[0]; in.Num_attrs != 1 || a.Attr.Id != unix.GPIO_V2_LINE_ATTR_ID_DEBOUNCE || a.Mask != 1 || a.Attr.Flags != inUnion32(30_000) {
		t.Errorf("debounce attribute %+v", a)
	}
	if out := outputConfig(hal.LineConfig{}); out.Flags != flagOutput || out.Attrs[0].Attr.Flags != 0 || out.Num_attrs != 1 {
		t.Errorf("output %+v", out)
	}
}

func TestFind(t *testing.T) {
	soc := &chip{path: "/dev/gpiochip0", name: "gpiochip0", label: "pinctrl", lines: []lineInfo{{name: "GPIO0"}, {name: "GPIO17", consumer: "led0", used: true}, {name: "A"}}}
	usb := &chip{path: "/dev/gpiochip1", name: "gpiochip1", label: "usb", lines: []lineInfo{{name: "A"}, {}, {name: "5"}}}
	both := []*chip{soc, usb}
	tests := map[string]struct {
		chips      []*chip
		chip, line string
		want       string // chip and offset
		problem    string
		detail     []string
	}{
		"by name on any chip":      {both, "", "GPIO17", "gpiochip0 1", "", nil},
		"by chip and name":         {both, "gpiochip1", "A", "gpiochip1 0", "", nil},
		"by label and offset":      {both, "usb", "1", "gpiochip1 1", "", nil},
		"by path and offset":       {both, "/dev/gpiochip1", "1", "gpiochip1 1", "", nil},
		"a name that is a number":  {both, "", "5", "gpiochip1 2", "", nil},
		"name on two chips":        {both, "", "A", "", hal.Refused, []string{"gpiochip0 line 2", "gpiochip1 line 0", "name the chip"}},
		"offset without chip":      {both, "", "1", "", hal.Missing, []string{"a number needs a chip"}},
		"offset beyond the chip":   {both, "usb", "3", "", hal.Missing, []string{"gpiochip1"}},
		"negative offset":          {both, "usb", "-1", "", hal.Missing, nil},
		"empty name":               {both, "", "", "", hal.Missing, nil},
		"no such line":             {both, "pinctrl", "GPIO99", "", hal.Missing, []string{`1 GPIO17 (used by "led0")`}},
		"no such chip":             {both, "i2c", "A", "", hal.Missing, []string{"no such chip", "gpiochip0 [pinctrl]", "gpiochip1 [usb]"}},
		"a machine without a chip": {nil, "", "A", "", hal.Missing, []string{"no GPIO chip"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := find(hal.LineConfig{Name: "road", Chip: tt.chip, Line: tt.line}, tt.chips)
			if err == nil {
				if got := p.chip.name + " " + string(rune('0'+p.offset)); got != tt.want {
					t.Errorf("found %s, want %s", got, tt.want)
				}
				return
			}
			if err.Problem != tt.problem {
				t.Errorf("problem %q, want %q: %v", err.Problem, tt.problem, err)
			}
			for _, d := range tt.detail {
				if !strings.Contains(err.Error(), d) {
					t.Errorf("error does not say %q: %v", d, err)
				}
			}
		})
	}
}

func TestOpenWithoutChip(t *testing.T) {
	dir := t.TempDir()
	b := New(Options{Dir: dir})
	_, err := b.OpenInput(hal.LineConfig{Name: "road", Line: "GPIO17"})
	if e, ok := errors.AsType[*hal.LineError](err); !ok || e.Problem != hal.Missing {
		t.Errorf("error %v, want one that says missing", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "gpiochip0"), nil, 0o600); err != nil { // no device at all
		t.Fatal(err)
	}
	_, err = b.OpenInput(hal.LineConfig{Name: "road", Line: "GPIO17"})
	if e, ok := errors.AsType[*hal.LineError](err); !ok || e.Problem != hal.Refused {
		t.Errorf("error %v, want one that says refused", err)
	}
}

// FuzzEvent: whatever the kernel writes, the reader goes on.
func FuzzEvent(f *testing.F) {
	f.Add(raw(time.Hour, rise, 1))
	f.Add(raw(-1, fall, math.MaxUint32))
	f.Add(raw(0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < eventBytes {
			return
		}
		e, ok := decodeEvent([eventBytes]byte(b[:eventBytes]))
		if e.active && !ok {
			t.Errorf("a rising edge that is not known: %+v", e)
		}
	})
}
