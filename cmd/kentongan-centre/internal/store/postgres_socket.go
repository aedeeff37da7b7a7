package store

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A server that is gone without a word (its machine lost power, a standby has its
// address now) is noticed this soon, not after the quarter of an hour that Linux
// goes on sending: by what it does not confirm, or by three questions where nothing
// is on the way.
const (
	serverSilence  = 30 * time.Second
	serverAskAfter = 10 * time.Second
	serverAskEvery = 5 * time.Second
	serverAskTimes = 3
)

// postgresDialer makes the connections to the server.
func postgresDialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: serverAskAfter, Interval: serverAskEvery, Count: serverAskTimes},
		Control: func(network, _ string, c syscall.RawConn) error {
			if network == "unix" {
				return nil
			}
			var err error
			ctlErr := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(serverSilence.Milliseconds()))
			})
			if ctlErr != nil {
				return ctlErr
			}
			return err
		},
	}
}
