package drain

import (
	"errors"
	"fmt"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/bench/broker"
	"kentongan/agent/bench/store"
	"kentongan/agent/bench/wire"
	"kentongan/agent/report"
)

// Raw is the measure that the others are compared with.
const Raw = "raw socket, pipelined"

// Peers are what one would use in place of our uplink. All but the bridge send
// out of memory, without a disk to read or a cursor to move.
func Peers() []Kind {
	return []Kind{
		{Name: Raw, From: "memory", prepare: rawSocket},
		{Name: "paho, 1 in flight", From: "memory", prepare: paho(1)},
		{Name: "paho, 16 in flight", From: "memory", prepare: paho(16)},
		{Name: "paho, 64 in flight", From: "memory", prepare: paho(64)},
		{Name: "paho, 1000 in flight", From: "memory", prepare: paho(1000)},
		{Name: "Mosquitto bridge, 20 in flight (its default)", From: "memory of Mosquitto", prepare: bridge(20)},
		{Name: "Mosquitto bridge, no limit", From: "memory of Mosquitto", prepare: bridge(0)},
	}
}

func nothing() error { return nil }

// payloads are finished records of the telemetry lane.
func payloads(n int) ([][]byte, error) {
	recs, err := store.Records(1, n, report.Telemetry)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, n)
	for i := range recs {
		out[i] = recs[i].Line
	}
	return out, nil
}

// rawWindow is far more than is ever in flight on loopback, so the socket never
// waits for a PUBACK.
const rawWindow = 20000

func rawSocket(_, addr string, n int) (func() error, func() error, error) {
	lines, err := payloads(n)
	return func() error { return wire.Pipeline(addr, topic, lines, rawWindow) }, nothing, err
}

// paho is paho.mqtt.golang as its users write it, with so many publishes in
// flight: the oldest token is waited for when the window is full.
func paho(window int) func(string, string, int) (func() error, func() error, error) {
	return func(_, addr string, n int) (func() error, func() error, error) {
		lines, err := payloads(n)
		return func() error { return pahoSend(addr, lines, window) }, nothing, err
	}
}

func pahoSend(addr string, lines [][]byte, window int) error {
	o := mqtt.NewClientOptions().AddBroker("tcp://" + addr).SetClientID("bench-paho").
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetOrderMatters(false)
	c := mqtt.NewClient(o)
	if t := c.Connect(); !t.WaitTimeout(10*time.Second) || t.Error() != nil {
		return fmt.Errorf("connect: %w", errors.Join(t.Error(), errors.New("no CONNACK")))
	}
	defer c.Disconnect(100)
	flying := make([]mqtt.Token, window)
	for i, line := range lines {
		if err := wait(flying[i%window]); err != nil {
			return err
		}
		flying[i%window] = c.Publish(topic, 1, false, line)
	}
	for _, t := range flying {
		if err := wait(t); err != nil {
			return err
		}
	}
	return nil
}

func wait(t mqtt.Token) error {
	if t == nil {
		return nil
	}
	if !t.WaitTimeout(time.Minute) {
		return errors.New("no PUBACK in a minute")
	}
	return t.Error()
}

// bridge is a Mosquitto on the device, which holds the backlog in memory and
// sends it on when the centre's broker can be reached.
func bridge(inFlight int) func(string, string, int) (func() error, func() error, error) {
	return func(dir, addr string, n int) (func() error, func() error, error) {
		local, err := Bridge(dir, addr, n, inFlight)
		if err != nil {
			return nil, nil, err
		}
		stop := func() error {
			local.Stop()
			return nil
		}
		return nothing, stop, nil // it connects by itself, and the run waits for the last record
	}
}

// Bridge starts a Mosquitto that bridges to addr, where nobody listens yet, and
// gives it n records.
func Bridge(dir, addr string, n, inFlight int) (*broker.Mosquitto, error) {
	own, err := broker.FreeAddr()
	if err != nil {
		return nil, err
	}
	m, err := broker.Start(dir, own, broker.Bridge(addr, inFlight))
	if err != nil {
		return nil, err
	}
	const some = 50000 // records in our own memory at a time
	for at := 0; at < n; at += some {
		lines, err := payloads(min(some, n-at))
		if err == nil {
			err = wire.Pipeline(own, topic, lines, rawWindow)
		}
		if err != nil {
			m.Stop()
			return nil, err
		}
	}
	return m, nil
}
