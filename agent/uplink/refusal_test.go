package uplink

import (
	"io"
	"net"
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "mqtt://" + l.Addr().String()
	_ = l.Close()
	u := startUplink(t, testConfig(url), newMemoryStore())
	waitFor(t, 5*time.Second, "lost", func() bool { return u.saw(stateLost, "connection refused") })
}

func TestAnswersNothing(t *testing.T) {
	t.Parallel()
	cfg := testConfig(startAnswerer(t, nil))
	cfg.Tuning.ConnectLimit = 300 * time.Millisecond
	u := startUplink(t, cfg, newMemoryStore())
	waitFor(t, 5*time.Second, "lost", func() bool { return u.saw(stateLost, "nobody answers") })
}
