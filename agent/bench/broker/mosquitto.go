// Package broker runs real Mosquittos on loopback.
package broker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Mosquitto is one running broker.
type Mosquitto struct {
	Addr string
	cmd  *exec.Cmd
	out  *strings.Builder
	gone chan struct{}
}

// Nothing may be dropped, and the broker says each second what it received.
const common = `
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
max_queued_bytes 0
persistence false
sys_interval 1
log_type error
`

// FreeAddr is an address on loopback that nobody listens on now. Mosquitto
// can't choose one itself.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Start starts a broker that listens on addr, with more lines of configuration.
// Files go to dir.
func Start(dir, addr, more string) (*Mosquitto, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf("listener %s 127.0.0.1%s", port, common)
	if os.Getuid() == 0 {
		conf += "user root\n" // it could not read our temporary directory otherwise
	}
	file := filepath.Join(dir, "mosquitto-"+port+".conf")
	if err := os.WriteFile(file, []byte(conf+more), 0o600); err != nil {
		return nil, err
	}
	m := &Mosquitto{Addr: addr, cmd: exec.Command(program, "-c", file), out: &strings.Builder{}, gone: make(chan struct{})}
	m.cmd.Stdout, m.cmd.Stderr = m.out, m.out
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start mosquitto: %w", err)
	}
	go func() {
		_ = m.cmd.Wait() // ended by us, and otherwise seen by ready
		close(m.gone)
	}()
	return m, m.ready()
}

func find() (string, error) {
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", errors.New("mosquitto is not installed; install Debian's package mosquitto, or leave the drain out")
}

// Version is what the installed Mosquitto calls itself.
func Version() (string, error) {
	program, err := find()
	if err != nil {
		return "", err
	}
	out, _ := exec.Command(program, "-h").CombinedOutput() // its status is 3 for help
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}

// ready waits until the broker takes connections.
func (m *Mosquitto) ready() error {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		c, err := net.Dial("tcp", m.Addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-m.gone:
			return fmt.Errorf("mosquitto ended: %s", m.out)
		case <-time.After(10 * time.Millisecond):
		}
	}
	m.Stop()
	return fmt.Errorf("mosquitto did not listen on %s within 10 s: %s", m.Addr, m.out)
}

// PID is its process.
func (m *Mosquitto) PID() int { return m.cmd.Process.Pid }

// clockTick is the unit of processor time in /proc: USER_HZ is 100 on Linux.
const clockTick = 10 * time.Millisecond

// Busy is the processor time that it has taken, in steps of 10 ms.
func (m *Mosquitto) Busy() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.PID()))
	if err != nil {
		return 0, fmt.Errorf("processor time of mosquitto: %w", err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // its name stands before, in brackets
	f := strings.Fields(rest)                     // field 3 and on of proc(5)
	if len(f) < 13 {
		return 0, fmt.Errorf("processor time of mosquitto: %q", text)
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * clockTick, errors.Join(err, err2)
}

// Stop kills it; nothing of it is kept.
func (m *Mosquitto) Stop() {
	_ = m.cmd.Process.Kill() // it may have ended by itself
	<-m.gone
}

// Bridge is the configuration that sends all that comes in on to addr, at QoS 1,
// with that many in flight (0 is no limit).
func Bridge(addr string, inFlight int) string {
	return fmt.Sprintf(`
max_inflight_messages %d
connection bench
address %s
topic # out 1
cleansession false
notifications false
try_private false
bridge_protocol_version mqttv311
restart_timeout 1
`, inFlight, addr)
}
