package stream

import (
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"golang.org/x/sys/unix"
)

func dialError(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }

func TestBlame(t *testing.T) {
	near := Path{OnLink: true, Interface: "eth0"}
	with := func(p Path, change func(*Path)) Path { change(&p); return p }
	there := with(near, func(p *Path) { p.Neighbour = NeighbourThere })
	missing := with(near, func(p *Path) { p.Neighbour = NeighbourMissing })
	unplugged := with(near, func(p *Path) { p.LinkDown = true })
	far := Path{Interface: "eth0"}
	refused := dialError(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	noHost := dialError(os.NewSyscallError("connect", syscall.EHOSTUNREACH))
	noNet := dialError(os.NewSyscallError("connect", syscall.ENETUNREACH))
	expired := x509.CertificateInvalidError{Reason: x509.Expired}
	silence := fmt.Errorf("%w for 9s", errSilent)
	tests := map[string]struct {
		err  error
		step string
		path Path
		more func(*evidence)
		want string
	}{
		"port closed":                       {refused, StateConnecting, there, nil, CauseCamera},
		"port closed, others down too":      {refused, StateConnecting, there, func(e *evidence) { e.common = 5 }, CauseCamera},
		"401":                               {liberrors.ErrClientBadStatusCode{Code: 401}, StateAuthenticating, there, nil, CauseCredentials},
		"404":                               {liberrors.ErrClientBadStatusCode{Code: 404}, StateNegotiating, there, nil, CauseCamera},
		"no room":                           {liberrors.ErrClientBadStatusCode{Code: 453}, StateNegotiating, there, nil, CauseCamera},
		"no ARP":                            {noHost, StateConnecting, missing, nil, CausePower},
		"no ARP, entry gone again":          {noHost, StateConnecting, near, nil, CausePower},
		"no ARP, time ran out":              {os.ErrDeadlineExceeded, StateConnecting, missing, nil, CausePower},
		"no ARP, all of them":               {noHost, StateConnecting, missing, func(e *evidence) { e.common = 7 }, CausePower},
		"a router finds nobody":             {noHost, StateConnecting, far, nil, CausePower},
		"a router finds none of them":       {noHost, StateConnecting, far, func(e *evidence) { e.common = 7 }, CauseNetwork},
		"ARP, no TCP":                       {os.ErrDeadlineExceeded, StateConnecting, there, nil, CauseCamera},
		"ARP, no TCP, all of them":          {os.ErrDeadlineExceeded, StateConnecting, there, func(e *evidence) { e.common = 7 }, CauseNetwork},
		"nothing, ARP not known yet":        {os.ErrDeadlineExceeded, StateConnecting, near, nil, CausePower},
		"nothing from afar":                 {os.ErrDeadlineExceeded, StateConnecting, far, nil, CauseNetwork},
		"own cable":                         {noHost, StateConnecting, unplugged, nil, CauseBoard},
		"no route":                          {noNet, StateConnecting, Path{}, nil, CauseBoard},
		"takes the connection, says none":   {liberrors.ErrClientRequestTimedOut{}, StateNegotiating, there, nil, CauseCamera},
		"the same, board starved":           {liberrors.ErrClientRequestTimedOut{}, StateNegotiating, there, func(e *evidence) { e.starved = true }, CauseBoard},
		"hangs up":                          {io.EOF, StateNegotiating, there, nil, CauseCamera},
		"not RTSP":                          {errNotRTSP, StateNegotiating, there, nil, CauseCamera},
		"no such name":                      {&net.DNSError{IsNotFound: true}, StateResolving, Path{}, nil, CauseNetwork},
		"no name server":                    {&net.DNSError{IsTimeout: true}, StateResolving, Path{}, nil, CauseNetwork},
		"no name server, own link down":     {&net.DNSError{IsTimeout: true}, StateResolving, Path{LinkDown: true}, nil, CauseBoard},
		"certificate expired":               {expired, StateNegotiating, there, nil, CauseCamera},
		"certificate expired, board's 1970": {expired, StateNegotiating, there, func(e *evidence) { e.clockKnown = false }, CauseBoard},
		"silent, reports go on":             {silence, StateNegotiating, there, func(e *evidence) { e.trickle = true }, CauseCamera},
		"silent, takes connections":         {silence, StateNegotiating, there, func(e *evidence) { e.probe = probeAnswered }, CauseCamera},
		"silent, gone from the wire":        {silence, StateNegotiating, missing, func(e *evidence) { e.probe = probeFailed; e.hostGone = true }, CausePower},
		"silent, gone far away":             {silence, StateNegotiating, far, func(e *evidence) { e.probe = probeFailed }, CauseNetwork},
		"silent, own cable":                 {silence, StateNegotiating, unplugged, func(e *evidence) { e.probe = probeFailed }, CauseBoard},
		"silent, board starved":             {silence, StateNegotiating, there, func(e *evidence) { e.starved = true }, CauseBoard},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := gather(fmt.Errorf("describe: %w", tt.err), tt.step, netip.MustParseAddr("10.9.0.7"), tt.path)
			e.clockKnown = true
			if tt.more != nil {
				tt.more(&e)
			}
			b := e.judge()
			if b.cause != tt.want || b.confidence <= 0 || b.confidence > 1 || b.why == "" {
				t.Errorf("blames %+v, want %s", b, tt.want)
			}
		})
	}
}

