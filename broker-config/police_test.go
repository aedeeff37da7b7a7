package brokerconfig

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"kentongan/broker-config/brokertest"
)

const shared = "kentongan/v1-shared/kiosk-7/state/stream/"

// policeACL is what the police's broker may let each do; it is theirs to write,
// and here as open as it can be.
const policeACL = "user banten\ntopic readwrite #\nuser officer\ntopic readwrite #\n"

// bridged is our broker, theirs, and a bridge.
type bridged struct {
	ours, theirs, bridge *brokertest.Mosquitto
	police               *brokertest.CA
	overseer             *client // at ours
	fanout, device       *client
}

func startBridged(t *testing.T) *bridged {
	t.Helper()
	ca, police := brokertest.NewCA(t), brokertest.NewCA(t)
	acl := append(brokerFile(t, brokertest.Build(t, "kentongan/cmd/kentongan-centre"), nil, "mosquitto-acl", "--barred"), "\nuser "+overseer+"\ntopic readwrite #\n"...)
	b := &bridged{police: police}
	b.ours = brokertest.StartMosquitto(t, ca, acl)
	b.theirs = brokertest.StartMosquitto(t, police, []byte(policeACL))
	b.bridge = brokertest.StartPoliceBridge(t, ca, b.ours.Addr, police, b.theirs.Addr)
	s := &system{addr: b.ours.Addr, ca: ca}
	b.overseer, b.fanout, b.device = s.dial(t, overseer), s.dial(t, "kentongan.fanout"), s.dial(t, "kiosk-7")
	b.overseer.subscribe(1, "#")
	return b
}

// officer is somebody at the police's broker who sees everything there.
func (b *bridged) officer(t *testing.T) *client {
	t.Helper()
	c := mustDial(t, dialling{addr: b.theirs.Addr, id: "officer", tls: b.police.TLS(b.police.Client(t, "officer"))})
	c.subscribe(1, "#")
	return c
}

// retain publishes a retained state, as the fan-out does.
func (c *client) retain(topic, text string) {
	c.t.Helper()
	token := c.c.Publish(topic, 1, true, text)
	if !token.WaitTimeout(patience) || token.Error() != nil {
		c.t.Fatalf("%s: no answer: %v", topic, token.Error())
	}
}

// TestPoliceBridge joins two real brokers: the shared branch leaves, nothing else
// does, nothing comes back, and what was sent while the other side was down
// arrives later.
func TestPoliceBridge(t *testing.T) {
	t.Parallel()
	b := startBridged(t)
	officer := b.officer(t)
	b.fanout.retain(shared+"gate", "playing")
	officer.wait(shared+"gate", "playing")

	// What is not shared stays.
	b.fanout.publish("kentongan/v1-agency/dinkes/kiosk-7/complaint", "a complaint")
	b.device.publish("kentongan/v1/kiosk-7/up/complaint", "a complaint")
	b.device.publish("kentongan/v1/kiosk-7/state/stream/gate", "raw")
	// What the other side says stays there.
	for _, topic := range []string{shared + "gate", "kentongan/v1/kiosk-7/ack/complaint", "kentongan/v1/kiosk-7/cmd/snapshot"} {
		officer.publish(topic, "injected")
	}
	for n := range 3 {
		b.fanout.publish(shared+"gate", fmt.Sprint("mark ", n))
		officer.wait(shared+"gate", fmt.Sprint("mark ", n))
	}
	officer.onlyShared()
	for seen := range b.overseer.all() {
		if strings.Contains(seen, "injected") {
			t.Errorf("came back from the police: %s", seen)
		}
	}

	// The other side is down, and the bridge is killed meanwhile.
	officer.c.Disconnect(0)
	b.theirs.Stop()
	for n := range 20 {
		b.fanout.publish("kentongan/v1-shared/kiosk-7/event/stream/gate", fmt.Sprint("while away ", n))
	}
	b.theirs.Start(t)
	officer = b.officer(t)
	for n := range 20 {
		officer.wait("kentongan/v1-shared/kiosk-7/event/stream/gate", fmt.Sprint("while away ", n))
	}
	officer.wait(shared+"gate", "playing") // retained there, too
	officer.onlyShared()
}

