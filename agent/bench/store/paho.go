package store

import (
	"fmt"
	"strconv"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// pahoStore is the FileStore of paho.mqtt.golang, called as its client calls it
// for a publish: one file for each, never synced. It has no grouping.
type pahoStore struct {
	store *mqtt.FileStore
	next  int
}

func openPaho(dir string) (Store, error) {
	s := &pahoStore{store: mqtt.NewFileStore(dir)}
	s.store.Open()
	s.next = len(s.store.All()) + 1 // what the client does at its start: all keys, by time
	return s, nil
}

// maxPaho is how many packet identifiers MQTT has, which name the files.
const maxPaho = 65535

func (s *pahoStore) Write(recs []Record, _ int) error {
	for _, r := range recs {
		if s.next > maxPaho {
			return fmt.Errorf("paho's file store is full: it has %d packet identifiers", maxPaho)
		}
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.Qos, p.TopicName, p.MessageID, p.Payload = 1, "kentongan/v1/kiosk-7/up/complaint", uint16(s.next), r.Line
		s.store.Put("o."+strconv.Itoa(s.next), p)
		s.next++
	}
	return nil
}

func (s *pahoStore) Read(limit int) ([][]byte, error) {
	var out [][]byte
	for _, key := range s.store.All() {
		if len(out) == limit {
			break
		}
		p, ok := s.store.Get(key).(*packets.PublishPacket)
		if !ok {
			return nil, fmt.Errorf("paho's file store holds no publish under %q", key)
		}
		out = append(out, p.Payload)
	}
	return out, nil
}

func (s *pahoStore) Close() error {
	s.store.Close()
	return nil
}