// TestRemember: what was known of a fault is not lost with the next try.
func TestRemember(t *testing.T) {
	was := evidence{class: ClassUnreachable, hostGone: true, path: Path{OnLink: true, Interface: "eth0", Neighbour: NeighbourThere}}
	e := evidence{class: ClassTimeout, step: StateConnecting, path: Path{OnLink: true, Interface: "eth0"}}
	if e.remember(was); !e.hostGone || e.path.Neighbour != NeighbourThere {
		t.Errorf("forgot: %+v", e)
	}
	e = evidence{class: ClassTimeout, step: StateConnecting, path: Path{OnLink: true, Interface: "eth0", Neighbour: NeighbourMissing}}
	if e.remember(was); e.path.Neighbour != NeighbourMissing {
		t.Errorf("what is known now is not believed: %+v", e)
	}
}

// TestSite: which faults are one fault.
func TestSite(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	type cam struct {
		host, group string
		down        time.Duration // after now; negative: it is up
	}
	up := time.Duration(-1)
	tests := map[string]struct {
		cams []cam // asked is the first
		want int
	}{
		"alone":                          {[]cam{{"a", "", 0}}, 0},
		"one of two":                     {[]cam{{"a", "", 0}, {"b", "", up}}, 0},
		"both":                           {[]cam{{"a", "", 0}, {"b", "", 5 * time.Second}}, 1},
		"both, an hour apart":            {[]cam{{"a", "", 0}, {"b", "", time.Hour}}, 0},
		"two of ten":                     {[]cam{{"a", "", 0}, {"b", "", 0}, {"c", "", up}, {"d", "", up}, {"e", "", up}, {"f", "", up}, {"g", "", up}, {"h", "", up}, {"i", "", up}, {"j", "", up}}, 0},
		"three of ten":                   {[]cam{{"a", "", 0}, {"b", "", 0}, {"c", "", 9 * time.Second}, {"d", "", up}, {"e", "", up}, {"f", "", up}, {"g", "", up}, {"h", "", up}, {"i", "", up}, {"j", "", up}}, 2},
		"three channels of one recorder": {[]cam{{"a", "", 0}, {"a", "", 0}, {"a", "", 0}, {"d", "", up}}, 0},
		"its switch, of a large site":    {[]cam{{"a", "poe", 0}, {"b", "poe", 0}, {"c", "", up}, {"d", "", up}, {"e", "", up}, {"f", "", up}, {"g", "", up}}, 1},
		"half of its switch":             {[]cam{{"a", "poe", 0}, {"b", "poe", up}, {"c", "", up}}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := NewSite()
			for i, c := range tt.cams {
				id := fmt.Sprint(i)
				s.add(id, c.host, c.group)
				if c.down >= 0 {
					s.set(id, true, now.Add(c.down))
					s.set(id, true, now.Add(c.down+time.Hour)) // said again: it counts from the first
				}
			}
			if got := s.common("0"); got != tt.want {
				t.Errorf("%d went down with it, want %d", got, tt.want)
			}
			s.set("0", false, now)
			if got := s.common("0"); got != 0 {
				t.Errorf("%d went down with one that is up", got)
			}
		})
	}
}

func TestStarved(t *testing.T) {
	s := NewSite()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for i := range 200 { // all streams are a little late, which adds up to nothing
		s.ticked(now.Add(time.Duration(i)*time.Millisecond), time.Second, 250*time.Millisecond)
	}
	if s.starved(now.Add(time.Second), 10*time.Second) {
		t.Error("starved for being 750 ms late")
	}
	s.ticked(now, 3*time.Second, 250*time.Millisecond)
	if !s.starved(now.Add(9*time.Second), 10*time.Second) {
		t.Error("not starved within 9 s of being 3 s late")
	}
	if s.starved(now.Add(11*time.Second), 10*time.Second) {
		t.Error("still starved 11 s later")
	}
}

