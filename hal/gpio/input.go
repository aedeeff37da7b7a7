package gpio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/hal"
)

var noDeadline time.Time

// pin is what inputs and outputs have in common.
type pin struct {
	wire       *wire
	ours       string // the name in our configuration
	board      *Board
	registered bool
	once       sync.Once // of Halt
}

func (p *pin) String() string   { return p.ours + " (" + p.wire.label() + ")" }
func (p *pin) Name() string     { return p.wire.label() }
func (p *pin) Number() int      { return int(p.wire.offset) }
func (p *pin) Function() string { return "" }

// input is an open input line. One goroutine reads its edges.
type input struct {
	pin
	config hal.LineConfig
	edges  chan hal.Edge
	lost   atomic.Uint64
	stop   chan struct{} // closed by Halt
	reader sync.WaitGroup

	mu   sync.Mutex // guards pull
	pull gpio.Pull
}

var _ hal.Input = (*input)(nil)

func newInput(b *Board, w *wire, c hal.LineConfig) *input {
	return &input{
		pin: pin{wire: w, ours: c.Name, board: b}, config: c, pull: c.Bias,
		edges: make(chan hal.Edge), stop: make(chan struct{}),
	}
}

func (i *input) start() {
	i.registered = register(&asInput{i})
	i.reader.Go(func() {
		defer close(i.edges)
		i.read(i.wire.file)
	})
}

// read hands edges on until the line is halted or gone. It holds one edge at
// most, so the kernel's buffer is the one that fills when nobody reads; there
// the oldest edge gives way to the newest, and the numbers tell.
func (i *input) read(r io.Reader) {
	var raw [eventBytes]byte
	var last uint32
	for {
		if _, err := io.ReadFull(r, raw[:]); err != nil {
			return
		}
		e, ok := decodeEvent(raw)
		if !ok {
			continue
		}
		i.lost.Add(uint64(e.seq - last - 1)) // the numbers go round, and so does the difference
		last = e.seq
		select {
		case i.edges <- hal.Edge{Line: i.ours, Active: e.active, At: e.at, Seq: e.seq}:
		case <-i.stop:
			return
		}
	}
}

func (i *input) Edges() <-chan hal.Edge { return i.edges }

// Lost counts the edges that are missing in the numbers of those delivered.
func (i *input) Lost() uint64 { return i.lost.Load() }

// Debounced tells whether the kernel debounces this line.
func (i *input) Debounced() bool { return i.config.Debounce > 0 }

func (i *input) Active() (bool, error) {
	v, err := i.wire.value()
	if err != nil {
		return false, fmt.Errorf("read line %s: %w", i, err)
	}
	return v, nil
}

// In implements gpio.PinIn: it changes the bias and forgets the edges so far.
// All edges are always delivered, whatever edge says.
func (i *input) In(pull gpio.Pull, _ gpio.Edge) error {
	c := i.config
	c.Bias = pull
	if err := i.wire.configure(inputConfig(c)); err != nil {
		return fmt.Errorf("set up line %s: %w", i, err)
	}
	i.mu.Lock()
	i.pull = pull
	i.mu.Unlock()
	for i.WaitForEdge(0) {
	}
	return nil
}

func (i *input) Read() gpio.Level {
	active, _ := i.Active()
	return gpio.Level(active)
}

// WaitForEdge implements gpio.PinIn; it takes the edge out of Edges.
func (i *input) WaitForEdge(timeout time.Duration) bool {
	return hal.WaitForEdge(i.edges, timeout)
}

func (i *input) Pull() gpio.Pull {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.pull
}

func (i *input) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// Halt gives the line back, closes Edges and returns when the reader has ended.
func (i *input) Halt() error {
	var err error
	i.once.Do(func() {
		unregister(i.Name(), i.registered)
		close(i.stop)
		err = i.wire.file.Close()
		i.board.drop(i)
	})
	i.reader.Wait()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
