package rig

import (
	"bytes"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
)

// Disk is a disk with a write cache that forgets: what was written and not
// flushed may be gone when the power is cut. It is in memory, outlasts the
// machine, and is served over the network block device protocol to one machine
// at a time. Its methods may be called from any goroutine.
type Disk struct {
	listener net.Listener
	serving  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	now     []byte     // what the machine reads
	safe    []byte     // what a cut leaves for certain
	cache   []cached   // since the last flush, in order
	off     bool
	conn    net.Conn      // nil while there is no machine
	held    chan struct{} // closed when flushes may go on; nil when they may
	flushes int           // since the start
	lost    int           // pages that cuts took
	steps   int           // writes and flushes since the start
	due     int           // writes and flushes until the power is cut; 0 is never
	await   []byte        // what has to be written before they count
	chance  *rand.Rand    // of that cut
	dark    chan struct{} // closed by that cut
	lies    bool          // flushes do nothing
}

type cached struct {
	offset int64
	data   []byte
}

// Page is what a card writes at once: a write is torn at its multiples only.
const Page = 4096

// NewDisk serves image on a unix socket until Close.
func NewDisk(image []byte, socket string) (*Disk, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	d := &Disk{listener: l, now: image, safe: slices.Clone(image), off: true}
	d.serving.Go(d.serve)
	return d, nil
}

// On gives it power: it holds what the last cut left.
func (d *Disk) On() {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.now, d.safe)
	d.cache, d.off = nil, false
}

// Cut takes the power away. Of what was not flushed, it keeps each page by
// chance, as a cache that reorders does.
func (d *Disk) Cut(chance *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.off {
		d.cutLocked(chance)
	}
}

// CutIn cuts the power at the nth write or flush from now, before it is done.
// The channel is closed then.
func (d *Disk) CutIn(n int, chance *rand.Rand) <-chan struct{} { return d.CutAt("", n, chance) }

// CutAt cuts the power at the nth write or flush, before it is done, counted
// from the first write with a text in it, which is number 1.
func (d *Disk) CutAt(text string, n int, chance *rand.Rand) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.await, d.due, d.chance, d.dark = []byte(text), n, chance, make(chan struct{})
	return d.dark
}

// Lie makes a disk of the worst kind, whose flushes do nothing: on it, tests of
// power cuts must fail.
func (d *Disk) Lie() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lies = true
}

func (d *Disk) cutLocked(chance *rand.Rand) {
	d.off = true
	if d.dark != nil {
		close(d.dark)
	}
	d.due, d.dark, d.await = 0, nil, nil
	for _, w := range d.cache {
		for from := 0; from < len(w.data); from += Page {
			if chance.IntN(2) == 0 {
				d.lost++
				continue
			}
			copy(d.safe[w.offset+int64(from):], w.data[from:min(from+Page, len(w.data))])
		}
	}
	d.cache = nil
	if d.conn != nil {
		_ = d.conn.Close()
	}
}

// Hold lets no flush return until release is called.
func (d *Disk) Hold() (release func()) {
	held := make(chan struct{})
	d.mu.Lock()
	d.held = held
	d.mu.Unlock()
	return func() {
		d.mu.Lock()
		d.held = nil
		d.mu.Unlock()
		close(held)
	}
}

// Counts are flushes and pages lost since the start.
func (d *Disk) Counts() (flushes, lost int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flushes, d.lost
}

// Steps are the writes and flushes since the start.
func (d *Disk) Steps() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.steps
}

// Close ends serving.
func (d *Disk) Close() error {
	err := d.listener.Close()
	d.mu.Lock()
	if d.conn != nil {
		_ = d.conn.Close()
	}
	d.mu.Unlock()
	d.serving.Wait()
	return err
}

func (d *Disk) serve() {
	for {
		c, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		d.conn = c
		d.mu.Unlock()
		_ = newSession(d, c).run() // ends when the machine does, or at a cut
		d.mu.Lock()
		d.conn = nil
		d.mu.Unlock()
		_ = c.Close()
	}
}

// do is the disk itself.
func (d *Disk) do(command, flags uint16, offset int64, n int, data []byte) (answer []byte, failed uint32, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for command == cmdFlush && d.held != nil && !d.off {
		held := d.held
		d.mu.Unlock()
		<-held
		d.mu.Lock()
	}
	switch {
	case d.off:
		return nil, 0, errPowerOff
	case command != cmdFlush && (offset < 0 || offset+int64(n) > int64(len(d.now))):
		return nil, errInvalid, nil
	}
	if command != cmdRead {
		d.steps++
		if d.countsLocked(data) {
			d.cutLocked(d.chance)
			return nil, 0, errPowerOff
		}
	}
	switch command {
	case cmdRead:
		return slices.Clone(d.now[offset : offset+int64(n)]), 0, nil
	case cmdWrite:
		copy(d.now[offset:], data)
		d.cache = append(d.cache, cached{offset, data})
		if flags&flagFUA != 0 {
			d.flushLocked()
		}
		return nil, 0, nil
	case cmdFlush:
		d.flushes++
		d.flushLocked()
		return nil, 0, nil
	}
	return nil, errIO, nil
}

// countsLocked counts a write or flush, and tells whether it is the one to cut at.
func (d *Disk) countsLocked(data []byte) bool {
	if d.due == 0 {
		return false
	}
	if len(d.await) > 0 && !bytes.Contains(data, d.await) {
		return false
	}
	d.await = nil
	d.due--
	return d.due == 0
}

func (d *Disk) flushLocked() {
	if d.lies {
		return
	}
	for _, w := range d.cache {
		copy(d.safe[w.offset:], w.data)
	}
	d.cache = nil
}
