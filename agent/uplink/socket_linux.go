package uplink

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// The kernel may hold so much that it has not sent yet; what it holds can't
	// be overtaken by a press any more.
	notSentBytes = 16 << 10
	// The kernel doubles it for its own book-keeping.
	sendBufferBytes = 64 << 10
)

// socketControl returns the setup of a socket before it connects. An unanswered
// segment ends the connection after silence; device names the interface that
// the socket is bound to.
func socketControl(device string, silence time.Duration) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var err error
		ctlErr := c.Control(func(fd uintptr) { err = setSocket(int(fd), device, silence) })
		if ctlErr != nil {
			return ctlErr
		}
		return err
	}
}

func setSocket(fd int, device string, silence time.Duration) error {
	if device != "" {
		if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device); err != nil {
			return fmt.Errorf("bind to interface %s: %w", device, err)
		}
	}
	options := []struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds())},
		{unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSentBytes},
		// While less than four segments fly, as with a lone press, a lost one is
		// repeated at equal distances six times before the distance doubles.
		{unix.IPPROTO_TCP, unix.TCP_THIN_LINEAR_TIMEOUTS, 1},
		{unix.SOL_SOCKET, unix.SO_SNDBUF, sendBufferBytes},
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("socket option %d/%d: %w", o.level, o.name, err)
		}
	}
	return nil
}
