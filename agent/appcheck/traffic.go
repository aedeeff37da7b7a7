package appcheck

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Headers of a segment, in bytes: TCP with the time stamp option that Linux
// sends, and IP.
const (
	tcpHeader  = 32
	ipv4Header = 20
	ipv6Header = 40
)

// wireBytes asks the kernel what a connection has cost so far, both ways:
// payload, with what was sent again and what we never read, and the headers of
// its segments. 0 when the kernel can't tell (before Linux 4.6). The end of
// the connection, which follows, is not in it.
func wireBytes(conn net.Conn) int64 {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	var info *unix.TCPInfo
	if cerr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); cerr != nil || err != nil {
		return 0
	}
	header := int64(tcpHeader + ipv4Header)
	if a, ok := tcp.RemoteAddr().(*net.TCPAddr); ok && a.IP.To4() == nil {
		header = tcpHeader + ipv6Header
	}
	return int64(info.Bytes_sent+info.Bytes_received) + int64(info.Segs_out+info.Segs_in)*header
}

// traffic is what the looks of late cost.
type traffic struct {
	mean float64 // bytes of a look
}

// add takes one look's bytes and returns what a day of such looks costs.
func (t *traffic) add(bytes int64, every time.Duration) int64 {
	if t.mean == 0 {
		t.mean = float64(bytes)
	}
	t.mean += (float64(bytes) - t.mean) / 8
	return int64(t.mean * float64(24*time.Hour) / float64(every))
}
