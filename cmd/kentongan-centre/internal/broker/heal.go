package broker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// roomAgain is how much of the disk has to be free before a broker that
	// could not write begins anew; less would be used up in minutes.
	roomAgain = 32 << 20
	lookEvery = 2 * time.Second
)

// NATS keeps a write error of a stream for ever: after a disk that was full for
// a moment nothing is stored, and no PUBACK given, until the server is started
// again. Its log is the only place where it says so.
var cantStore = []string{"JetStream failed to store", "critical write error", "disabling JetStream", "JetStream out of resources", "JetStream out of File"}

// heard looks for such an error in a line of the log. A line about a client
// begins with its address, and may hold whatever the client calls itself.
func (b *Broker) heard(line string) {
	if !strings.HasPrefix(line, "JetStream ") && !strings.HasPrefix(line, "Filesystem ") {
		return
	}
	for _, text := range cantStore {
		if strings.Contains(line, text) {
			select {
			case b.sick <- struct{}{}:
			default:
			}
			return
		}
	}
}

// Run starts the server anew when it could not write and there is room again,
// until ctx ends. While it waits the server is down, so that devices see at once
// that nobody takes what they send. An error means that it didn't come back.
func (b *Broker) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.sick:
		}
		b.log.Error("broker can't write", "dir", b.opts.StoreDir, "needs_bytes", roomAgain)
		b.Stop()
		if !b.waitForRoom(ctx) {
			return nil
		}
		select { // what the old server still said
		case <-b.sick:
		default:
		}
		if err := b.serve(); err != nil {
			return err
		}
		b.log.Info("broker is back", "addr", b.addr)
	}
}

func (b *Broker) waitForRoom(ctx context.Context) bool {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		free, err := b.free(b.opts.StoreDir)
		if err != nil {
			b.log.Warn("disk not measured", "err", err)
		} else if free >= roomAgain {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// freeBytes is what this user may still write where dir is.
func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
