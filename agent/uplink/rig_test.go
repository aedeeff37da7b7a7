package uplink

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/broker-config/brokertest"
)

const testDevice = "kiosk-7"

// busy is how many times as long a machine may take that does other things as well.
const busy = 6

// slack is what such a machine may add to a time that the uplink promises: 20 s,
// where MQTT's keep-alive alone would take 75 s or more.
const slack = 40 * time.Second

// patience bounds what takes no time to speak of.
const patience = 90 * time.Second

// waitFor waits until cond holds, asking often. limit is what a machine at rest
// needs at most.
func waitFor(t testing.TB, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	limit = max(limit*busy, patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	over := time.After(limit)
	for !cond() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// mosquitto is a real broker, as a child.
type mosquitto struct {
	t    testing.TB
	conf string
	port int
	cmd  *exec.Cmd
	done chan struct{}
}

// startMosquitto starts a broker on a free port of loopback. Lines are added to
// its configuration.
func startMosquitto(t testing.TB, lines ...string) *mosquitto {
	t.Helper()
	bin, err := exec.LookPath("mosquitto")
	if err != nil {
		if bin = "/usr/sbin/mosquitto"; !isFile(bin) {
			t.Fatal("no mosquitto on this machine: apt-get install mosquitto")
		}
	}
	dir := t.TempDir()
	m := &mosquitto{t: t, conf: filepath.Join(dir, "mosquitto.conf"), port: freePort(t)}
	conf := append([]string{
		"user root", // as root it would change to a user that can't write here
		fmt.Sprintf("listener %d 127.0.0.1", m.port),
		"persistence true", "persistence_location " + dir + "/",
		"set_tcp_nodelay true", "max_inflight_messages 1000",
	}, lines...)
	if !strings.Contains(strings.Join(lines, "\n"), "allow_anonymous") {
		conf = append(conf, "allow_anonymous true")
	}
	if !strings.Contains(strings.Join(lines, "\n"), "max_queued_messages") {
		conf = append(conf, "max_queued_messages 0")
	}
	if err := os.WriteFile(m.conf, []byte(strings.Join(conf, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.start(bin)
	t.Cleanup(m.kill)
	return m
}

func isFile(name string) bool { _, err := os.Stat(name); return err == nil }

func freePort(t testing.TB) int { t.Helper(); return brokertest.FreePorts(t, 1) }

func (m *mosquitto) start(bin string) {
	m.t.Helper()
	m.cmd = exec.Command(bin, "-c", m.conf)
	var out strings.Builder
	m.cmd.Stdout, m.cmd.Stderr = &out, &out
	if err := m.cmd.Start(); err != nil {
		m.t.Fatalf("start mosquitto: %v", err)
	}
	m.done = make(chan struct{})
	go func() { _ = m.cmd.Wait(); close(m.done) }()
	waitFor(m.t, 10*time.Second, "mosquitto listens", func() bool {
		select {
		case <-m.done:
			m.t.Fatalf("mosquitto ended: %s", out.String())
		default:
		}
		c, err := net.Dial("tcp", m.addr())
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func (m *mosquitto) addr() string { return fmt.Sprintf("127.0.0.1:%d", m.port) }
func (m *mosquitto) url() string  { return "mqtt://" + m.addr() }

// kill ends the broker at once, as a power cut does.
func (m *mosquitto) kill() {
	_ = m.cmd.Process.Kill()
	<-m.done
}

func (m *mosquitto) restart() { m.t.Helper(); m.kill(); m.start(m.cmd.Path) }

// reload makes the broker read its password and ACL files again.
func (m *mosquitto) reload() { _ = m.cmd.Process.Signal(hangup) }

// fast is tuning for tests: the same rules on a shorter clock.
func fast() Tuning {
	return Tuning{
		Linger: -1, BacklogDelay: -1,
		ResendAfter: 300 * time.Millisecond, ResendCap: 2 * time.Second,
		BackoffBase: 20 * time.Millisecond, BackoffCap: 300 * time.Millisecond, StableAfter: 2 * time.Second,
	}
}

// keys make the centre's notes.
var keys = sync.OnceValues(func() (note.Signer, note.Verifiers) {
	skey, vkey, err := note.GenerateKey(nil, "kentongan-centre")
	if err != nil {
		panic(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		panic(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		panic(err)
	}
	return signer, note.VerifierList(verifier)
})

// testConfig is a device that connects to urls, acknowledged by the centre.
func testConfig(urls ...string) Config {
	_, verifiers := keys()
	cfg := Config{Device: testDevice, Boot: "0badcafe", CentreKeys: verifiers, Tuning: fast()}
	for _, u := range urls {
		cfg.Brokers = append(cfg.Brokers, Broker{URL: u})
	}
	return cfg
}

// running is an uplink that a test has started.
type running struct {
	*Uplink
	mu      sync.Mutex
	changes []report.UplinkState
	refused []AckRefused
	stop    func()
}

// startUplink runs an uplink until the test ends, or stop is called.
func startUplink(t testing.TB, cfg Config, store Store) *running {
	t.Helper()
	return startUplinkLog(t, cfg, store, testLog(t))
}

// startUplinkLog is startUplink with a log of the test's own.
func startUplinkLog(t testing.TB, cfg Config, store Store, log *slog.Logger) *running {
	t.Helper()
	r := &running{}
	cfg.OnChange = func(c report.UplinkState) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changes = append(r.changes, c)
	}
	cfg.OnAckRefused = func(a AckRefused) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.refused = append(r.refused, a)
	}
	u, err := New(cfg, store, log)
	if err != nil {
		t.Fatal(err)
	}
	r.Uplink = u
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Errorf("Run did not end within %v", patience)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *running) saw(state, words string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.changes {
		if c.State == state && strings.Contains(c.Reason, words) {
			return true
		}
	}
	return false
}

// connections is how often it was connected.
func (r *running) connections() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.changes {
		if c.State == stateConnected {
			n++
		}
	}
	return n
}

func testLog(t testing.TB) *slog.Logger {
	if os.Getenv("KENTONGAN_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// soak is how long a test of repeated faults goes on.
func soak(t *testing.T, usual time.Duration) time.Duration {
	t.Helper()
	s := os.Getenv("KENTONGAN_SOAK")
	if s == "" {
		return usual
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("KENTONGAN_SOAK: %v; write 10m", err)
	}
	return d
}

// secondPort is the port of the listener that was added to a broker.
func secondPort(t testing.TB, m *mosquitto) string {
	t.Helper()
	text, err := os.ReadFile(m.conf)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(strings.SplitN(string(text), "listener ", 2)[1], "listener ")
	if !found {
		t.Fatal("the broker has one listener")
	}
	return strings.Fields(rest)[0]
}
