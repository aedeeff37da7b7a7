package stream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Bounds of what a camera may send before it shows a picture. The largest
// session description seen of a real one has some 4 KB.
const (
	maxHeaderBytes = 64 << 10
	maxBodyBytes   = 128 << 10 // the library's own limit
	maxStrayBytes  = 64 << 10  // between messages
)

// What a camera may send before it is slowed down, by reading later: TCP then
// slows the camera. 64 Mbit/s is above every camera that makes sense on a
// small board; each frame counts for frameCost bytes more, since many small
// packets cost the processor what few large ones do not.
const (
	floodBytes  = 8 << 20 // per second
	frameCost   = 400
	floodWindow = 50 * time.Millisecond
)

// errNotRTSP is something else on the port.
var errNotRTSP = errors.New("the other end does not speak RTSP")

// line is the connection to a camera. It hands the library one RTSP message or
// interleaved frame after the other, and mends on the way what the library
// would stumble over: see mendResponse, and SSRCs that change in a session,
// after which the library refuses every packet and still calls the session
// alive.
//
// One goroutine reads, another may write.
type line struct {
	net.Conn
	br   *bufio.Reader
	note func(quirk string) // called on the reading goroutine

	options atomic.Bool // the newest request is OPTIONS

	ready   []byte // of a message that was read and mended
	frame   int    // bytes of an interleaved frame that are still to come
	greeted bool   // the first message was RTSP
	stray   int    // bytes between messages
	flood   int    // cost of what was read since window
	window  time.Time
	ssrc    [8]ssrcRewrite // by channel / 2
}

// ssrcRewrite is the SSRC that the library knows and the one that comes now.
type ssrcRewrite struct {
	known       bool
	first, last uint32
}

func newLine(c net.Conn, note func(string)) *line {
	return &line{Conn: c, br: bufio.NewReaderSize(c, 4096), note: note}
}

// Write notes which request goes out.
func (l *line) Write(p []byte) (int, error) {
	if len(p) > 0 && p[0] != '$' {
		l.options.Store(bytes.HasPrefix(p, []byte("OPTIONS ")))
	}
	return l.Conn.Write(p)
}

// Read returns a piece of the message or frame that comes next.
func (l *line) Read(p []byte) (int, error) {
	for {
		switch {
		case len(p) == 0:
			return 0, nil
		case len(l.ready) > 0:
			n := copy(p, l.ready)
			l.ready = l.ready[n:]
			return n, nil
		case l.frame > 0:
			n, err := l.br.Read(p[:min(len(p), l.frame)])
			l.frame -= n
			return n, err
		}
		if err := l.next(); err != nil {
			return 0, err
		}
	}
}

// next begins the message or frame that comes next.
func (l *line) next() error {
	b, err := l.br.Peek(1)
	if err != nil {
		return err
	}
	switch c := b[0]; {
	case c == '$' && l.greeted:
		return l.interleaved()
	case !l.greeted || c >= 'A' && c <= 'Z':
		return l.message()
	}
	if l.stray++; l.stray > maxStrayBytes {
		return errors.New("the camera sends bytes that are neither RTSP nor a frame")
	}
	if l.stray == 1 {
		l.note("bytes between messages")
	}
	_, err = l.br.Discard(1)
	return err
}

// interleaved begins a frame: '$', channel, length in 16 bits (RFC 2326, 10.12).
func (l *line) interleaved() error {
	head, err := l.br.Peek(4)
	if err != nil {
		return err
	}
	channel, n := head[1], int(binary.BigEndian.Uint16(head[2:]))
	l.frame = 4 + n
	l.slow(l.frame + frameCost)
	const rtpHeader = 12
	if channel%2 != 0 || int(channel/2) >= len(l.ssrc) || n < rtpHeader {
		return nil
	}
	p, err := l.br.Peek(4 + rtpHeader)
	if err != nil {
		return err
	}
	l.keepSSRC(&l.ssrc[channel/2], p[4:])
	return nil
}

