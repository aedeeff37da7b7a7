package stream

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"

	"kentongan/agent/report"
)

// rogueConn is one connection of a scripted camera that misbehaves.
type rogueConn struct {
	net.Conn
	br   *bufio.Reader
	n    int // which connection it is, from 1
	quit chan struct{}
	host string

	asked    *atomic.Int64 // counts requests; nil counts none
	channels string        // that the newest SETUP wants, "2-3"; "" is none yet
}

const describeH264 = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n"

// startRogue listens and gives each connection to the script; it returns the
// URL. All connections are cut at the end of the test.
func startRogue(t *testing.T, script func(c *rogueConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startRogueOn(t, l, script)
}

// startRogueOn is startRogue on a listener of the caller's.
func startRogueOn(t *testing.T, l net.Listener, script func(c *rogueConn)) string {
	t.Helper()
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				done := make(chan struct{})
				defer close(done)
				wg.Go(func() {
					select {
					case <-quit:
					case <-done:
					}
					_ = conn.Close()
				})
				script(&rogueConn{Conn: conn, br: bufio.NewReader(conn), n: n, quit: quit, host: l.Addr().String()})
			})
		}
	})
	t.Cleanup(func() { close(quit); _ = l.Close(); wg.Wait() })
	return "rtsp://" + l.Addr().String() + "/live"
}

// hang keeps the connection and says nothing.
func (c *rogueConn) hang() { <-c.quit }

// request reads the next request, past RTCP of the reader.
func (c *rogueConn) request() (method, cseq string, auth string, err error) {
	for {
		b, err := c.br.Peek(1)
		if err != nil {
			return "", "", "", err
		}
		if b[0] != '$' {
			break
		}
		head, err := c.br.Peek(4)
		if err != nil {
			return "", "", "", err
		}
		if _, err := c.br.Discard(4 + int(binary.BigEndian.Uint16(head[2:]))); err != nil {
			return "", "", "", err
		}
	}
	if c.asked != nil {
		c.asked.Add(1)
	}
	for first := true; ; first = false {
		line, err := c.br.ReadString('\n')
		if err != nil {
			return "", "", "", err
		}
		line = strings.TrimSpace(line)
		if first {
			method, _, _ = strings.Cut(line, " ")
		}
		if v, ok := strings.CutPrefix(line, "CSeq: "); ok {
			cseq = v
		}
		if v, ok := strings.CutPrefix(line, "Authorization: "); ok {
			auth = v
		}
		if _, v, ok := strings.Cut(line, "interleaved="); ok {
			c.channels, _, _ = strings.Cut(v, ";")
		}
		if line == "" {
			return method, cseq, auth, nil
		}
	}
}

// answer writes a response; head are more header lines.
func (c *rogueConn) answer(cseq, status, body string, head ...string) {
	s := "RTSP/1.0 " + status + "\r\nCSeq: " + cseq + "\r\n"
	if body != "" {
		s += fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n", len(body))
	}
	for _, h := range head {
		s += h + "\r\n"
	}
	_, _ = c.Write([]byte(s + "\r\n" + body))
}

// serve answers requests until the connection ends; say gets the methods and
// returns false for the usual answer.
func (c *rogueConn) serve(sdp string, say func(method, cseq, auth string) bool) {
	for {
		method, cseq, auth, err := c.request()
		if err != nil {
			return
		}
		if say(method, cseq, auth) {
			continue
		}
		switch method {
		case "DESCRIBE":
			c.answer(cseq, "200 OK", sdp)
		case "SETUP":
			c.answer(cseq, "200 OK", "", "Session: 12345678", "Transport: RTP/AVP/TCP;unicast;interleaved="+c.channels)
		default:
			c.answer(cseq, "200 OK", "", "Session: 12345678")
		}
	}
}

// play answers as usual; stream runs once PLAY is answered.
func (c *rogueConn) play(sdp string, stream func()) {
	var wg sync.WaitGroup
	defer wg.Wait()
	c.serve(sdp, func(method, cseq, _ string) bool {
		if method != "PLAY" {
			return false
		}
		c.answer(cseq, "200 OK", "", "Session: 12345678")
		wg.Go(stream)
		return true
	})
}

func (c *rogueConn) frame(channel byte, p []byte) error {
	head := []byte{'$', channel, byte(len(p) >> 8), byte(len(p))}
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, err := c.Write(append(head, p...))
	return err
}

