package stream

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtp"
	"golang.org/x/sys/unix"

	"kentongan/agent/stream/streamtest"
)

// Kamera nakal: a street of cameras that misbehave, each with the true cause,
// on a network of its own with a real ARP table, real routes and a real router.
//
//	this process  10.9.0.1 cam0 ═══ street 10.9.0.2 and more (another namespace)
//	              10.5.0.1 off0 ═══ a cable that is pulled at the other end
//	              10.8.0.0/16 by 10.9.0.2, which swallows it
//	              10.7.0.0/16 by 10.9.0.2, which finds nobody there
//	              10.6.0.0/16 has no route

// nakal is one of them.
type nakal struct {
	name      string
	truth     string
	condition string
	cfg       Config
	after     func(w *running) // what happens once it plays; nil is nothing

	out *record
	run *running
}

const (
	nakalTime   = 40 * time.Second // after which the newest finding counts
	nakalSilent = 3 * time.Second
)

// street is the namespace behind cam0: pid of a process in it.
type street struct {
	t   *testing.T
	pid int
}

func newStreet(t *testing.T) *street {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	// The kernel kills it with the thread that started it.
	runtime.LockOSThread()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); runtime.UnlockOSThread() })
	s := &street{t, cmd.Process.Pid}
	ip := func(args string) { run(t, "ip", strings.Fields(args)...) }
	ip("link add cam0 type veth peer name cam1")
	ip("link set cam1 netns " + strconv.Itoa(s.pid))
	ip("addr add 10.9.0.1/24 dev cam0")
	ip("link set cam0 up")
	ip("link add off0 type veth peer name off1")
	ip("addr add 10.5.0.1/24 dev off0")
	ip("link set off0 up") // off1 stays down: no carrier
	s.do("ip link set lo up")
	for _, host := range []string{"2", "3", "11", "12", "13", "14"} {
		s.do("ip addr add 10.9.0." + host + "/24 dev cam1")
	}
	s.do("ip link set cam1 up")
	s.do("sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'")
	s.do("sh -c 'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit'")
	s.do("ip route add blackhole 10.8.0.0/16")
	s.do("ip route add unreachable 10.7.0.0/16")
	s.do("nft 'add table inet f; add chain inet f in { type filter hook input priority 0; }; add rule inet f in ip daddr 10.9.0.3 tcp dport 554 drop'")
	ip("route add 10.8.0.0/16 via 10.9.0.2")
	ip("route add 10.7.0.0/16 via 10.9.0.2")
	return s
}

// do runs a command in the street.
func (s *street) do(command string) {
	s.t.Helper()
	run(s.t, "nsenter", "-t", strconv.Itoa(s.pid), "-n", "sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; "+command)
}

// listen listens in the street: a socket belongs to the namespace that its
// thread is in when it is made.
func (s *street) listen(addr string) net.Listener {
	s.t.Helper()
	type result struct {
		l   net.Listener
		err error
	}
	out := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", s.pid))
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			out <- result{nil, err}
			return
		}
		l, err := net.Listen("tcp", addr)
		out <- result{l, err}
	}()
	r := <-out
	if r.err != nil {
		s.t.Fatal(r.err)
	}
	return r.l
}

// good starts a camera of the street that works.
func (s *street) good(host string) (url string) {
	return startRogueOn(s.t, s.listen("10.9.0."+host+":0"), func(c *rogueConn) { c.play(describeH264, c.goodPictures) })
}

func TestKameraNakal(t *testing.T) {
	t.Parallel() // it waits most of its time, in a process of its own
	if !inNamespace(t) {
		return
	}
	s := newStreet(t)
	all := append(append(nakalCameras(t), nakalNetwork(t, s)...), nakalTogether()...)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range all {
		n := &all[i]
		n.cfg.Name, n.cfg.SilentAfter = fmt.Sprintf("nakal%d", i), nakalSilent
		n.run, n.out = watch(t, n.cfg)
		if n.after != nil {
			wg.Go(func() {
				n.out.wait(t, n.name+" plays first", 0, is(StatePlaying, ""))
				n.after(n.run)
			})
		}
	}
	wg.Wait()
	<-time.After(nakalTime - time.Since(began))
	right := func() (n int) {
		for i := range all {
			if all[i].newest().Cause == all[i].truth {
				n++
			}
		}
		return n
	}
	enough := func(n int) bool { return float64(n) >= 0.95*float64(len(all)) }
	for late := time.Now().Add(patience); !enough(right()) && time.Now().Before(late); { // on a busy machine
		<-time.After(time.Second)
	}
	table := strings.Builder{}
	fmt.Fprintf(&table, "\n| %-46s | %-11s | %-11s | sure | told as |\n", "camera", "true cause", "told")
	for i := range all {
		n := &all[i]
		got := n.newest()
		mark := ""
		if got.Cause != n.truth {
			mark = " **wrong**"
		}
		fmt.Fprintf(&table, "| %-46s | %-11s | %-11s | %.2f | %s: %s%s\n", n.name, n.truth, got.Cause, got.Confidence, got.Condition, got.Detail, mark)
	}
	t.Logf("%s\n%d of %d causes are right, within %v", table.String(), right(), len(all), time.Since(began).Round(time.Second))
	if n := right(); len(all) < 20 || !enough(n) {
		t.Errorf("%d of %d causes are right, want 95 %% of at least 20", n, len(all))
	}
}

