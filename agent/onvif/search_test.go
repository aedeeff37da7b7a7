package onvif

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/agent/onvif/onviftest"
	"kentongan/broker-config/brokertest"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// until searches again and again until enough are found: the answers of a busy
// machine may be late.
func until(t *testing.T, want int, o SearchOptions) []Found {
	t.Helper()
	o.Wait = 500 * time.Millisecond
	for end := time.Now().Add(90 * time.Second); ; {
		list, err := Search(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) >= want {
			return list
		}
		if time.Now().After(end) {
			t.Fatalf("found %+v, want %d", list, want)
		}
	}
}

// TestMulticast finds cameras by the real group, on the loopback interface.
func TestMulticast(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip("no lo:", err)
	}
	port := brokertest.FreePorts(t, 1)
	honest := camera(t, onviftest.Options{Profiles: two("H264")})
	liar := camera(t, onviftest.Options{XAddr: "http://192.0.2.7:81/onvif/device_service http://[fe80::1]/x"})
	for _, c := range []*onviftest.Camera{honest, liar} {
		if err := c.AnswerMulticast(lo, port); err != nil {
			t.Fatal(err)
		}
	}
	list := until(t, 2, SearchOptions{Interfaces: []string{"lo"}, port: uint16(port)})
	if len(list) != 2 {
		t.Fatalf("found %+v, want 2: both types of probe, twice each, and each camera once", list)
	}
	for _, f := range list {
		switch {
		case f.Addr != loopback || f.Name != "Gerbang Utara" || f.Hardware != "HW-1" || f.Location != "Serang":
			t.Errorf("found %+v", f)
		case f.URL == honest.URL():
		case f.URL == "http://127.0.0.1:81/onvif/device_service" && strings.Contains(strings.Join(f.Notes, ""), "192.0.2.7:81"):
		default:
			t.Errorf("found %+v", f)
		}
	}
	cameras := Look(t.Context(), []Found{{URL: honest.URL(), Addr: loopback}}, LookOptions{})
	if c := cameras[0]; c.Problem != "" || c.Model != "Kamera 1" || len(c.Profiles) != 2 || c.OffsetMS == nil {
		t.Errorf("camera %+v", c)
	}
}

func TestUnicast(t *testing.T) {
	c := camera(t, onviftest.Options{})
	port, err := c.AnswerUnicast("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := ParseAddresses("127.0.0.0/29")
	if err != nil {
		t.Fatal(err)
	}
	list := until(t, 1, SearchOptions{Addresses: addrs, port: uint16(port)})
	if len(list) != 1 || list[0].URL != c.URL() {
		t.Errorf("found %+v", list)
	}
}

// TestNetwork finds a camera over a wire, from one network namespace to
// another, by multicast on every interface.
func TestNetwork(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root for network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs iproute2")
	}
	ns := fmt.Sprintf("onvif%d", os.Getpid())
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	for _, n := range []string{ns + "a", ns + "b"} {
		ip("netns", "add", n)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", n).Run() })
	}
	ip("link", "add", "cam0", "netns", ns+"a", "type", "veth", "peer", "name", "eth0", "netns", ns+"b")
	ip("-n", ns+"a", "addr", "add", "10.77.0.1/24", "dev", "cam0")
	ip("-n", ns+"b", "addr", "add", "10.77.0.2/24", "dev", "eth0")
	ip("-n", ns+"a", "link", "set", "cam0", "up")
	ip("-n", ns+"b", "link", "set", "eth0", "up")

	var c *onviftest.Camera
	in(t, ns+"a", func() {
		var err error
		if c, err = onviftest.Start(onviftest.Options{Listen: "10.77.0.1:0"}); err != nil {
			t.Fatal(err)
		}
		cam0, err := net.InterfaceByName("cam0")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AnswerMulticast(cam0, probePort); err != nil {
			t.Fatal(err)
		}
	})
	defer c.Close() //nolint:errcheck // its sockets only
	in(t, ns+"b", func() {
		list := until(t, 1, SearchOptions{})
		if list[0].URL != c.URL() || list[0].Addr != netip.MustParseAddr("10.77.0.1") {
			t.Errorf("found %+v", list)
		}
	})
	if v := c.Violations(); len(v) > 0 {
		t.Error(v)
	}
}

// in runs f on a thread in another network namespace. Sockets stay where they
// were made.
func in(t *testing.T, ns string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		fd, err := os.Open("/run/netns/" + ns)
		if err != nil {
			t.Error(err)
			return
		}
		defer fd.Close()
		if err := unix.Setns(int(fd.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// TestLastAddressIsAsked: to ask many addresses takes longer than answers are
// waited for.
func TestLastAddressIsAsked(t *testing.T) {
	last, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 9, 9)})
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	addrs := slices.Repeat([]netip.Addr{netip.MustParseAddr("127.0.9.1")}, 200)
	addrs = append(addrs, netip.MustParseAddr("127.0.9.9"))
	port := last.LocalAddr().(*net.UDPAddr).Port
	if _, err := Search(t.Context(), SearchOptions{Addresses: addrs, Wait: time.Millisecond, port: uint16(port)}); err != nil {
		t.Fatal(err)
	}
	_ = last.SetReadDeadline(time.Now().Add(time.Second)) // it has come, or never will
	if _, _, err := last.ReadFrom(make([]byte, 2000)); err != nil {
		t.Errorf("the last address was not asked: %v", err)
	}
}

