// Package drain holds the contestants that bring a backlog to a broker, and the
// run that is the same for each: a Mosquitto of its own, an observer that counts
// what arrives, and the broker's own count of bytes.
package drain

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"kentongan/agent/bench/broker"
	"kentongan/agent/bench/wire"
)

// Kind is one contestant.
type Kind struct {
	Name  string
	Batch bool   // several records in one message
	Gzip  bool   // and compressed
	From  string // where the backlog stands
	// prepare makes the backlog of n records and returns what sends it to the
	// broker at addr, and what to do in the end. send returns after the last
	// PUBACK.
	prepare func(dir, addr string, n int) (send func() error, done func() error, err error)
}

// Result is one drained backlog.
type Result struct {
	Records  int
	Messages int
	Bytes    int64         // that the broker received, as MQTT
	Took     time.Duration // from the first record's arrival to the last PUBACK or arrival
	Broker   time.Duration // processor time that the broker took meanwhile
	Client   time.Duration // the same of ours, with the observer
}

// Rate is records per second.
func (r Result) Rate() float64 { return float64(r.Records) / r.Took.Seconds() }

const topic = "kentongan/v1/kiosk-7/up/telemetry"

// Run drains n records once, to a new Mosquitto. It fails when a record did not
// arrive.
func (k Kind) Run(n int) (Result, error) {
	dir, err := os.MkdirTemp("", "kentongan-bench-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(dir)
	addr, err := broker.FreeAddr()
	if err != nil {
		return Result{}, err
	}
	send, done, err := k.prepare(dir, addr, n)
	if err != nil {
		return Result{}, fmt.Errorf("%s: prepare: %w", k.Name, err)
	}
	r, err := run(dir, addr, n, send)
	if derr := done(); err == nil {
		err = derr
	}
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", k.Name, err)
	}
	return r, nil
}

func run(dir, addr string, n int, send func() error) (Result, error) {
	m, err := broker.Start(dir, addr, "")
	if err != nil {
		return Result{}, err
	}
	defer m.Stop()
	o, err := wire.Observe(addr)
	if err != nil {
		return Result{}, err
	}
	defer o.Close()
	before := own()
	if err := send(); err != nil {
		return Result{}, err
	}
	end := time.Now()
	seen, err := o.Await(n, time.Minute)
	if err != nil {
		return Result{}, err
	}
	busy, err := m.Busy()
	if err != nil {
		return Result{}, err
	}
	if seen.Last.After(end) {
		end = seen.Last
	}
	bytes, err := wire.Received(addr)
	if err != nil {
		return Result{}, err
	}
	return Result{Records: seen.Records, Messages: seen.Messages, Bytes: bytes, Took: end.Sub(o.Began()), Broker: busy, Client: own() - before}, nil
}

// own is the processor time that this process has taken.
func own() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
