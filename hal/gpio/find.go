package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"kentongan/hal"
	"kentongan/hal/leds"
)

// maxListed is how many lines of a chip an error names.
const maxListed = 64

// chip is an open chip device and what the kernel says of it.
type chip struct {
	path  string
	name  string
	label string
	lines []lineInfo
	file  *os.File
}

type lineInfo struct {
	name     string
	consumer string
	used     bool
}

func openChip(path string) (*chip, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &chip{path: path, file: f}
	if err := c.read(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("read chip %s: %w", path, err)
	}
	return c, nil
}

func (c *chip) read() error {
	var ci unix.GPIOChipInfo
	fd := int(c.file.Fd())
	if err := ioctl(fd, ioctlChipInfo, unsafe.Pointer(&ci)); err != nil {
		return err
	}
	c.name, c.label = cString(ci.Name[:]), cString(ci.Label[:])
	for i := range ci.Lines {
		li := unix.GPIOV2LineInfo{Offset: i}
		if err := ioctl(fd, ioctlLineInfo, unsafe.Pointer(&li)); err != nil {
			return fmt.Errorf("line %d: %w", i, err)
		}
		c.lines = append(c.lines, lineInfo{cString(li.Name[:]), cString(li.Consumer[:]), li.Flags&flagUsed != 0})
	}
	return nil
}

// chips opens all chips of the machine, in the order of their names. The error
// tells of those that could not be opened.
func (b *Board) chips() (all []*chip, err error) {
	paths, _ := filepath.Glob(filepath.Join(b.dir, "gpiochip*")) // the pattern is good
	var errs []error
	for _, p := range paths {
		if st, err := os.Lstat(p); err != nil || st.Mode()&fs.ModeSymlink != 0 {
			continue // a link for old programs: its target is listed too
		}
		c, err := openChip(p)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, c)
	}
	return all, errors.Join(errs...)
}

func closeChips(all []*chip) {
	for _, c := range all {
		_ = c.file.Close()
	}
}

// is tells whether a name from the configuration means this chip.
func (c *chip) is(name string) bool {
	if name == "" || name == c.name || name == c.label || name == c.path {
		return true
	}
	target, err := filepath.EvalSymlinks(name)
	return err == nil && filepath.IsAbs(name) && target == c.path
}

// place is a line that was found.
type place struct {
	chip   *chip
	offset uint32
}

// find looks for a line among the chips.
func find(c hal.LineConfig, chips []*chip) (place, *hal.LineError) {
	wanted := slices.DeleteFunc(slices.Clone(chips), func(k *chip) bool { return !k.is(c.Chip) })
	switch {
	case len(chips) == 0:
		return place{}, &hal.LineError{Line: c, Problem: hal.Missing, Detail: hal.NoChip}
	case len(wanted) == 0:
		return place{}, &hal.LineError{Line: c, Problem: hal.Missing, Detail: "no such chip; there is " + describe(chips)}
	}
	var found []place
	for _, k := range wanted {
		for i, l := range k.lines {
			if l.name == c.Line && c.Line != "" {
				found = append(found, place{k, uint32(i)})
			}
		}
	}
	n, err := strconv.ParseUint(c.Line, 10, 32)
	if len(found) == 0 && err == nil && len(wanted) == 1 && c.Chip != "" && n < uint64(len(wanted[0].lines)) {
		found = append(found, place{wanted[0], uint32(n)})
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		hint := ""
		if err == nil && (c.Chip == "" || len(wanted) > 1) {
			hint = "a number needs a chip beside it; "
		}
		return place{}, &hal.LineError{Line: c, Problem: hal.Missing, Detail: hint + "there is " + describe(wanted)}
	}
	var at []string
	for _, p := range found {
		at = append(at, fmt.Sprintf("%s line %d", p.chip.name, p.offset))
	}
	return place{}, &hal.LineError{Line: c, Problem: hal.Refused, Detail: "several lines have that name: " + strings.Join(at, ", ") + "; name the chip"}
}

// describe names chips, their lines and who uses them.
func describe(chips []*chip) string {
	var all []string
	for _, c := range chips {
		var lines []string
		for i, l := range c.lines {
			if i == maxListed {
				lines = append(lines, fmt.Sprintf("and %d more", len(c.lines)-i))
				break
			}
			s := strconv.Itoa(i)
			if l.name != "" {
				s += " " + l.name
			}
			if l.used {
				s += fmt.Sprintf(" (used by %q)", l.consumer)
			}
			lines = append(lines, s)
		}
		all = append(all, fmt.Sprintf("chip %s [%s] with lines %s", c.name, c.label, strings.Join(lines, ", ")))
	}
	return strings.Join(all, "; ")
}

// request finds the line and takes it. All errors are *hal.LineError.
func (b *Board) request(c hal.LineConfig, k unix.GPIOV2LineConfig) (*wire, error) {
	chips, unreadable := b.chips()
	defer closeChips(chips)
	p, problem := find(c, chips)
	if problem != nil {
		if unreadable != nil {
			problem.Problem, problem.Err = hal.Refused, explain(unreadable)
		}
		return nil, problem
	}
	w, err := b.take(p, c, k)
	if err == nil {
		return w, nil
	}
	e := &hal.LineError{Line: c, Problem: hal.Refused, Detail: describe([]*chip{p.chip}), Err: fmt.Errorf("request %s line %d: %w", p.chip.name, p.offset, err)}
	if errors.Is(err, unix.EBUSY) {
		e.Problem, e.Err = hal.Busy, nil
		who := p.chip.lines[p.offset].consumer
		e.Detail = fmt.Sprintf("%s line %d is used by %q; %s", p.chip.name, p.offset, who, e.Detail)
	}
	return nil, e
}

func explain(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; add the user to the group that owns the device, or run as root", err)
	}
	return err
}

func (b *Board) take(p place, c hal.LineConfig, k unix.GPIOV2LineConfig) (*wire, error) {
	r := unix.GPIOV2LineRequest{Num_lines: 1, Config: k}
	if k.Flags&flagInput != 0 {
		r.Event_buffer_size = Buffer
	}
	r.Offsets[0] = p.offset
	copy(r.Consumer[:len(r.Consumer)-1], b.consumer+" "+c.Name)
	if err := ioctl(int(p.chip.file.Fd()), ioctlGetLine, unsafe.Pointer(&r)); err != nil {
		return nil, err
	}
	w := &wire{chip: p.chip.name, name: p.chip.lines[p.offset].name, offset: p.offset}
	var err error
	w.file, err = pollable(int(r.Fd), p.chip.name+":"+c.Line)
	return w, err
}

// pollable makes a file whose reads end at once when it is closed: the runtime
// waits for it with epoll, and no thread is held. It takes the descriptor over.
func pollable(fd int, name string) (*os.File, error) {
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.SetReadDeadline(noDeadline); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("wait for %s: %w", name, err)
	}
	return f, nil
}

// Look finds a line without taking it, and says who uses it: "" is nobody. An
// LED can't be taken, so nobody ever uses one. All errors are *hal.LineError.
func (b *Board) Look(c hal.LineConfig) (consumer string, err error) {
	if c.LED != "" {
		return "", leds.Look(b.sys, c)
	}
	chips, unreadable := b.chips()
	defer closeChips(chips)
	p, problem := find(c, chips)
	if problem != nil {
		if unreadable != nil {
			problem.Problem, problem.Err = hal.Refused, explain(unreadable)
		}
		return "", problem
	}
	l := p.chip.lines[p.offset]
	if l.used && l.consumer == "" {
		return "?", nil // the kernel itself
	}
	return l.consumer, nil
}