// newest is the newest finding of the condition that is present.
func (n *nakal) newest() (f Finding) {
	n.out.mu.Lock()
	defer n.out.mu.Unlock()
	for _, one := range n.out.found {
		if one.Condition == n.condition || n.condition == "" && (one.Condition == CondDown || one.Condition == CondSilent) {
			if one.Present {
				f = one
			}
		}
	}
	return f
}

// nakalCameras are those whose network is well: all on loopback.
func nakalCameras(t *testing.T) []nakal {
	cert, ca, _ := certificate(t)
	secure, m := serve(t, streamtest.Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}})
	feed(t, secure, m)
	locked, m2 := serve(t, streamtest.Options{Username: "ops", Password: "rahasia"})
	feed(t, locked, m2)
	answers := func(status string, head ...string) string {
		return startRogue(t, func(c *rogueConn) {
			c.serve("", func(method, cseq, _ string) bool {
				if method == "DESCRIBE" {
					c.answer(cseq, status, "", head...)
				}
				return method == "DESCRIBE"
			})
		})
	}
	plays := func(sdp string, stream func(c *rogueConn)) string {
		return startRogue(t, func(c *rogueConn) { c.play(sdp, func() { stream(c) }) })
	}
	nextYear := func() time.Time { return time.Now().AddDate(1, 0, 0) }
	longAgo := func() time.Time { return time.Unix(1000, 0) }
	never := func() bool { return false }
	camera := func(name, url string) nakal { return nakal{name: name, truth: CauseCamera, cfg: Config{URL: url}} }
	return []nakal{
		camera("nothing listens on its port", "rtsp://127.0.0.1:1/live"),
		camera("hangs up at once", startRogue(t, func(*rogueConn) {})),
		camera("takes the connection and says nothing", startRogue(t, func(c *rogueConn) { c.hang() })),
		camera("a web server on its port", startRogue(t, func(c *rogueConn) {
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.hang()
		})),
		camera("a byte each 200 ms (slow-loris)", startRogue(t, func(c *rogueConn) {
			c.trickle("RTSP/1.0 200 OK\r\nCSeq: 1\r\nX-" + strings.Repeat("a", 3000))
		})),
		camera("no such path (404)", answers("404 Not Found")),
		camera("no room (453)", answers("453 Not Enough Bandwidth")),
		camera("internal error (500)", answers("500 Internal Server Error")),
		camera("sends to another host (302)", answers("302 Found", "Location: rtsp://192.0.2.7/live")),
		camera("VP8", plays(strings.Replace(describeH264, "H264", "VP8", 1), (*rogueConn).goodPictures)),
		camera("sound only", plays("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:track1\r\n", (*rogueConn).goodPictures)),
		camera("sender reports, never a picture", plays(describeH264, func(c *rogueConn) { c.pictures(func(int) error { return c.frame(1, senderReport()) }) })),
		camera("says nothing at all after PLAY", plays(describeH264, (*rogueConn).hang)),
		camera("garbage in place of RTP", plays(describeH264, func(c *rogueConn) { c.pictures(func(n int) error { return c.frame(0, make([]byte, n%40)) }) })),
		camera("its encoder stops after 2 s", plays(describeH264, func(c *rogueConn) {
			c.pictures(func(n int) error {
				if n > 50 {
					return c.frame(1, senderReport())
				}
				return c.rtp(uint16(n), uint32(n)*3600, 7)
			})
		})),
		{name: "sends another size than is expected", truth: CauseCamera, condition: CondSize, cfg: Config{
			URL: locked.URL(), Username: "ops", Password: "rahasia", Expect: Expect{Width: 3840, Height: 2160}}},
		{name: "its certificate is out of date", truth: CauseCamera, cfg: Config{URL: secure.URL(), CAFile: ca, Now: nextYear}},
		{name: "another certificate than the pinned one", truth: CauseCamera, cfg: Config{URL: secure.URL(), Fingerprint: strings.Repeat("ab", 32)}},
		{name: "our clock stands in 1970, TLS", truth: CauseBoard, cfg: Config{URL: secure.URL(), CAFile: ca, Now: longAgo, ClockKnown: never}},
		{name: "wrong password (digest)", truth: CauseCredentials, cfg: Config{URL: locked.URL(), Username: "ops", Password: "salah"}},
		{name: "no password", truth: CauseCredentials, cfg: Config{URL: locked.URL()}},
		{name: "the user may not look (403)", truth: CauseCredentials, cfg: Config{URL: answers("403 Forbidden"), Username: "ops", Password: "rahasia"}},
	}
}

