package uplink

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// framed is the connection that paho gets. On the way in it reads ahead, and
// refuses a packet by its header, before anyone makes room for it: one that is
// larger than ours ever are, or of a type that we never ask for. On the way
// out it takes packets into a bounded buffer, and a writer of its own sends
// what has gathered in one piece; so paho's loop never stands in a write, and
// small publishes share segments.
//
// Publishes don't go through paho: publish puts the packet into the buffer, and
// the PUBACK is taken out of what comes in, so that nothing stands between us
// and the one sign that counts. paho keeps the CONNECT, the subscription, the
// pings and what the centre says.
//
// Its end has one cause, the first. Read and Write report it in words of ours:
// paho takes "use of closed network connection" for its own doing and would
// not tell.
type framed struct {
	conn net.Conn // TLS, or the link itself
	head framer

	mu    sync.Mutex // guards all below
	out   []byte     // not yet taken by the writer
	spare []byte     // the writer's last buffer, to use again
	busy  bool       // the writer is in a write
	cause error
	at    time.Time  // of the end
	space *sync.Cond // out became shorter, or it is over
	work  *sync.Cond // out became longer, or it is over
	ended chan struct{}
	gone  chan struct{} // the writer has returned
}

// outBytes is from when on paho waits, and the largest buffer that is kept.
const outBytes = 256 << 10

var errPacket = errors.New("packet refused")

func newFramed(conn net.Conn, maxPacket, topics int, onPuback func(id uint16)) *framed {
	f := &framed{
		conn:  conn,
		head:  framer{r: bufio.NewReaderSize(conn, 4<<10), most: maxPacket, topics: topics, onPuback: onPuback},
		ended: make(chan struct{}),
		gone:  make(chan struct{}),
	}
	f.space, f.work = sync.NewCond(&f.mu), sync.NewCond(&f.mu)
	go f.writer()
	return f
}

// Read implements net.Conn.
func (f *framed) Read(p []byte) (int, error) {
	n, err := f.head.Read(p)
	if err != nil {
		err = f.end(err)
	}
	return n, err
}

// Write implements net.Conn. It returns before the bytes are sent; an error
// comes with a later call, and with Read.
func (f *framed) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.cause == nil && len(f.out) > 0 && len(f.out)+len(p) > outBytes {
		f.space.Wait()
	}
	if f.cause != nil {
		return 0, f.endError()
	}
	f.out = append(f.out, p...)
	f.work.Signal()
	return len(p), nil
}

// publish takes a PUBLISH packet; payload is free again when it returns. It
// never waits: the window bounds what is on its way, and so what is in here.
// After the end it does nothing.
func (f *framed) publish(topic string, id uint16, retained bool, payload []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause != nil {
		return
	}
	f.out = appendPublish(f.out, topic, id, retained, payload)
	f.work.Signal()
}

func (f *framed) writer() {
	defer close(f.gone)
	for {
		f.mu.Lock()
		f.busy = false
		f.space.Broadcast()
		for f.cause == nil && len(f.out) == 0 {
			f.work.Wait()
		}
		if f.cause != nil {
			f.mu.Unlock()
			return
		}
		f.busy = true
		data := f.out
		f.out, f.spare = f.spare[:0], nil
		f.mu.Unlock()
		_, err := f.conn.Write(data)
		if err != nil {
			_ = f.end(err)
			continue
		}
		f.mu.Lock()
		if cap(data) <= outBytes {
			f.spare = data
		}
		f.mu.Unlock()
	}
}

// end closes the connection because of cause, unless it has ended before, and
// returns the error of the end.
func (f *framed) end(cause error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		f.cause, f.at = cause, time.Now()
		close(f.ended)
		_ = f.conn.Close() // the cause says more
		f.space.Broadcast()
		f.work.Broadcast()
	}
	return f.endError()
}

// over is when the connection ended.
func (f *framed) over() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// endError is the cause without the words that paho keeps quiet about. The
// mutex is held.
func (f *framed) endError() error { return &endedError{f.cause} }

type endedError struct{ cause error }

