package uplink

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/agent/report"
)

// farLink is a link on which packets take their time, get lost and wait for each
// other, below TCP, so that it is the kernel's TCP that meets them: a tunnel device
// here, one in the broker's network, and this test carries the packets between.
type farLink struct {
	delay time.Duration // one way
	loss  float64       // of the packets, each way
	rate  int           // bytes per second, each way; 0 is no limit
	queue int           // packets that may wait for their turn, each way

	passed, lost atomic.Int64
}

// farBroker is a broker at 10.8.0.2 on the far end of the link; the centre is near
// to it.
func farBroker(t *testing.T, l *farLink) (url, centre string) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "mosquitto.conf")
	if err := os.WriteFile(conf, []byte("user root\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\nlistener 1883\n"), 0o600); err != nil {
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
	near, far := tunnel(t, ""), tunnel(t, "/proc/"+pid+"/ns/net")
	run(t, "ip", "addr", "add", "10.8.0.1/24", "dev", "far0")
	run(t, "ip", "link", "set", "far0", "up")
	there := func(args ...string) { run(t, "nsenter", append([]string{"-t", pid, "-n", "ip"}, args...)...) }
	there("link", "set", "lo", "up")
	run(t, "ip", "link", "add", "desk0", "type", "veth", "peer", "name", "desk0", "netns", pid)
	run(t, "ip", "addr", "add", "10.9.0.1/24", "dev", "desk0")
	run(t, "ip", "link", "set", "desk0", "up")
	there("addr", "add", "10.9.0.2/24", "dev", "desk0")
	there("link", "set", "desk0", "up")
	there("addr", "add", "10.8.0.2/24", "dev", "far0")
	there("link", "set", "far0", "up")
	var wg sync.WaitGroup
	wg.Go(func() { l.carry(far, near, 1) })
	wg.Go(func() { l.carry(near, far, 2) })
	t.Cleanup(func() { _ = near.Close(); _ = far.Close(); wg.Wait() })
	return "mqtt://10.8.0.2:1883", "mqtt://10.9.0.2:1883"
}

// tunnel makes the device far0 in a network namespace; "" is this one.
func tunnel(t *testing.T, namespace string) *os.File {
	t.Helper()
	type result struct {
		f   *os.File
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		f, err := openTunnel(namespace)
		made <- result{f, err}
	}()
	r := <-made
	if r.err != nil {
		t.Fatalf("make a tunnel device (modprobe tun?): %v", r.err)
	}
	return r.f
}

func openTunnel(namespace string) (*os.File, error) {
	if namespace != "" {
		ns, err := os.Open(namespace)
		if err != nil {
			return nil, err
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return nil, fmt.Errorf("enter %s: %w", namespace, err)
		}
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq("far0")
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true) // so that Close ends a read
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "far0"), nil
}

// carry takes packets from one end to the other until either is closed.
func (l *farLink) carry(to, from *os.File, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	way := make(chan chunk, l.queue)
	var wg sync.WaitGroup
	wg.Go(func() {
		for c := range way {
			time.Sleep(time.Until(c.due))
			_, _ = to.Write(c.data) // lost if it is down
		}
	})
	defer wg.Wait()
	defer close(way)
	free := time.Now()
	for buf := make([]byte, 2048); ; {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if rng.Float64() < l.loss {
			l.lost.Add(1)
			continue
		}
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		if l.rate > 0 {
			free = free.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
		}
		select {
		case way <- chunk{append([]byte(nil), buf[:n]...), free.Add(l.delay)}:
			l.passed.Add(1)
		default:
			l.lost.Add(1) // the modem's queue is full
		}
	}
}

// A line of 600 ms there and back that loses three packets of ten, each way: all
// that was kept arrives.
func TestFarLinkLoses30PercentAt600ms(t *testing.T) {
	overFarLink(t, &farLink{delay: 300 * time.Millisecond, loss: 0.3, queue: 512}, 5)
}

// A line of 16 kbit/s and 600 ms with a modem that lets 24 packets wait and drops
// the others.
func TestFarLinkOf16kbit(t *testing.T) {
	overFarLink(t, &farLink{delay: 300 * time.Millisecond, loss: 0.02, rate: 2000, queue: 24}, 0)
}

func overFarLink(t *testing.T, l *farLink, least int64) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	presses := 2
	if os.Getenv("KENTONGAN_CHAOS") != "" {
		presses = 12
	}
	url, desk := farBroker(t, l)
	c := startCentre(t, desk, nil)
	store := newMemoryStore()
	last := fill(t, store, 2, 10, 60)
	cfg := testConfig(url)
	cfg.Tuning.ConnectLimit, cfg.Tuning.ResendAfter = 0, 0 // of the field
	u := startUplink(t, cfg, store)
	for n := range presses {
		last[report.Complaint] = store.append(t, report.Complaint, 1)
		began := time.Now()
		c.wantAll(store, report.Complaint, last[report.Complaint], time.Minute)
		t.Logf("press %d at the centre and acknowledged after %v", n, time.Since(began).Round(10*time.Millisecond))
		if st := u.Status(); st.Connections > 30 {
			t.Fatalf("the link was given up %d times, and only answers late", st.Connections-1)
		}
	}
	wantLanes(c, store, last, time.Minute)
	st := u.Status()
	t.Logf("%d packets passed, %d lost, %d connections, RTT %v", l.passed.Load(), l.lost.Load(), st.Connections, st.RTT.Round(time.Millisecond))
	if n := l.lost.Load(); n < least {
		t.Errorf("%d packets lost: the test tests nothing", n)
	}
}
