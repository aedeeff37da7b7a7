package uplink

import (
	"context"
	"encoding/binary"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/report"
)

func itoa(n int) string { return strconv.Itoa(n) }

// What a name server does.
const (
	dnsRight    = iota
	dnsSilent   // takes the question and says nothing
	dnsNoName   // NXDOMAIN
	dnsServfail // SERVFAIL
	dnsGarbage  // an answer that is none
	dnsWrong    // an address where nobody listens
)

// nameServer answers each question for an A record with 127.0.0.1, or does what
// how says (RFC 1035, 4.1).
type nameServer struct {
	conn  net.PacketConn
	how   atomic.Int32
	asked atomic.Int32
	wg    sync.WaitGroup
}

func startNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{conn: conn}
	s.wg.Go(s.serve)
	t.Cleanup(func() { _ = conn.Close(); s.wg.Wait() })
	return s
}

func (s *nameServer) serve() {
	buf := make([]byte, 512)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		s.asked.Add(1)
		if a := answer(buf[:n], int(s.how.Load())); a != nil {
			_, _ = s.conn.WriteTo(a, from)
		}
	}
}

// answer makes a name server's answer; nil is none.
func answer(q []byte, how int) []byte {
	const head = 12
	end := head
	for end < len(q) && q[end] != 0 {
		end += 1 + int(q[end])
	}
	end += 5 // the root, type and class
	if end > len(q) || how == dnsSilent {
		return nil
	}
	if how == dnsGarbage {
		return append(append([]byte{}, q[:4]...), 0xff, 0xff, 0xff)
	}
	a := append([]byte{}, q[:end]...)
	a[2], a[3] = 0x84, 0x80 // an answer, with authority
	clear(a[6:head])
	switch {
	case how == dnsNoName:
		a[3] |= 3
	case how == dnsServfail:
		a[3] |= 2
	case binary.BigEndian.Uint16(q[end-4:]) == 1: // type A
		a[7] = 1
		ip := []byte{127, 0, 0, 1}
		if how == dnsWrong {
			ip = []byte{127, 9, 9, 9}
		}
		a = append(a, 0xc0, head, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		a = append(a, ip...)
	}
	return a
}

// The name server goes, lies or says nonsense, at the start and later. A connection
// that stands does not need it; one that broke is not made, which is named; when
// it answers again, all arrives.
func TestNameServerGoesAndComesBack(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	p := startProxy(t, m.addr())
	s := startNameServer(t)
	cfg := testConfig("mqtt://centre.test:" + itoa(p.l.Addr().(*net.TCPAddr).Port))
	cfg.Tuning.ConnectLimit = 2 * time.Second
	cfg.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
	faults := map[int]failure{dnsNoName: failDNS, dnsServfail: failDNS, dnsGarbage: failTimeout, dnsSilent: failTimeout, dnsWrong: failNetwork}
	s.how.Store(dnsNoName)
	store := newMemoryStore()
	u := startUplink(t, cfg, store)
	waitFor(t, 60*time.Second, "the name does not resolve at the start", func() bool { return u.saw(stateLost, failDNS.words()) })
	for how := dnsSilent; how <= dnsWrong; how++ {
		s.how.Store(dnsRight)
		u.Wake()
		waitFor(t, 60*time.Second, "connected", func() bool { return u.Status().Connected })
		s.how.Store(int32(how))
		c.wantAll(store, report.Complaint, store.append(t, report.Complaint, 1), 60*time.Second)
		before := s.asked.Load()
		last := store.append(t, report.Complaint, 1)
		p.refuse(true) // or the press may still leave before the cut
		p.cut()
		waitFor(t, 60*time.Second, "the fault is named", func() bool {
			st := u.Status()
			kind := classifyText(st.LastError)
			return !st.Connected && s.asked.Load() > before && (kind == faults[how] || how != dnsWrong && kind == failDNS)
		})
		p.refuse(false)
		if how != dnsWrong && u.Status().Connected {
			t.Errorf("fault %d: connected without a name", how)
		}
		s.how.Store(dnsRight)
		u.Wake()
		c.wantAll(store, report.Complaint, last, 60*time.Second)
	}
	t.Attr("injections", itoa(int(dnsWrong)+1))
}