// neighbourMessage is one answer of the kernel.
func neighbourMessage(addr string, state uint16) []byte {
	dst := netip.MustParseAddr(addr).AsSlice()
	b := make([]byte, 16+12, 64)
	binary.LittleEndian.PutUint16(b[4:], unix.RTM_NEWNEIGH)
	binary.LittleEndian.PutUint16(b[24:], state)
	b = append(b, 10, 0, 2, 0, 2, 4, 6, 8, 10, 12, 0, 0) // the link's address, padded
	b = append(b, byte(4+len(dst)), 0, 1, 0)
	b = append(b, dst...)
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

func TestNeighbour(t *testing.T) {
	var table []byte
	for addr, state := range map[string]uint16{
		"10.9.0.7": unix.NUD_REACHABLE, "10.9.0.8": unix.NUD_FAILED, "10.9.0.9": unix.NUD_PERMANENT, "10.9.0.10": unix.NUD_STALE,
		"10.9.0.11": unix.NUD_PROBE, "10.9.0.12": unix.NUD_INCOMPLETE, "fe80::1": unix.NUD_REACHABLE,
	} {
		table = append(table, neighbourMessage(addr, state)...)
	}
	for addr, want := range map[string]string{
		"10.9.0.7": NeighbourThere, "10.9.0.8": NeighbourMissing, "10.9.0.9": NeighbourThere, "10.9.0.10": NeighbourUnknown,
		"10.9.0.11": NeighbourUnknown, "10.9.0.12": NeighbourMissing, "10.9.0.1": NeighbourUnknown, "fe80::1": NeighbourThere,
	} {
		if got := neighbourIn(table, netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is %q, want %q", addr, got, want)
		}
	}
	if got := neighbour(netip.MustParseAddr("203.0.113.77")); got != NeighbourUnknown {
		t.Errorf("an address of nowhere is %q to the kernel", got)
	}
}

func TestRouteFor(t *testing.T) {
	table := []byte(`Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wwan0	00000000	0100A8C0	0003	0	0	0	00000000	0	0	0
eth0	0009000A	00000000	0001	0	0	0	00FFFFFF	0	0	0
lo	0008000A	00000000	0201	0	0	0	00FFFFFF	0	0	0
eth1	0007000A	00000000	0000	0	0	0	00FFFFFF	0	0	0
`)
	for addr, want := range map[string]string{"10.0.9.7": "eth0 true", "10.0.8.7": " false", "10.0.7.7": "wwan0 true", "192.0.2.1": "wwan0 true"} {
		name, ok := routeFor(table, netip.MustParseAddr(addr))
		if got := fmt.Sprint(name, " ", ok); got != want {
			t.Errorf("%s goes by %s, want %s", addr, got, want)
		}
	}
	if name, ok := routeFor(nil, netip.MustParseAddr("10.0.0.1")); ok {
		t.Errorf("without a table it goes by %s", name)
	}
}

func TestOverflows(t *testing.T) {
	table := []byte("Tcp: RtoAlgorithm RtoMin\nTcp: 1 200\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors\nUdp: 100 2 3 90 41 0\n")
	if n, ok := udpOverflows(table); !ok || n != 41 {
		t.Errorf("%d, %v; want 41", n, ok)
	}
	for _, bad := range []string{"", "Udp: A B\nUdp: 1 2\n", "Udp: RcvbufErrors\nUdp:\n", "Udp: RcvbufErrors\nUdp: x\n"} {
		if n, ok := udpOverflows([]byte(bad)); ok {
			t.Errorf("%q: %d", bad, n)
		}
	}
	s := NewSite()
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for i, want := range []uint64{0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 50, 50} {
		if got := s.overflowed(now.Add(time.Duration(i)*time.Second), 1000+uint64(i)*5, 10*time.Second); got != want {
			t.Errorf("after %d s: %d within 10 s, want %d", i, got, want)
		}
	}
}

// FuzzTables: what the kernel's tables hold never panics.
func FuzzTables(f *testing.F) {
	f.Add([]byte("eth0 0009000A 0 1 0 0 0 00FFFFFF\nUdp: RcvbufErrors\nUdp: 1\n"))
	f.Add(neighbourMessage("10.9.0.7", unix.NUD_REACHABLE))
	to := netip.MustParseAddr("10.9.0.7")
	f.Fuzz(func(_ *testing.T, table []byte) {
		neighbourIn(table, to)
		routeFor(table, to)
		udpOverflows(table)
	})
}

func TestProbe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	if got, err := probe(t.Context(), new(net.Dialer).DialContext, addr); got != probeAnswered || err != nil {
		t.Errorf("a listener: %v, %v", got, err)
	}
	_ = l.Close()
	if got, err := probe(t.Context(), new(net.Dialer).DialContext, addr); got != probeAnswered || err != nil {
		t.Errorf("a closed port, whose machine answers: %v, %v", got, err)
	}
	if got, err := probe(t.Context(), new(net.Dialer).DialContext, netip.MustParseAddrPort("255.255.255.255:554")); got != probeFailed || err == nil || errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("an impossible address: %v, %v", got, err)
	}
}