// rtp writes a packet with a piece of a picture.
func (c *rogueConn) rtp(seq uint16, ts, ssrc uint32) error {
	p := make([]byte, 12, 112)
	p[0], p[1] = 0x80, 0x80|96
	binary.BigEndian.PutUint16(p[2:], seq)
	binary.BigEndian.PutUint32(p[4:], ts)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	return c.frame(0, append(append(p, 0x65, 0x88), make([]byte, 98)...))
}

// pictures writes 25 of them a second until stop says so.
func (c *rogueConn) pictures(write func(n int) error) {
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-c.quit:
			return
		case <-tick.C:
		}
		if write(n) != nil {
			return
		}
	}
}

func (c *rogueConn) goodPictures() {
	c.pictures(func(n int) error { return c.rtp(uint16(n), uint32(n)*3600, 7) })
}

// senderReport is RTCP as a camera sends it while its encoder hangs.
func senderReport() []byte {
	return append([]byte{0x80, 200, 0, 6, 0, 0, 0, 7}, make([]byte, 20)...)
}

// TestRogues: each fault of a camera has its class, within the time that a
// person would wait.
func TestRogues(t *testing.T) {
	status := func(s string, head ...string) func(c *rogueConn) {
		return func(c *rogueConn) {
			c.serve("", func(method, cseq, _ string) bool {
				if method == "DESCRIBE" {
					c.answer(cseq, s, "", head...)
				}
				return method == "DESCRIBE"
			})
		}
	}
	answer := func(sdp string) func(c *rogueConn) {
		return func(c *rogueConn) { c.play(sdp, c.goodPictures) }
	}
	tests := map[string]struct {
		script       func(c *rogueConn)
		state, class string
		detail       string // a part of it
		quirk        string
	}{
		"404":                {status("404 Not Found"), StateFailed, ClassNotFound, "404", ""},
		"401 for ever":       {status("401 Unauthorized", `WWW-Authenticate: Digest realm="x", nonce="1"`), StateFailed, ClassAuth, "401", ""},
		"403":                {status("403 Forbidden"), StateFailed, ClassAuth, "403", ""},
		"no room":            {status("453 Not Enough Bandwidth"), StateFailed, ClassRefused, "453", ""},
		"500":                {status("500 Internal Server Error"), StateFailed, ClassProtocol, "500", ""},
		"closes at once":     {func(*rogueConn) {}, StateFailed, ClassClosed, "", ""},
		"hangs after accept": {func(c *rogueConn) { c.hang() }, StateFailed, ClassTimeout, "", ""},
		"HTTP": {func(c *rogueConn) {
			_, _, _, _ = c.request()
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.hang()
		}, StateFailed, ClassProtocol, "does not speak RTSP", ""},
		"SSH": {func(c *rogueConn) { _, _ = c.Write([]byte("SSH-2.0-dropbear\r\n")); c.hang() }, StateFailed, ClassProtocol, "does not speak RTSP", ""},
		"endless header": {func(c *rogueConn) {
			_, _ = c.Write([]byte("RTSP/1.0 200 OK\r\n"))
			for c.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
				if _, err := c.Write([]byte("A: b\r\n")); err != nil {
					return
				}
			}
		}, StateFailed, ClassProtocol, "more than 65536 bytes", ""},
		"giant description":        {status("200 OK", "Content-Type: application/sdp", "Content-Length: 2000000000"), StateFailed, ClassProtocol, "2000000000 bytes", ""},
		"description of 100 KB":    {answer(describeH264 + strings.Repeat("a=x:"+strings.Repeat("y", 90)+"\r\n", 1000)), StatePlaying, "", "", ""},
		"no description":           {status("200 OK"), StateFailed, ClassProtocol, "", ""},
		"VP8":                      {answer(strings.Replace(describeH264, "H264", "VP8", 1)), StateFailed, ClassCodec, "VP8", ""},
		"sound only":               {answer("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:track1\r\n"), StateFailed, ClassNoMedia, "offers no video", ""},
		"redirect to another host": {status("302 Found", "Location: rtsp://192.0.2.7/live"), StateFailed, ClassProtocol, "another host", ""},
		"redirects without end":    {func(c *rogueConn) { status("302 Found", "Location: rtsp://"+c.host+"/again")(c) }, StateFailed, ClassProtocol, "more than 3 times", ""},
		"redirect on this host": {func(c *rogueConn) {
			if c.n == 1 {
				status("302 Found", "Location: rtsp://"+c.host+"/new")(c)
			} else {
				answer(describeH264)(c)
			}
		}, StatePlaying, "", "", ""},
		"silent, RTCP only": {func(c *rogueConn) {
			c.play(describeH264, func() { c.pictures(func(int) error { return c.frame(1, senderReport()) }) })
		}, StateSilent, ClassNoMedia, "no picture", ""},
		"silent, parameters only": {func(c *rogueConn) {
			c.play(describeH264, func() {
				c.pictures(func(n int) error {
					return c.frame(0, []byte{0x80, 96, 0, byte(n), 0, 0, byte(n), 0, 0, 0, 0, 7, 0x68, 0xce, 0x38, 0x80})
				})
			})
		}, StateSilent, ClassNoMedia, "no picture", ""},
		"garbage RTP": {func(c *rogueConn) {
			c.play(describeH264, func() { c.pictures(func(n int) error { return c.frame(0, make([]byte, n%40)) }) })
		}, StateSilent, ClassNoMedia, "no picture", ""},
		"another payload type": {func(c *rogueConn) {
			c.play(strings.ReplaceAll(describeH264, "96", "97"), c.goodPictures)
		}, StateSilent, ClassNoMedia, "no picture", ""},
		"source changes at each picture": {func(c *rogueConn) {
			c.play(describeH264, func() {
				c.pictures(func(n int) error { return c.rtp(uint16(n), uint32(n)*3600, uint32(n)) })
			})
		}, StatePlaying, "", "", "the source (SSRC) changes within a session"},
		"no reason phrase": {func(c *rogueConn) {
			c.serve(describeH264, func(method, cseq, _ string) bool {
				if method == "OPTIONS" {
					c.answer(cseq, "200", "")
				}
				if method == "PLAY" {
					c.answer(cseq, "200 ", "")
					go c.goodPictures()
				}
				return method == "OPTIONS" || method == "PLAY"
			})
		}, StatePlaying, "", "", "answers without a reason phrase"},
		"OPTIONS refused": {func(c *rogueConn) {
			var once sync.Once
			c.serve(describeH264, func(method, cseq, _ string) bool {
				if method == "OPTIONS" {
					c.answer(cseq, "501 Not Implemented", "")
				}
				if method == "PLAY" {
					c.answer(cseq, "200 OK", "")
					once.Do(func() { go c.goodPictures() })
				}
				return method == "OPTIONS" || method == "PLAY"
			})
		}, StatePlaying, "", "", "refuses OPTIONS"},
		"description without address": {answer(strings.NewReplacer("IN IP4 127.0.0.1", "IN ", "t=0 0", "c=IN\r\nt=0 0").Replace(describeH264)), StatePlaying, "", "", "faulty session description"},
		"unknown medium":              {answer(describeH264 + "m=meta 0 RTP/AVP 107\r\na=control:track2\r\n"), StatePlaying, "", "", "faulty session description"},
		"bad parameter sets":          {answer(describeH264 + "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=%%,%%\r\n"), StatePlaying, "", "", "faulty session description"},
		"video is sendonly":           {answer(describeH264 + "a=sendonly\r\n"), StatePlaying, "", "", "marks its video as sendonly"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, out := watch(t, Config{URL: startRogue(t, tt.script), Username: "ops", Password: "rahasia", SilentAfter: time.Second})
			st, n := out.wait(t, tt.state+" "+tt.class, 0, func(s report.StreamState) bool {
				return isStay(s.State) && (tt.state != StatePlaying || s.State != StateSilent) // a busy machine may be silent first
			})
			if tt.state == StateSilent && st.State == StatePlaying {
				st, _ = out.wait(t, "silent", n, is(StateSilent, ""))
			}
			if st.State != tt.state || st.Class != tt.class || !strings.Contains(st.Detail, tt.detail) {
				t.Errorf("%s, class %q, %q; want %s, class %q, %q", st.State, st.Class, st.Detail, tt.state, tt.class, tt.detail)
			}
			if tt.state == StatePlaying { // some show themselves with the second picture only
				out.waitStats(t, func(s report.StreamStats) bool { return s.Packets > 2 })
			}
			if tt.quirk != "" && !slices.Contains(w.Status().Quirks, tt.quirk) {
				t.Errorf("quirks %q, want %q", w.Status().Quirks, tt.quirk)
			}
		})
	}
}