// slow waits when the camera floods. It looks at the clock once in a while.
func (l *line) slow(cost int) {
	const share = floodBytes / int(time.Second/floodWindow)
	if l.flood += cost; l.flood < share {
		return
	}
	if early := floodWindow - time.Since(l.window); early > 0 {
		l.note("floods: its packets are read more slowly than it sends them")
		time.Sleep(early)
	}
	l.flood, l.window = 0, time.Now()
}

// keepSSRC gives an RTP packet the SSRC with which the session began.
func (l *line) keepSSRC(r *ssrcRewrite, packet []byte) {
	if typ := packet[1] & 0x7f; typ >= 72 && typ <= 76 { // RTCP (RFC 5761, 4)
		return
	}
	ssrc := binary.BigEndian.Uint32(packet[8:])
	switch {
	case !r.known:
		*r = ssrcRewrite{true, ssrc, ssrc}
	case ssrc != r.last:
		r.last = ssrc
		l.note("the source (SSRC) changes within a session")
	}
	if ssrc != r.first {
		binary.BigEndian.PutUint32(packet[8:], r.first) // in the reader's buffer
	}
}

// message reads an RTSP message as a whole and mends it.
func (l *line) message() error {
	head, err := l.header()
	if err != nil {
		return err
	}
	n, err := contentLength(head[1:])
	if err != nil {
		return err
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(l.br, body); err != nil {
		return fmt.Errorf("read body of %d bytes: %w", n, err)
	}
	if strings.HasPrefix(head[0], "RTSP/") {
		head, body = mendResponse(head, body, l.options.Load(), l.note)
	}
	l.ready = joinMessage(head, body)
	l.slow(len(l.ready) + frameCost)
	return nil
}

// header reads the lines of a message up to the empty one, without their ends.
func (l *line) header() ([]string, error) {
	var lines []string
	for total := 0; ; {
		raw, err := l.br.ReadSlice('\n')
		if !l.greeted && len(lines) == 0 && !looksLikeRTSP(raw) && len(raw) > 0 {
			return nil, fmt.Errorf("%w: it says %q", errNotRTSP, clip(raw, 60))
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, errors.New("the camera sends a header line of more than 4096 bytes")
		case errors.Is(err, io.EOF) && len(lines)+len(raw) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		if total += len(raw); total > maxHeaderBytes {
			return nil, fmt.Errorf("the camera sends a header of more than %d bytes", maxHeaderBytes)
		}
		line := strings.TrimRight(string(raw), "\r\n")
		switch {
		case line != "":
			lines = append(lines, line)
			l.greeted = true
		case len(lines) > 0:
			return lines, nil
		} // empty lines before a message are let pass
	}
}

// looksLikeRTSP tells whether the first line of a conversation may be RTSP: an
// answer, or a request of the camera's.
func looksLikeRTSP(line []byte) bool {
	s := bytes.TrimSpace(line)
	return len(s) == 0 || bytes.HasPrefix(s, []byte("RTSP/")) || bytes.HasSuffix(s, []byte(" RTSP/1.0"))
}

func contentLength(lines []string) (int, error) {
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(strings.TrimSpace(key), "Content-Length") {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
		if err != nil {
			return 0, fmt.Errorf("the camera sends an impossible Content-Length %q", clip([]byte(value), 40))
		}
		if n > maxBodyBytes {
			return 0, fmt.Errorf("the camera sends a description of %d bytes, more than %d", n, maxBodyBytes)
		}
		return int(n), nil
	}
	return 0, nil
}

func joinMessage(lines []string, body []byte) []byte {
	var b bytes.Buffer
	for _, line := range lines {
		b.WriteString(line)
		b.WriteString("\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

func clip(b []byte, n int) string {
	s := strings.ToValidUTF8(string(b[:min(len(b), n)]), "?")
	return strings.TrimRight(s, "\r\n")
}
