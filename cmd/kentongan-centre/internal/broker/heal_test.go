package broker

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
)

func listens(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	_ = c.Close() // it was a question only
	return true
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(90 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// A disk that was full is the end of NATS's streams until it starts again.
func TestBrokerComesBackWhenThereIsRoom(t *testing.T) {
	b, err := Start(brokertest.FreeAddress(t), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Stop()
	var room atomic.Int64
	b.free = func(string) (int64, error) { return room.Load(), nil }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()

	first := b.server()
	first.Warnf("%s", "a line about something else")
	first.Errorf("%s", "JetStream failed to store a msg on stream '$G > $MQTT_msgs': write 2.blk: no space left on device")
	until(t, "down while the disk is full", func() bool { return !listens(b.addr) })
	room.Store(roomAgain)
	until(t, "back at its address", func() bool { return listens(b.addr) })
	if b.server() == first {
		t.Error("it is the same server")
	}

	room.Store(0)
	b.heard("JetStream failed to store")
	until(t, "down again", func() bool { return !listens(b.addr) })
	cancel() // in the middle of waiting for room
	if err := <-ended; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestOnlyWriteErrorsCount(t *testing.T) {
	tests := map[string]bool{
		"JetStream failed to store a msg on stream 'x': no space left on device": true,
		"Filesystem permission denied while writing msg, disabling JetStream: x": true,
		"JetStream stream '$G > $MQTT_msgs' critical write error: no space":      true,
		"Filestore [$MQTT_msgs] Stream state too short (0 bytes)":                false,
		"127.0.0.1:52 - mid:35 - \"JetStream failed to store\" - read error":     false,
	}
	for line, want := range tests {
		b := &Broker{sick: make(chan struct{}, 1)}
		b.heard(line)
		b.heard(line)
		if got := len(b.sick) == 1; got != want {
			t.Errorf("%q: sick %v, want %v", line, got, want)
		}
	}
}