// TestPasswordNeverLeaves: a redirect to another host gets no connection at
// all, and the camera's own host is asked with a digest, not the password.
func TestPasswordNeverLeaves(t *testing.T) {
	var asked atomic.Int32
	other := startRogue(t, func(c *rogueConn) { asked.Add(1) })
	other = strings.Replace(other, "127.0.0.1", "localhost", 1)
	url := startRogue(t, func(c *rogueConn) {
		c.serve("", func(method, cseq, auth string) bool {
			if strings.Contains(auth, "rahasia") {
				asked.Add(1)
			}
			if method == "DESCRIBE" {
				c.answer(cseq, "302 Found", "", "Location: "+other)
			}
			return method == "DESCRIBE"
		})
	})
	_, out := watch(t, Config{URL: url, Username: "ops", Password: "rahasia"})
	out.wait(t, "failed", 0, is(StateFailed, ClassProtocol))
	if n := asked.Load(); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

// TestStaleNonce: a camera that forgets its nonces refuses the first session;
// the second one, at once, plays.
func TestStaleNonce(t *testing.T) {
	url := startRogue(t, func(c *rogueConn) {
		if c.n > 1 {
			c.play(describeH264, c.goodPictures)
			return
		}
		c.serve("", func(method, cseq, _ string) bool {
			if method == "DESCRIBE" {
				c.answer(cseq, "401 Unauthorized", "", `WWW-Authenticate: Digest realm="x", nonce="1", stale=TRUE`)
			}
			return method == "DESCRIBE"
		})
	})
	_, out := watch(t, Config{URL: url, Username: "ops", Password: "rahasia"})
	_, n := out.wait(t, "playing", 0, is(StatePlaying, ""))
	for _, st := range out.all()[:n] {
		if st.Class == ClassAuth {
			t.Errorf("a stale nonce was told as %s, class %s", st.State, st.Class)
		}
	}
}

// TestTransportRefused: 461 for TCP brings UDP, and the other way round is in
// TestServer.
func TestTransportRefused(t *testing.T) {
	var udp atomic.Bool
	url := startRogue(t, func(c *rogueConn) {
		c.serve(describeH264, func(method, cseq, _ string) bool {
			if method == "SETUP" {
				if c.n > 1 {
					udp.Store(true)
				}
				c.answer(cseq, "461 Unsupported Transport", "")
			}
			return method == "SETUP"
		})
	})
	_, out := watch(t, Config{URL: url})
	out.wait(t, "failed", 0, is(StateFailed, ClassProtocol))
	if !udp.Load() {
		t.Error("UDP was not tried")
	}
}

// TestUDPSilentThenTCP: a network that lets no UDP through.
func TestUDPSilentThenTCP(t *testing.T) {
	url := startRogue(t, func(c *rogueConn) {
		if c.n > 1 {
			c.play(describeH264, c.goodPictures)
			return
		}
		c.serve(describeH264, func(method, cseq, _ string) bool {
			if method == "SETUP" {
				c.answer(cseq, "200 OK", "", "Session: 12345678", "Transport: RTP/AVP;unicast;client_port=50000-50001;server_port=50002-50003")
			}
			return method == "SETUP"
		})
	})
	_, out := watch(t, Config{URL: url, Transport: TransportUDP})
	st, _ := out.wait(t, "playing", 0, is(StatePlaying, ""))
	if st.Proto != "tcp" {
		t.Errorf("plays over %s, want tcp", st.Proto)
	}
}

func mustURL(t *testing.T, s string) *base.URL {
	t.Helper()
	u, err := base.ParseURL(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestPanicInACallback: what goes wrong while packets of one camera are read
// fails that camera, not the program.
func TestPanicInACallback(t *testing.T) {
	s := newSession(target{url: mustURL(t, "rtsp://127.0.0.1/")}, 0, new(net.Dialer).DialContext, time.Now)
	func() {
		defer s.recover()
		panic("out of range")
	}()
	select {
	case err := <-s.faults:
		if classify(err) != ClassProtocol || !strings.Contains(err.Error(), "out of range") {
			t.Errorf("class %s, error %v", classify(err), err)
		}
	default:
		t.Error("no fault")
	}
}