// trickle writes a byte each 200 ms.
func (c *rogueConn) trickle(text string) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for i := range len(text) {
		select {
		case <-c.quit:
			return
		case <-tick.C:
		}
		if _, err := c.Write([]byte(text[i : i+1])); err != nil {
			return
		}
	}
}

// nakalNetwork are those whose way or power is not well.
func nakalNetwork(t *testing.T, s *street) []nakal {
	lossy := startLossy(t)
	busy := NewSite()
	return []nakal{
		{name: "nobody at its address on our network", truth: CausePower, cfg: Config{URL: "rtsp://10.9.0.50/live"}},
		{name: "on our network, its machine refuses", truth: CauseCamera, cfg: Config{URL: "rtsp://10.9.0.2/live"}},
		{name: "on our network, answers ARP and no TCP", truth: CauseCamera, cfg: Config{URL: "rtsp://10.9.0.3/live"}},
		{name: "the last router finds nobody", truth: CausePower, cfg: Config{URL: "rtsp://10.7.0.5/live"}},
		{name: "beyond a router that swallows all", truth: CauseNetwork, cfg: Config{URL: "rtsp://10.8.0.5/live"}},
		{name: "no route to its network", truth: CauseBoard, cfg: Config{URL: "rtsp://10.6.0.5/live"}},
		{name: "our own cable is pulled", truth: CauseBoard, cfg: Config{URL: "rtsp://10.5.0.5/live"}},
		{name: "its name is not found", truth: CauseNetwork, cfg: Config{URL: "rtsp://kamera.invalid/live"}},
		{name: "loses power while it plays", truth: CausePower, cfg: Config{URL: s.good("11")}, after: func(*running) {
			s.do("ip addr del 10.9.0.11/24 dev cam1")
		}},
		{name: "hangs while it plays: ARP goes on", truth: CauseCamera, cfg: Config{URL: s.good("12")}, after: func(*running) {
			s.do("nft add rule inet f in ip daddr 10.9.0.12 drop")
			s.do("nft 'add chain inet f out { type filter hook output priority 0; }; add rule inet f out ip saddr 10.9.0.12 drop'")
		}},
		{name: "its service ends while it plays", truth: CauseCamera, cfg: Config{URL: s.good("13")}, after: func(*running) {
			s.do("nft add rule inet f in ip daddr 10.9.0.13 tcp flags != 0 reject with tcp reset")
		}},
		{name: "6 % of its packets are lost on the way", truth: CauseNetwork, condition: CondLossy, cfg: Config{URL: lossy, Transport: TransportUDP}},
		{name: "silent while this board is starved", truth: CauseBoard, cfg: Config{URL: startRogue(t, func(c *rogueConn) {
			c.play(describeH264, func() {
				c.pictures(func(n int) error {
					if n > 50 {
						busy.ticked(time.Now(), 4*time.Second, lookEvery) // as the watchdog notes when it gets no turn
						return nil
					}
					return c.rtp(uint16(n), uint32(n)*3600, 7)
				})
			})
		}), Site: busy}},
	}
}

// startLossy is a server whose UDP loses six of a hundred packets on the way.
func startLossy(t *testing.T) string {
	t.Helper()
	m := h264Media()
	const addr = "127.0.0.8"
	srv, err := streamtest.Start(streamtest.Options{Listen: addr + ":0", UDP: true, Medias: []*description.Media{m}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	run(t, "nft", "add table inet faults; add chain inet faults in { type filter hook input priority 0; }; add rule inet faults in ip saddr "+addr+" meta l4proto udp numgen random mod 100 < 6 drop")
	ssrc := rand.Uint32()
	pace(t, 40*time.Millisecond, func(frame int) {
		for i := range 5 {
			_ = srv.WritePacket(m, &rtp.Packet{Header: rtp.Header{
				Version: 2, PayloadType: 96, SequenceNumber: uint16(frame*5 + i), Timestamp: uint32(frame * 3600), SSRC: ssrc, Marker: i == 4,
			}, Payload: append([]byte{0x65, 0x88}, make([]byte, 600)...)})
		}
	})
	return srv.URL()
}

// nakalTogether are cameras that fail with others.
func nakalTogether() (all []nakal) {
	dead, gone := NewSite(), NewSite()
	for i := range 4 {
		all = append(all,
			nakal{name: fmt.Sprintf("behind a switch without power, %d of 4", i+1), truth: CausePower, cfg: Config{URL: fmt.Sprintf("rtsp://10.9.0.%d/live", 60+i), Site: dead}},
			nakal{name: fmt.Sprintf("beyond a router that finds none, %d of 4", i+1), truth: CauseNetwork, cfg: Config{URL: fmt.Sprintf("rtsp://10.7.0.%d/live", 60+i), Site: gone}})
	}
	return all
}
