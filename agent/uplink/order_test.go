package uplink

import (
	"bytes"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/report"
)

// Orders are handed over, and a flood of them from a hostile client stops no
// acknowledgement.
func TestOrdersAreHandedOver(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	startCentre(t, m.url(), nil)
	store := newMemoryStore()
	cfg := testConfig(m.url())
	var mu sync.Mutex
	got := map[string][]byte{}
	cfg.OnCommand = func(name string, body []byte) {
		mu.Lock()
		defer mu.Unlock()
		got[name] = body
	}
	heard := func(name string) []byte {
		mu.Lock()
		defer mu.Unlock()
		return got[name]
	}
	startUplink(t, cfg, store)

	hostile := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + m.addr()).SetClientID("hostile").SetProtocolVersion(4))
	if tok := hostile.Connect(); !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	defer hostile.Disconnect(50)
	send := func(name string, body []byte) {
		if tok := hostile.Publish(report.Topics(testDevice).Command(name), 1, false, body); !tok.WaitTimeout(patience) || tok.Error() != nil {
			t.Fatal(tok.Error())
		}
	}
	waitFor(t, 20*time.Second, "the first order", func() bool { send("first", []byte("order")); return string(heard("first")) == "order" })
	send("large", bytes.Repeat([]byte("x"), 40<<10))
	waitFor(t, 10*time.Second, "a large one", func() bool { return heard("large") != nil })
	if n := len(heard("large")); n != report.MaxOrderBytes+1 {
		t.Errorf("%d bytes of a large one, want %d: enough to see that it is too large", n, report.MaxOrderBytes+1)
	}

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				hostile.Publish(report.Topics(testDevice).Command("noise"), 0, false, bytes.Repeat([]byte("n"), 4<<10)).WaitTimeout(time.Second)
			}
		}
	}()
	waitFor(t, 20*time.Second, "the noise", func() bool { return heard("noise") != nil })
	fill(t, store, 20, 200, 0)
	waitFor(t, 40*time.Second, "all is acknowledged through the noise", func() bool {
		return store.waiting(report.Complaint) == 0 && store.waiting(report.Event) == 0
	})
	close(stop)
	<-stopped
}