// onlyShared tells of what has crossed and should not have.
func (c *client) onlyShared() {
	c.t.Helper()
	for seen := range c.all() {
		if !strings.HasPrefix(seen, "kentongan/v1-shared/") && !strings.HasSuffix(seen, "injected") {
			c.t.Errorf("the police saw %s", seen)
		}
	}
}

// all is a copy of what has come.
func (c *client) all() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := map[string]int{}
	for k, v := range c.seen {
		m[k] = v
	}
	return m
}

// What waits for a police broker that is away has a size, and the bridge goes on
// beyond it.
func TestPoliceBridgeQueueIsBounded(t *testing.T) {
	t.Parallel()
	b := startBridged(t)
	officer := b.officer(t)
	b.fanout.retain(shared+"gate", "begin") // the bridge may not have subscribed yet
	officer.wait(shared+"gate", "begin")
	officer.c.Disconnect(0)
	b.theirs.Stop()
	const size, messages, limit = 60000, 800, 33554432
	filler := strings.Repeat("x", size-10)
	for n := range messages {
		b.fanout.publish(shared+"big", fmt.Sprintf("%06d %s", n, filler))
	}
	b.theirs.Start(t)
	officer = b.officer(t)
	officer.wait(shared+"big", fmt.Sprintf("%06d %s", 0, filler)) // the oldest is kept
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		b.fanout.publish(shared+"gate", "after")
		if officer.saw(shared+"gate", "after") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("nothing crosses %v after the queue was full", patience)
		}
	}
	came := 0
	for seen := range officer.all() {
		if strings.HasPrefix(seen, shared+"big ") {
			came++
		}
	}
	t.Logf("%d of %d messages of %d bytes waited", came, messages, size)
	if most := limit/size + 110; came > most { // and what is in flight
		t.Errorf("%d messages of %d waited, want at most %d", came, messages, most)
	}
}

// A police broker that wants more than it is given, and sends what nobody asked
// for, reaches nothing of ours.
func TestPoliceBridgeIsOneWay(t *testing.T) {
	t.Parallel()
	ca, police := brokertest.NewCA(t), brokertest.NewCA(t)
	ours := brokertest.StartMosquitto(t, ca, []byte("user "+overseer+"\ntopic readwrite #\nuser kentongan.police\ntopic readwrite #\n"))
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{police.Server(t).Certificate}, ClientAuth: tls.RequestClientCert})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	watch := (&system{addr: ours.Addr, ca: ca}).dial(t, overseer)
	watch.subscribe(1, "#")
	sent := make(chan struct{}, 100)
	go hostile(listener, sent)
	brokertest.StartPoliceBridge(t, ca, ours.Addr, police, listener.Addr().String())
	for range 3 {
		select {
		case <-sent:
		case <-time.After(patience):
			t.Fatal("the bridge does not connect to the hostile broker")
		}
	}
	watch.publish("mark", "1")
	watch.wait("mark", "1")
	for seen := range watch.all() {
		if strings.Contains(seen, "injected") {
			t.Errorf("came back: %s", seen)
		}
	}
}

// hostile is a broker that answers as it should and then publishes to the client
// what it never subscribed to. It tells of each that was acknowledged.
func hostile(l net.Listener, sent chan<- struct{}) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for {
				p, err := packets.ReadPacket(conn)
				if err != nil {
					return
				}
				switch p := p.(type) {
				case *packets.ConnectPacket:
					answer := packets.NewControlPacket(packets.Connack)
					_ = answer.Write(conn)
					for n, topic := range []string{shared + "gate", "kentongan/v1/kiosk-7/cmd/snapshot", "kentongan/v1-shared/x"} {
						pub := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
						pub.TopicName, pub.Payload, pub.Qos, pub.MessageID = topic, []byte("injected"), 1, uint16(n+1)
						_ = pub.Write(conn)
					}
				case *packets.PubackPacket:
					sent <- struct{}{}
				case *packets.PublishPacket:
					ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
					ack.MessageID = p.MessageID
					_ = ack.Write(conn)
				case *packets.PingreqPacket:
					_ = packets.NewControlPacket(packets.Pingresp).Write(conn)
				}
			}
		}()
	}
}
