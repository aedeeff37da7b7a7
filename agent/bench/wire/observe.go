package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Observer subscribes at QoS 0, and notes when the first and the last record
// came and how many there were: the same observer for each contestant. Payloads
// that are compressed are counted afterwards, so that the observer takes no
// time from a contestant.
type Observer struct {
	conn net.Conn
	done chan struct{}

	mu          sync.Mutex // guards what follows
	first, last time.Time
	messages    int
	records     int
	packed      [][]byte
	err         error
}

// Observe starts an observer of everything below kentongan/v1/+/up.
func Observe(addr string) (*Observer, error) {
	c, r, err := dial(addr, "bench-observer")
	if err != nil {
		return nil, err
	}
	if _, err = c.Write(subscribe("kentongan/v1/+/up/#")); err == nil {
		err = expect(r, suback)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	o := &Observer{conn: c, done: make(chan struct{})}
	go o.run(r)
	return o, nil
}

func (o *Observer) run(r *bufio.Reader) {
	defer close(o.done)
	buf := make([]byte, 1<<20)
	for {
		first, body, err := readPacket(r, buf)
		if err == nil && first>>4 == publish {
			err = o.take(body)
		}
		if err != nil {
			o.mu.Lock()
			o.err = err
			o.mu.Unlock()
			return
		}
	}
}

func (o *Observer) take(body []byte) error {
	topic, payload, err := message(body)
	if err != nil {
		return err
	}
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.messages == 0 {
		o.first = now
	}
	o.last = now
	o.messages++
	if strings.HasSuffix(topic, "/gz") {
		o.packed = append(o.packed, bytes.Clone(payload))
	} else {
		o.records += countRecords(payload)
	}
	return nil
}

// countRecords counts lines; a batch's first line is its head, which a record
// sent alone by a peer does not have.
func countRecords(payload []byte) int {
	n := bytes.Count(payload, []byte{'\n'})
	if n == 0 {
		return 1
	}
	return n - 1
}

// Seen is what an observer has seen.
type Seen struct {
	Messages, Records int
	Last              time.Time
}

// Seen counts what came until now.
func (o *Observer) Seen() (Seen, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.packed {
		r, err := gzip.NewReader(bytes.NewReader(p))
		if err != nil {
			return Seen{}, err
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			return Seen{}, err
		}
		o.records += countRecords(plain)
	}
	o.packed = nil
	return Seen{Messages: o.messages, Records: o.records, Last: o.last}, o.err
}

// Began is when the first record came, zero before.
func (o *Observer) Began() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.first
}

// Await waits until n records came.
func (o *Observer) Await(n int, limit time.Duration) (Seen, error) {
	deadline := time.Now().Add(limit)
	for {
		s, err := o.Seen()
		if err != nil || s.Records >= n {
			return s, err
		}
		if time.Now().After(deadline) {
			return s, fmt.Errorf("%d of %d records came in %v", s.Records, n, limit)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Close ends the observer.
func (o *Observer) Close() {
	_ = o.conn.Close()
	<-o.done
}

// Received asks a broker how many bytes its clients have sent it: the packets
// of MQTT, without the headers of TCP and IP. The broker says so once a second,
// so this waits for two equal answers.
func Received(addr string) (int64, error) {
	c, r, err := dial(addr, "bench-bytes")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err = c.Write(subscribe("$SYS/broker/bytes/received")); err == nil {
		err = expect(r, suback)
	}
	if err != nil {
		return 0, fmt.Errorf("ask for the bytes: %w", err)
	}
	var bytes int64
	for quiet := time.Now().Add(2500 * time.Millisecond); ; {
		if err := c.SetReadDeadline(quiet); err != nil {
			return 0, err
		}
		_, body, err := readPacket(r, nil)
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			return bytes, nil
		}
		if err != nil {
			return 0, err
		}
		_, text, err := message(body)
		if err != nil {
			return 0, err
		}
		if bytes, err = strconv.ParseInt(string(text), 10, 64); err != nil {
			return 0, err
		}
	}
}