// TestAnswersOfStrangers feeds datagrams straight in.
func TestAnswersOfStrangers(t *testing.T) {
	id := "urn:uuid:1"
	answer := func(id, endpoint, xaddrs string) []byte {
		return fmt.Appendf(nil, `<e:Envelope xmlns:e="e" xmlns:w="w" xmlns:d="d"><e:Header><w:RelatesTo>%s</w:RelatesTo></e:Header><e:Body><d:ProbeMatches><d:ProbeMatch>`+
			`<w:EndpointReference><w:Address>%s</w:Address></w:EndpointReference><d:XAddrs>%s</d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>`, id, endpoint, xaddrs)
	}
	s := &search{ids: map[string]bool{id: true}, byEndpoint: map[string]int{}}
	one, two := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	s.take(answer(id, "urn:uuid:a", "http://10.0.0.1/onvif/device_service"), one)
	s.take(answer(id, "urn:uuid:a", "http://10.0.0.2/onvif/device_service"), two) // claims to be the first
	s.take(answer(id, "urn:uuid:a", "http://10.0.0.2/onvif/device_service"), two)
	s.take(answer("urn:uuid:2", "urn:uuid:b", "http://10.0.0.2/"), two) // answers nobody
	s.take([]byte("noise"), two)
	s.take(answer(id, "", "http://127.0.0.1:9/x http://10.0.0.2:8080/y"), two)
	if len(s.found) != 2 {
		t.Fatalf("found %+v", s.found)
	}
	if f := s.found[0]; f.URL != "http://10.0.0.1/onvif/device_service" || len(f.Others) != 1 || f.Others[0] != two {
		t.Errorf("first %+v", f)
	}
	if f := s.found[1]; f.URL != "http://10.0.0.2:8080/y" || len(f.Notes) != 0 {
		t.Errorf("second %+v: of several addresses, the one where the answer came from", f)
	}
	for i := range 3 * maxFound {
		s.take(answer(id, fmt.Sprintf("urn:uuid:flood-%d", i), "http://10.0.0.2/"), two)
	}
	if len(s.found) != maxFound {
		t.Errorf("%d found after a flood, want %d", len(s.found), maxFound)
	}
	s.datagrams = maxDatagrams
	if s.take([]byte("one more"), one) {
		t.Error("looks at datagrams for ever")
	}
}

func TestSearchSaysWhatIsWrong(t *testing.T) {
	for name, o := range map[string]SearchOptions{
		"no such network interface": {Interfaces: []string{"nowhere0"}},
		"at most 4096":              {Addresses: make([]netip.Addr, MaxAddresses+1)},
	} {
		if _, err := Search(t.Context(), o); err == nil || !strings.Contains(err.Error(), strings.Split(name, ",")[0]) && !strings.Contains(err.Error(), "no network interface") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if list, err := Search(ctx, SearchOptions{Addresses: []netip.Addr{loopback}, Wait: time.Minute}); err != nil || len(list) != 0 || time.Since(began) > 30*time.Second {
		t.Errorf("after the end: %v, %v in %v", list, err, time.Since(began))
	}
}

// TestReachable: of addresses that no probe reaches, those that speak ONVIF.
func TestReachable(t *testing.T) {
	c := camera(t, onviftest.Options{Username: "ops", Password: "p"})
	closed := brokertest.FreeAddress(t)
	list := Reachable(t.Context(), []string{closed, c.Host()}, 30*time.Second)
	if len(list) != 1 || list[0].URL != c.URL() || list[0].Addr != loopback {
		t.Errorf("found %+v", list)
	}
}

func FuzzMatches(f *testing.F) {
	f.Add([]byte(`<e:Envelope xmlns:e="e"><e:Body><ProbeMatches><ProbeMatch><XAddrs>http://a/ b</XAddrs><Scopes>onvif://www.onvif.org/name/%41%zz</Scopes></ProbeMatch></ProbeMatches></e:Body></e:Envelope>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, list, err := parseMatches(data)
		if err != nil {
			return
		}
		for _, m := range list {
			f := Found{Addr: loopback}
			u, err := deviceURL(m.address(&f))
			if err != nil || !sameHost(u.Hostname(), "127.0.0.1") {
				t.Errorf("address %q leads elsewhere: %v", m.address(&f), err)
			}
			_ = m.scope("name")
		}
	})
}
