package stream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// probeState is what a second connection to a silent camera met.
type probeState int

const (
	probeNone     probeState = iota // not asked, or still on the way
	probeAnswered                   // it takes connections, or refuses them itself
	probeFailed
)

// probeTimeout is short, so that the answer is there when the silence is told.
const probeTimeout = 2 * time.Second

// dialFunc is Config.Dial.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// probe asks whether the camera's machine is still there: a silence on an open
// TCP connection looks the same when the encoder has stopped and when the
// cable was pulled.
func probe(ctx context.Context, dial dialFunc, addr netip.AddrPort) (probeState, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := dial(ctx, "tcp", addr.String())
	if err == nil {
		_ = conn.Close()
		return probeAnswered, nil
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return probeAnswered, nil
	}
	return probeFailed, err
}
