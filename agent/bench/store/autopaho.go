package store

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/eclipse/paho.golang/autopaho/queue"
	"github.com/eclipse/paho.golang/autopaho/queue/file"
	"github.com/eclipse/paho.golang/packets"
)

// autopaho is the file queue of eclipse/paho.golang's autopaho: one file for
// each packet, never synced, no grouping. Each Peek reads the whole directory.
type autopaho struct {
	q   *file.Queue
	dir string
}

func openAutopaho(dir string) (Store, error) {
	q, err := file.New(dir, "queue", ".msg")
	if err != nil {
		return nil, err
	}
	return &autopaho{q: q, dir: dir}, nil
}

func (s *autopaho) Write(recs []Record, _ int) error {
	for _, r := range recs {
		p := packets.Publish{QoS: 1, PacketID: 1, Topic: "kentongan/v1/kiosk-7/up/complaint", Payload: r.Line, Properties: &packets.Properties{}}
		var b bytes.Buffer
		if _, err := p.WriteTo(&b); err != nil {
			return err
		}
		if err := s.q.Enqueue(&b); err != nil {
			return err
		}
	}
	return nil
}

// Read takes the oldest out and puts them back, since the queue shows only one.
func (s *autopaho) Read(limit int) (out [][]byte, err error) {
	for len(out) < limit {
		e, err := s.q.Peek()
		if errors.Is(err, queue.ErrEmpty) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		line, err := take(e)
		if err != nil {
			return nil, err
		}
		out = append(out, line)
	}
	return out, nil
}

// take reads one entry's payload and removes it.
func take(e queue.Entry) ([]byte, error) {
	r, err := e.Reader()
	if err != nil {
		return nil, err
	}
	p, err := packets.ReadPacket(r)
	if err != nil {
		return nil, err
	}
	pub, ok := p.Content.(*packets.Publish)
	if !ok {
		return nil, io.ErrUnexpectedEOF
	}
	return pub.Payload, e.Remove()
}

func (s *autopaho) Close() error {
	_, err := os.Stat(s.dir) // the queue itself holds nothing open
	return err
}
