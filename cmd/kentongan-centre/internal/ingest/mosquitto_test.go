package ingest_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kentongan/broker-config/brokertest"
)

type mosquitto struct {
	url  *url.URL
	conf string
	cmd  *exec.Cmd
}

// startMosquitto runs the real broker on a free loopback port. It keeps what
// waits for the centre in memory: that the centre is sure of nothing it has
// not committed is what these tests are about.
func startMosquitto(t testing.TB) *mosquitto {
	t.Helper()
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: brokertest.FreePorts(t, 1)}
	m := &mosquitto{url: &url.URL{Scheme: "mqtt", Host: addr.String()}, conf: filepath.Join(t.TempDir(), "mosquitto.conf")}
	text := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\npersistence false\nlog_dest stderr\nlog_type error\n", addr.Port)
	if err := os.WriteFile(m.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	t.Cleanup(func() { m.kill(t) })
	return m
}

func (m *mosquitto) start(t testing.TB) {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto" // Debian's place, often not in a user's PATH
	}
	m.cmd = exec.Command(program, "-c", m.conf)
	m.cmd.Stderr = os.Stderr
	if err := m.cmd.Start(); err != nil {
		t.Fatalf("start mosquitto: %v; install it: apt-get install mosquitto", err)
	}
	until(t, "mosquitto listens", func() bool {
		c, err := net.Dial("tcp", m.url.Host)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

// kill is SIGKILL: it forgets everything.
func (m *mosquitto) kill(t testing.TB) {
	t.Helper()
	if err := m.cmd.Process.Kill(); err != nil {
		t.Logf("kill mosquitto: %v", err)
	}
	_ = m.cmd.Wait() // killed
}
