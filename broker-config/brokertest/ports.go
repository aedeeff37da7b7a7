package brokertest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// A program of tests leases ports by the block, and gives each of them once. To ask
// the kernel alone is not enough: a port on which somebody will listen in a moment,
// or again after a restart, is free for it, and two tests that got the same one
// would share a broker without a word.
const (
	portsFrom  = 10000
	portsTo    = 32768 // from here on the kernel gives them to outgoing connections
	portsBlock = 64
)

// lease is what this process may still give away.
var lease struct {
	mu   sync.Mutex // guards all below
	next int
	end  int
	held []*os.File // locked for as long as the process lives
}

// FreePorts is Ports for a test.
func FreePorts(t testing.TB, n int) int {
	t.Helper()
	first, err := Ports(n)
	must(t, err)
	return first
}

// FreeAddress is a free port of loopback, as HOST:PORT, for one who listens there
// later.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(FreePorts(t, 1)))
}

// Ports finds n ports in a row, 64 at most, that nobody listens on and that no other
// test of this user is given while this process lives. They are below those that the
// kernel gives to outgoing connections: one of these would have taken the port of a
// broker that is away for some seconds. It may be called from several goroutines.
func Ports(n int) (first int, err error) {
	if n < 1 || n > portsBlock {
		return 0, fmt.Errorf("%d ports in a row: 1 to %d can be had", n, portsBlock)
	}
	lease.mu.Lock()
	defer lease.mu.Unlock()
	for {
		for ; lease.next+n <= lease.end; lease.next++ {
			if free(lease.next, n) {
				first, lease.next = lease.next, lease.next+n
				return first, nil
			}
		}
		if err := leaseBlock(); err != nil {
			return 0, err
		}
	}
}

// free tells whether nobody listens on n ports from first on.
func free(first, n int) bool {
	for p := first; p < first+n; p++ {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			return false
		}
		l.Close() //nolint:errcheck // it was a question only
	}
	return true
}

// leaseBlock takes a block that no living process has. The kernel lets go of the
// lock when the process ends, however it ends.
func leaseBlock() error {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("kentongan-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("lease ports: %w", err)
	}
	const blocks = (portsTo - portsFrom) / portsBlock
	begin := rand.IntN(blocks)
	for i := range blocks {
		block := (begin + i) % blocks
		f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(block)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return fmt.Errorf("lease ports: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close() //nolint:errcheck // nothing was written
			continue
		}
		lease.held = append(lease.held, f)
		lease.next = portsFrom + block*portsBlock
		lease.end = lease.next + portsBlock
		return nil
	}
	return fmt.Errorf("lease ports: all %d blocks are taken; see who holds the files in %s", blocks, dir)
}
