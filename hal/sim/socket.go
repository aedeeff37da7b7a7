package sim

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// The control socket speaks JSON Lines: a request a line, an answer a line.
//
//	{"op":"set","line":"GPIO17","active":true}
//	{"op":"pulse","line":"GPIO17","ms":80}
//	{"op":"get","line":"GPIO22"}
//	{"op":"lines"}                                     LEDs stand there as led:ACT
//	{"op":"sensor","sensor":"cabinet","temperature_c":71.5,"humidity_percent":90}
//	{"op":"sensor","sensor":"cabinet","problem":"hung"}   or missing, busy, refused, invalid; "" mends it
//	{"op":"sensors"}
//	{"op":"watchdog"}
//	{"op":"watch"}                                     the connection is a stream of changes from here
//
//	{"ok":true,"line":"GPIO22","active":true,"out":true}
//	{"ok":false,"error":"no line \"GPIO99\"; there are …"}
//
// A line that is no request is answered with an error, and the connection goes
// on; only one that is too long ends it.

const (
	maxRequest   = 4 << 10         // bytes of one line
	writeTimeout = 5 * time.Second // of a client that does not read
	maxClients   = 64
	acceptPause  = 10 * time.Millisecond
)

type request struct {
	Op     string `json:"op"`
	Line   string `json:"line"`
	Active *bool  `json:"active"`
	MS     int64  `json:"ms"`
	Sensor string `json:"sensor"`
	Environment
	Problem *string `json:"problem"`
}

type answer struct {
	OK     bool     `json:"ok"`
	Error  string   `json:"error,omitempty"`
	Line   string   `json:"line,omitempty"`
	Active *bool    `json:"active,omitempty"`
	Out    *bool    `json:"out,omitempty"`
	Lines  []Change `json:"lines,omitempty"`

	Sensors  []SensorState  `json:"sensors,omitempty"`
	Watchdog *WatchdogState `json:"watchdog,omitempty"`
}

// listen takes the path over from a board that is gone, not from one that runs.
func listen(path string) (net.Listener, error) {
	if st, err := os.Lstat(path); err == nil {
		if st.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("control socket %s: there is a file that is no socket; name another path or remove it", path)
		}
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("control socket %s: %w", path, ErrPlayed)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the stale control socket: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// server answers clients until close.
type server struct {
	board    *Board
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex // guards conns and closed
	conns  map[net.Conn]bool
	closed bool
}

func serve(b *Board, l net.Listener) *server {
	s := &server{board: b, listener: l, conns: map[net.Conn]bool{}}
	s.wg.Go(s.accept)
	return s
}

func (s *server) accept() {
	for {
		c, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause) // out of file descriptors, or the client left already
			continue
		}
		if !s.add(c) {
			_ = write(c, fail(fmt.Errorf("more than %d clients", maxClients)))
			_ = c.Close()
			continue
		}
		s.wg.Go(func() {
			defer s.remove(c)
			s.client(c)
		})
	}
}

func (s *server) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) == maxClients {
		return false
	}
	s.conns[c] = true
	return true
}

func (s *server) remove(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (s *server) close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // closed before
	}
	return err
}

// client answers one client until it leaves.
func (s *server) client(c net.Conn) {
	in := bufio.NewScanner(c)
	in.Buffer(make([]byte, 0, 512), maxRequest)
	for in.Scan() {
		if len(in.Bytes()) == 0 {
			continue
		}
		var r request
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			if write(c, fail(fmt.Errorf("not a request: %v; write one JSON object a line", err))) != nil {
				return
			}
			continue
		}
		if r.Op == "watch" {
			s.watch(c)
			return
		}
		if write(c, s.board.do(r)) != nil {
			return
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		_ = write(c, fail(fmt.Errorf("request longer than %d bytes", maxRequest)))
	}
}

// watch sends changes until the client leaves or does not keep up.
func (s *server) watch(c net.Conn) {
	changes, lines, stop := s.board.Watch()
	defer stop()
	if write(c, answer{OK: true, Lines: lines}) != nil {
		return
	}
	var gone sync.WaitGroup
	defer gone.Wait()
	defer func() { _ = c.Close() }()
	gone.Go(func() { // what a watcher says is not read, but that it left is seen
		_, _ = io.Copy(io.Discard, c)
		stop()
	})
	for ch := range changes {
		if write(c, ch) != nil {
			return
		}
	}
	_ = write(c, fail(errors.New("the watcher reads too slowly; watch again")))
}

// do carries out any request but watch.
func (b *Board) do(r request) answer {
	var err error
	switch r.Op {
	case "set":
		if r.Active == nil {
			return fail(errors.New(`set: no "active"; write true or false`))
		}
		err = b.Set(r.Line, *r.Active)
	case "pulse":
		if r.MS <= 0 || r.MS > MaxPulse.Milliseconds() {
			return fail(fmt.Errorf(`pulse: "ms" is %d; write 1 to %d`, r.MS, MaxPulse.Milliseconds()))
		}
		err = b.Pulse(r.Line, time.Duration(r.MS)*time.Millisecond)
	case "lines":
		return answer{OK: true, Lines: b.Lines()}
	case "sensor":
		if err := b.SetSensor(r.Sensor, r.Environment, r.Problem); err != nil {
			return fail(fmt.Errorf("sensor: %w", err))
		}
		return answer{OK: true, Sensors: b.Sensors()}
	case "sensors":
		return answer{OK: true, Sensors: b.Sensors()}
	case "watchdog":
		st := b.Watchdog()
		return answer{OK: true, Watchdog: &st}
	case "get":
	default:
		return fail(fmt.Errorf("unknown op %q; there are set, pulse, get, lines, watch, sensor, sensors, watchdog", r.Op))
	}
	if err != nil {
		return fail(fmt.Errorf("%s: %w", r.Op, err))
	}
	return b.get(r)
}

func (b *Board) get(r request) answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.find(r.Line, false)
	if l == nil {
		return fail(fmt.Errorf("%s: %w", r.Op, b.unknownLocked(r.Line)))
	}
	ch := l.change()
	return answer{OK: true, Line: ch.Line, Active: &ch.Active, Out: &ch.Out}
}

func fail(err error) answer { return answer{Error: err.Error()} }

func write(c net.Conn, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err = c.Write(append(line, '\n'))
	return err
}
