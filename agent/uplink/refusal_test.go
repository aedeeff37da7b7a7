package uplink

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// startAnswerer accepts connections, reads the CONNECT and answers with bytes.
func startAnswerer(t *testing.T, answer []byte) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				if _, err := c.Read(make([]byte, 1024)); err == nil {
					_, _ = c.Write(answer)
				}
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return "mqtt://" + l.Addr().String()
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	connack := func(code byte) []byte { return []byte{0x20, 2, 0, code} }
	accepted := connack(0)
	tests := map[string]struct {
		answer []byte
		want   failure
	}{
		"version":              {connack(1), failVersion},
		"identifier":           {connack(2), failIdentifier},
		"unavailable":          {connack(3), failUnavailable},
		"credentials":          {connack(4), failCredentials},
		"not authorised":       {connack(5), failNotAllowed},
		"a web server":         {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), failProtocol},
		"a giant publish":      {append(accepted, 0x30, 0xff, 0xff, 0xff, 0x7f), failProtocol},
		"a SUBACK too long":    {append(accepted, 0x90, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0), failProtocol},
		"a PUBCOMP":            {append(accepted, 0x70, 2, 0, 2), failProtocol},
		"a length without end": {append(accepted, 0x30, 0xff, 0xff, 0xff, 0xff, 0xff), failProtocol},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := startUplink(t, testConfig(startAnswerer(t, tt.answer)), newMemoryStore())
			waitFor(t, 5*time.Second, "refused as "+tt.want.String(), func() bool { return u.saw(stateRefused, tt.want.words()) })
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	u := startUplink(t, testConfig("mqtt://127.0.0.1:"+itoa(freePort(t))), newMemoryStore())
	waitFor(t, 5*time.Second, "lost", func() bool { return u.saw(stateLost, "connection refused") })
}

func TestAnswersNothing(t *testing.T) {
	t.Parallel()
	cfg := testConfig(startAnswerer(t, nil))
	cfg.Tuning.ConnectLimit = 300 * time.Millisecond
	u := startUplink(t, cfg, newMemoryStore())
	waitFor(t, 5*time.Second, "lost", func() bool { return u.saw(stateLost, "nobody answers") })
}

// A broker that has all the connections that it allows closes the next one
// without a word. It is named, asked seldom, and taken when it has room.
func TestBrokerHasNoRoomForAnother(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, "max_connections 1")
	// The look whether it listens may still be counted, or be counted off twice, so
	// one is held first, and then as many as there is room for.
	var others []net.Conn
	for tries := 0; ; tries++ {
		other, err := net.Dial("tcp", m.addr())
		if err != nil || tries > 25 {
			t.Fatalf("%d connections held, %d tries: %v", len(others), tries, err)
		}
		defer other.Close()
		if letIn(t, other, 'a'+byte(tries)) {
			others = append(others, other)
		} else if len(others) > 0 {
			break
		}
	}
	u := startUplink(t, testConfig(m.url()), newMemoryStore())
	waitFor(t, 10*time.Second, "turned away", func() bool { return u.saw(stateLost, failTurnedAway.words()) })
	for _, other := range others {
		_ = other.Close()
	}
	waitFor(t, 10*time.Second, "connected when there is room", func() bool { return u.Status().Connected })
}

// letIn connects as a client that stays for ever (MQTT 3.1.1, 3.1), and tells
// whether the broker answers, or closes the connection.
func letIn(t *testing.T, c net.Conn, id byte) bool {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = c.Write([]byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, id}) // it may be closed already
	answer := make([]byte, 4)
	_, err := io.ReadFull(c, answer)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the broker does nothing: %v", err)
	}
	return err == nil && answer[0] == 0x20 && answer[3] == 0
}

// Each kind of refusal has words of its own and its own first wait.
func TestEachRefusalHasItsWordsAndItsPatience(t *testing.T) {
	words := map[string]failure{}
	for kind, row := range failureTable {
		if kind == failNone {
			continue
		}
		if other, taken := words[row.words]; taken || row.words == "" {
			t.Errorf("%v says %q, as %v does", kind, row.words, other)
		}
		words[row.words] = kind
		b := backoff{base: time.Second, cap: 5 * time.Minute, jitter: uniform}
		first := b.next(kind)
		if least := row.patience * time.Second; first < least || first > 3*least {
			t.Errorf("%v: first wait %v, want %v to %v", kind, first, least, 3*least)
		}
		if kind.refused() && row.patience < 5 {
			t.Errorf("%v: a person must mend it, and it is asked again after %v", kind, first)
		}
	}
}