func (e *endedError) Error() string { return "connection ended" }
func (e *endedError) Unwrap() error { return e.cause }

// flush waits until all is handed to the kernel, at most for limit.
func (f *framed) flush(limit time.Duration) {
	t := time.AfterFunc(limit, func() { _ = f.end(errors.New("flush takes too long")) })
	defer t.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.cause == nil && (f.busy || len(f.out) > 0) {
		f.space.Wait()
	}
}

// Close implements net.Conn. paho calls it when it has stopped.
func (f *framed) Close() error {
	_ = f.end(errPahoStopped)
	return nil
}

// Deadlines are the link's business.
func (f *framed) SetDeadline(time.Time) error      { return nil }
func (f *framed) SetReadDeadline(time.Time) error  { return nil }
func (f *framed) SetWriteDeadline(time.Time) error { return nil }

func (f *framed) LocalAddr() net.Addr  { return f.conn.LocalAddr() }
func (f *framed) RemoteAddr() net.Addr { return f.conn.RemoteAddr() }

// framer passes MQTT packets through, looking at each fixed header first
// (MQTT 3.1.1, 2.2: one byte of type and flags, one to four of length). PUBACKs
// go to onPuback instead.
type framer struct {
	r        *bufio.Reader
	onPuback func(id uint16)

	most   int    // bytes of a packet's remaining length
	topics int    // in our one SUBSCRIBE; paho panics at a SUBACK with more return codes
	hdr    []byte // of the packet that is being handed out
	buf    [5]byte
	body   int // bytes of it that are still to come
}

func (f *framer) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(f.hdr) == 0 && f.body == 0 {
		if err := f.header(); err != nil {
			return 0, err
		}
		if f.buf[0]>>4 == packets.Puback {
			if err := f.puback(); err != nil {
				return 0, err
			}
		}
	}
	if len(f.hdr) > 0 {
		n := copy(p, f.hdr)
		f.hdr = f.hdr[n:]
		return n, nil
	}
	n, err := f.r.Read(p[:min(len(p), f.body)])
	f.body -= n
	return n, inPacket(err)
}

// puback takes the PUBACK whose header has been read.
func (f *framer) puback() error {
	f.hdr, f.body = nil, 0
	var id uint16
	for range 2 {
		b, err := f.r.ReadByte()
		if err != nil {
			return inPacket(err)
		}
		id = id<<8 | uint16(b)
	}
	f.onPuback(id)
	return nil
}

// inPacket is the error of a read in the middle of a packet.
func inPacket(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (f *framer) header() error {
	first, err := f.r.ReadByte()
	if err != nil {
		return err
	}
	f.buf[0] = first
	length := 0
	for i := 1; ; i++ {
		if i == len(f.buf) {
			return fmt.Errorf("%w: length of more than four bytes", errPacket)
		}
		b, err := f.r.ReadByte()
		if err != nil {
			return inPacket(err)
		}
		f.buf[i] = b
		length |= int(b&127) << (7 * (i - 1))
		if b&128 == 0 {
			f.hdr = f.buf[:i+1]
			break
		}
	}
	f.body = length
	return f.check(first, length)
}

// check refuses what no broker has reason to send us: we publish with QoS 1 and
// subscribe with QoS 0, and paho would keep what comes with QoS 2.
func (f *framer) check(first byte, length int) error {
	kind := first >> 4
	switch kind {
	case packets.Publish:
		if qos := first >> 1 & 3; qos > 1 {
			return fmt.Errorf("%w: PUBLISH with QoS %d", errPacket, qos)
		}
		if length > f.most {
			return fmt.Errorf("%w: PUBLISH of %d bytes, more than %d", errPacket, length, f.most)
		}
		return nil
	case packets.Suback:
		if length > 2+f.topics {
			return fmt.Errorf("%w: SUBACK of %d bytes", errPacket, length)
		}
		return nil
	case packets.Connack, packets.Puback:
		if length == 2 {
			return nil
		}
	case packets.Pingresp:
		if length == 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: type %d of %d bytes", errPacket, kind, length)
}
