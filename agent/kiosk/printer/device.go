package printer

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// device is an open printer. Nothing that it does lasts longer than its limit.
type device struct{ f *os.File }

const (
	writeLimit  = 5 * time.Second        // of a slip
	answerLimit = 500 * time.Millisecond // of DLE EOT, which a printer answers at once
)

// speeds are those of termios(3) that printers have.
var speeds = map[int]uint32{9600: unix.B9600, 19200: unix.B19200, 38400: unix.B38400, 57600: unix.B57600, 115200: unix.B115200}

// openDevice opens a printer without waiting for it. A serial line is set to
// baud (0 leaves the speed as it is), eight bits, no parity, nothing translated.
func openDevice(path string, baud int) (*device, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := raw(fd, baud); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("set %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if err := f.SetDeadline(time.Time{}); err != nil { // a file on a disk
		_ = f.Close()
		return nil, fmt.Errorf("open %s: it is no device that one can wait for: %w", path, err)
	}
	return &device{f}, nil
}

// raw sets a serial line; what is none is left as it is.
func raw(fd, baud int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil // /dev/usb/lp0
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8 | unix.CLOCAL | unix.CREAD
	if speed, ok := speeds[baud]; ok {
		t.Cflag = t.Cflag&^unix.CBAUD | speed
		t.Ispeed, t.Ospeed = speed, speed
	}
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

func (d *device) close() { _ = d.f.Close() }

func (d *device) write(b []byte, limit time.Duration) error {
	if err := d.f.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	_, err := d.f.Write(b)
	return err
}

// ask asks for all four answers. One that does not come is 0; an error means
// that the printer does not even take the question, or is gone.
func (d *device) ask() (a answers, err error) {
	d.forget()
	for n := byte(askPrinter); n <= askPaper; n++ {
		if err := d.write([]byte{dle, eot, n}, answerLimit); err != nil {
			return a, err
		}
		if a[n] = d.answer(); a[n] == 0 && n == askPrinter {
			return a, nil // silent: it will not answer the others either
		}
	}
	return a, nil
}

// forget reads what came without being asked for.
func (d *device) forget() {
	if d.f.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return
	}
	var buf [256]byte
	for range 16 { // one that talks without end is not waited for
		if _, err := d.f.Read(buf[:]); err != nil {
			return
		}
	}
}

// answer waits for one answer; 0 when none comes in time.
func (d *device) answer() byte {
	if d.f.SetReadDeadline(time.Now().Add(answerLimit)) != nil {
		return 0
	}
	var got []byte
	var buf [64]byte
	for len(got) < 1024 {
		n, err := d.f.Read(buf[:])
		got = append(got, buf[:n]...)
		if b, ok := firstAnswer(got); ok {
			return b
		}
		if err != nil || n == 0 {
			return 0
		}
	}
	return 0
}
