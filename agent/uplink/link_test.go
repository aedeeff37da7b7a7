package uplink

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"kentongan/agent/report"
)

// Three of ten packets are lost, each way, by the kernel's own dice: everything
// arrives and leaves, complaints first.
func TestLossOf30Percent(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	run(t, "ip", "link", "set", "lo", "mtu", "1500")
	m := startMosquitto(t, "listener 18883 127.0.0.1") // its second port is the bad one
	c := startCentre(t, m.url(), nil)
	nftDrop(t, "tcp dport 18883 numgen random mod 100 < 30")
	run(t, "nft", "add rule inet faults in tcp sport 18883 numgen random mod 100 < 30 drop")
	store := newMemoryStore()
	last := fill(t, store, 5, 50, 300)
	u := startUplink(t, testConfig("mqtt://127.0.0.1:18883"), store)
	began := time.Now()
	const enough = 5 // packets lost, or the test would test nothing
	for n := 0; n < 3 || n < 60 && nftDropped(t) < enough; n++ {
		last[report.Complaint] = store.append(t, report.Complaint, 1)
		at := time.Now()
		c.wantAll(store, report.Complaint, last[report.Complaint], 3*time.Minute)
		t.Logf("press at the centre and acknowledged after %v", time.Since(at).Round(time.Millisecond))
	}
	wantLanes(c, store, last, 3*time.Minute)
	st := u.Status()
	t.Logf("all after %v; %d connections, RTT %v, %d packets to the broker lost", time.Since(began).Round(time.Millisecond), st.Connections, st.RTT.Round(time.Millisecond), nftDropped(t))
	if n := nftDropped(t); n < enough {
		t.Errorf("%d packets lost: the test tests nothing", n)
	}
}

// A link goes silent while nothing is on its way: no byte passes, nothing is
// closed. With the figures of the field that is noticed within 20 s.
func TestSilentLinkIsNoticedWhileIdle(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	m := startMosquitto(t, "listener 18883 127.0.0.1") // its second port goes silent
	c := startCentre(t, m.url(), nil)
	store := newMemoryStore()
	cfg := testConfig("mqtt://127.0.0.1:18883")
	cfg.Tuning = Tuning{Linger: -1, BacklogDelay: -1} // else the defaults
	u := startUplink(t, cfg, store)
	last := fill(t, store, 2, 10, 10)
	wantLanes(c, store, last, 10*time.Second)
	<-time.After(time.Second) // nothing flies any more
	nftDrop(t, "tcp dport 18883")
	run(t, "nft", "add rule inet faults in tcp sport 18883 drop")
	began := time.Now()
	waitFor(t, 40*time.Second, "the loss is noticed", func() bool { return u.saw(stateLost, "") })
	took := time.Since(began)
	t.Logf("noticed after %v", took.Round(time.Millisecond))
	if took > 20*time.Second+slack {
		t.Errorf("noticed after %v, want 20s", took)
	}
	if n := nftDropped(t); n == 0 {
		t.Error("no packet was lost: the test tests nothing")
	}
	nftPass(t)
	last[report.Complaint] = store.append(t, report.Complaint, 1)
	u.Wake()
	wantLanes(c, store, last, 20*time.Second)
}

// brokerHost is a broker in a network of its own, behind three cables.
func brokerHost(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	text := "user root\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\nlistener 1883\nlistener 1884\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	bin, err := exec.LookPath("mosquitto")
	if err != nil {
		bin = "/usr/sbin/mosquitto"
	}
	cmd := exec.Command(bin, "-c", conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the kernel kills it with the thread that started it
	if err := cmd.Start(); err != nil {
		t.Fatalf("start mosquitto (apt-get install mosquitto): %v", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); runtime.UnlockOSThread() })
	pid := strconv.Itoa(cmd.Process.Pid)
	there := func(args ...string) { run(t, "nsenter", append([]string{"-t", pid, "-n", "ip"}, args...)...) }
	there("link", "set", "lo", "up")
	there("addr", "add", "10.9.9.9/32", "dev", "lo")
	for i, name := range []string{"desk0", "fibre0", "cell0"} {
		run(t, "ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", pid)
		run(t, "ip", "addr", "add", fmt.Sprintf("10.9.%d.1/24", i), "dev", name)
		run(t, "ip", "link", "set", name, "up")
		there("addr", "add", fmt.Sprintf("10.9.%d.2/24", i), "dev", name)
		there("link", "set", name, "up")
	}
	// One address, two ways; without a bound interface everything takes the fibre.
	run(t, "ip", "route", "add", "10.9.9.9", "via", "10.9.1.2", "dev", "fibre0", "metric", "10")
	run(t, "ip", "route", "add", "10.9.9.9", "via", "10.9.2.2", "dev", "cell0", "metric", "20")
}

// The same broker over two cables: the first goes silent, the second takes
// over; the first comes back for moments, and nothing changes; it comes back
// for good, and is taken again.
func TestLinksByInterface(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	brokerHost(t)
	c := startCentre(t, "mqtt://10.9.0.2:1883", nil)
	cfg := testConfig("mqtt://10.9.9.9:1883", "mqtt://10.9.9.9:1884")
	cfg.Brokers[0].Interface, cfg.Brokers[1].Interface = "fibre0", "cell0"
	const healthy = 20 * time.Second // a probe whose first SYN is dropped may span two flickers, so that they are one time
	cfg.Tuning.StallAfter, cfg.Tuning.ConnectLimit = 3*time.Second, 3*time.Second
	cfg.Tuning.ProbeEvery, cfg.Tuning.FailBackAfter = 100*time.Millisecond, healthy
	store := newMemoryStore()
	u := startUplink(t, cfg, store)
	on := func(port string) func() bool {
		return func() bool { st := u.Status(); return st.Connected && st.Broker == "10.9.9.9:"+port }
	}
	arrives := func(way string) {
		t.Helper()
		last := store.append(t, report.Complaint, 1)
		c.wantAll(store, report.Complaint, last, 15*time.Second)
		t.Logf("press %d arrived: %s", last, way)
	}
	waitFor(t, 10*time.Second, "on the fibre", on("1883"))
	arrives("fibre")
	nftDrop(t, "iifname fibre0")
	arrives("the fibre is silent")
	waitFor(t, 10*time.Second, "on the cellular link", on("1884"))
	connections := u.Status().Connections
	for flickers := 0; flickers < 4; { // never healthy for as long as it must be
		began := time.Now()
		nftPass(t)
		arrives("the fibre flickers")
		<-time.After(200 * time.Millisecond)
		nftDrop(t, "iifname fibre0")
		if time.Since(began) >= healthy { // on a busy machine it was, and may be taken
			arrives("it was there for long")
			waitFor(t, 10*time.Second, "on the cellular link again", on("1884"))
			connections = u.Status().Connections
			continue
		}
		<-time.After(300 * time.Millisecond) // three probes
		if n := u.Status().Connections; n != connections {
			t.Errorf("%d connections more while the fibre flickered", n-connections)
		}
		flickers++
	}
	nftPass(t)
	waitFor(t, 20*time.Second, "back on the fibre", on("1883"))
	arrives("fibre again")
	if n := u.Status().Connections; n != connections+1 {
		t.Errorf("%d connections to come back, want 1", n-connections)
	}
}
