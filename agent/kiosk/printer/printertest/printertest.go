// Package printertest plays an ESC/POS printer on a pseudo terminal: it takes
// what is printed, and answers DLE EOT as a printer in the state that a test or
// the demo has put it into.
package printertest

import (
	"bytes"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Printer is a printer that a PC plays. Its methods may be called from any
// goroutine.
type Printer struct {
	Path string // of the device

	master *os.File
	keep   *os.File // the device, so that a reader who leaves does not end it
	done   chan struct{}

	mu       sync.Mutex // guards what follows
	got      []byte
	answers  [5]byte // to DLE EOT 1 to 4; 0 is none
	jams     bool    // takes nothing
	unjammed *sync.Cond
	slips    [][]byte
}

// Answers of DLE EOT.
const (
	Fine      = 0x12
	NoPaper   = 0x72 // of 4
	PaperLow  = 0x1e // of 4
	CoverOpen = 0x16 // of 2
	IsOffline = 0x1a // of 1
	CutterErr = 0x1a // of 3
)

// Open makes a printer with paper.
func Open() (*Printer, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a pseudo terminal: %w", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("unlock the pseudo terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("number of the pseudo terminal: %w", err)
	}
	p := &Printer{Path: fmt.Sprintf("/dev/pts/%d", n), master: os.NewFile(uintptr(fd), "/dev/ptmx"), done: make(chan struct{})}
	p.unjammed = sync.NewCond(&p.mu)
	p.answers = [5]byte{0, Fine, Fine, Fine, Fine}
	if p.keep, err = os.OpenFile(p.Path, os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		_ = p.master.Close()
		return nil, fmt.Errorf("open %s: %w", p.Path, err)
	}
	t, err := unix.IoctlGetTermios(int(p.keep.Fd()), unix.TCGETS)
	if err == nil { // no echo of our own answers before the agent has set the line
		t.Lflag &^= unix.ECHO | unix.ICANON
		err = unix.IoctlSetTermios(int(p.keep.Fd()), unix.TCSETS, t)
	}
	if err != nil {
		_ = p.keep.Close()
		_ = p.master.Close()
		return nil, fmt.Errorf("set %s: %w", p.Path, err)
	}
	go p.run()
	return p, nil
}

// Close pulls the printer out.
func (p *Printer) Close() {
	p.Jam(false)
	_ = p.keep.Close()
	_ = p.master.Close()
	<-p.done
}

// Answer sets the answer to DLE EOT n, 1 to 4; 0 is none.
func (p *Printer) Answer(n int, b byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[n] = b
}

// Paper takes the paper out or puts it in.
func (p *Printer) Paper(there bool) {
	if there {
		p.Answer(4, Fine)
	} else {
		p.Answer(4, NoPaper)
	}
}

// Jam makes it take nothing any more, or go on.
func (p *Printer) Jam(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jams = on
	p.unjammed.Broadcast()
}

// Slips returns what was printed, up to each cut.
func (p *Printer) Slips() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([][]byte(nil), p.slips...)
}

func (p *Printer) run() {
	defer close(p.done)
	buf := make([]byte, 512)
	for {
		p.mu.Lock()
		for p.jams {
			p.unjammed.Wait()
		}
		p.mu.Unlock()
		n, err := p.master.Read(buf)
		if err != nil {
			return
		}
		p.take(buf[:n])
	}
}

// cutMark ends a slip: GS V 66 0.
var cutMark = []byte{0x1d, 'V', 66, 0}

// take sorts what came in: questions are answered, the rest is printed.
func (p *Printer) take(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, b...)
	for {
		ask := bytes.Index(p.got, []byte{0x10, 0x04})
		cut := bytes.Index(p.got, cutMark)
		switch {
		case cut >= 0 && (ask < 0 || cut < ask):
			end := cut + len(cutMark)
			if p.answers[4] != NoPaper {
				p.slips = append(p.slips, bytes.Clone(p.got[:end]))
			}
			p.got = p.got[end:]
		case ask >= 0 && len(p.got) > ask+2:
			n := p.got[ask+2]
			p.got = append(p.got[:ask:ask], p.got[ask+3:]...)
			if int(n) < len(p.answers) && p.answers[n] != 0 {
				_, _ = p.master.Write([]byte{p.answers[n]})
			}
		default:
			return
		}
	}
}
