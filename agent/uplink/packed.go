package uplink

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"kentongan/agent/report"
)

// packedStore is a Store that also hands out telemetry as it keeps it: blocks of
// lines, each one member of gzip. A batch on the wire is members of gzip too
// (RFC 1952, 2.2: they may follow each other), so a block can leave without
// being inflated and compressed again, which is most of the work of a drain.
type packedStore interface {
	// ReadPacked returns blocks that lie wholly within from to to and begin
	// there, as many as maxBytes holds; none when Read has to do it.
	ReadPacked(lane report.Lane, from, to uint64, maxBytes int) ([]report.Block, error)
}

// backlogBatch takes telemetry that is history: packed where the store has it
// so, else record by record.
func (s *session) backlogBatch(l *lane, from, to uint64) (*publish, error) {
	if p, err := s.packedBatch(l, from, to); p != nil || err != nil {
		return p, err
	}
	return s.batch(l, from, to, true)
}

// packedBatch makes a publish of blocks, or none: where publishes must be smaller
// than a block, Read gives the records one by one.
func (s *session) packedBatch(l *lane, from, to uint64) (*publish, error) {
	store, ok := s.up.store.(packedStore)
	if !ok || s.up.cfg.Tuning.GzipFrom < 0 {
		return nil, nil
	}
	payload := storedMember(report.EncodeBatch(l.head, nil))
	blocks, err := store.ReadPacked(l.name, from, to, s.window.publishBytes(s.up.cfg.Tuning.MaxPublish)-len(payload))
	if err != nil {
		return nil, fmt.Errorf("read lane %s packed from %d: %w", l.name, from, err)
	}
	if len(blocks) == 0 {
		return nil, nil
	}
	records := 0
	for _, b := range blocks {
		payload = append(payload, b.Gzip...)
		records += int(b.To - b.From + 1)
	}
	p := s.made(publish{
		topic:   l.topic(s.up.cfg.Device, true, true),
		payload: payload,
		lane:    l,
		from:    from,
		to:      blocks[len(blocks)-1].To,
		records: records,
	})
	l.claim(p.from, p.to, time.Now())
	return p, nil
}

// storedMember is one member of gzip that holds data as it is: a head line is
// too short to gain by compression, and each batch has another.
func storedMember(data []byte) []byte {
	out := make([]byte, 0, len(data)+23+16<<10) // room for the blocks after it
	out = append(out, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)
	out = append(out, 1) // the last block, stored
	out = binary.LittleEndian.AppendUint16(out, uint16(len(data)))
	out = binary.LittleEndian.AppendUint16(out, ^uint16(len(data)))
	out = append(out, data...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(data))
	return binary.LittleEndian.AppendUint32(out, uint32(len(data)))
}
