package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"kentongan/agent/report"
)

// Sizes of the format in bytes, see docs/reference/spool-format.md.
const (
	pageSize   = 4096
	headerSize = pageSize // the header has the first page to itself
	headerUsed = 256      // bytes of it that say something
	deviceAt   = 112      // where the header names the device
	cursorAt   = 168      // where the header says the cursor, and up to where numbers were given up
	frameSize  = 32       // before each payload
	align      = 8        // frames start at multiples of this
)

// sizeMax is the largest segment that a header may speak of, in bytes.
const sizeMax = 64 << 20

// formatVersion is the version in each segment's header.
const formatVersion = 1

var (
	le          = binary.LittleEndian
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
	headerMagic = []byte("KENTSEG\n")
)

// Errors of a header.
var (
	errNoHeader = errors.New("no valid segment header")
	errVersion  = errors.New("segment of an unknown format version")
)

// header is the first page of a segment. ID 0 is a file that was allocated and
// never used.
type header struct {
	lane     report.Lane
	epoch    report.Epoch
	id       uint64 // grows by one with each life of any segment of the lane
	size     int64  // of the file, bytes
	first    uint64 // number of its first record
	before   uint64 // last number of the segment before it; what lies between is explained by a gap record
	prev     report.Hash
	reserved uint64       // telemetry: numbers below this one may be in use
	next     [3]uint64    // the next number of each lane when the segment began
	cursor   uint64       // when the segment began, all numbers below were acknowledged, or explained by a durable gap record
	upto     uint64       // the same with those that were dropped for room
	was      report.Epoch // the epoch before, while its records move into this one
	device   string
}

func laneNumber(l report.Lane) int {
	for i, lane := range report.Lanes() {
		if lane == l {
			return i
		}
	}
	return -1
}

// encode returns the header as it stands at the start of the file.
func (h header) encode() []byte {
	b := make([]byte, 0, headerSize)
	b = append(b, headerMagic...)
	b = le.AppendUint16(b, formatVersion)
	b = append(b, byte(laneNumber(h.lane)+1), 0)
	b = le.AppendUint32(b, uint32(h.size))
	b = le.AppendUint64(b, uint64(h.epoch))
	b = le.AppendUint64(b, h.id)
	b = le.AppendUint64(b, h.first)
	b = le.AppendUint64(b, h.before)
	b = append(b, h.prev[:]...)
	b = le.AppendUint64(b, h.reserved)
	for _, n := range h.next {
		b = le.AppendUint64(b, n)
	}
	device := h.device[:min(len(h.device), 40)]
	b = append(b, byte(len(device)))
	b = append(b, device...)
	b = le.AppendUint64(b[:cursorAt], h.cursor)
	b = le.AppendUint64(b, h.upto)
	b = le.AppendUint64(b, uint64(h.was))
	b = b[:headerUsed-4]
	b = le.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:headerSize]
}

// decodeHeader reads what encode writes.
func decodeHeader(b []byte) (header, error) {
	if len(b) < headerUsed || !bytes.Equal(b[:8], headerMagic) {
		return header{}, errNoHeader
	}
	if crc32.Checksum(b[:headerUsed-4], castagnoli) != le.Uint32(b[headerUsed-4:]) {
		return header{}, errNoHeader
	}
	if v := le.Uint16(b[8:]); v != formatVersion {
		return header{}, fmt.Errorf("%w: %d, this program knows %d", errVersion, v, formatVersion)
	}
	lane, device := int(b[10])-1, int(b[deviceAt])
	if lane < 0 || lane >= len(report.Lanes()) || device > 40 {
		return header{}, errNoHeader
	}
	h := header{
		lane: report.Lanes()[lane], size: int64(le.Uint32(b[12:])),
		epoch: report.Epoch(le.Uint64(b[16:])), id: le.Uint64(b[24:]),
		first: le.Uint64(b[32:]), before: le.Uint64(b[40:]),
		prev: report.Hash(b[48:80]), reserved: le.Uint64(b[80:]),
		device: string(b[deviceAt+1 : deviceAt+1+device]), cursor: le.Uint64(b[cursorAt:]),
		upto: le.Uint64(b[cursorAt+8:]), was: report.Epoch(le.Uint64(b[cursorAt+16:])),
	}
	for i := range h.next {
		h.next[i] = le.Uint64(b[88+8*i:])
	}
	if h.size < 2*pageSize || h.size > sizeMax || h.size%pageSize != 0 {
		return header{}, errNoHeader
	}
	if h.first == 0 && h.id != 0 || h.before > h.first {
		return header{}, errNoHeader
	}
	return h, nil
}

// Kinds of frames.
const (
	frameRecord  = 1 // one record's line
	frameBlock   = 2 // several lines, each with a line end, as one gzip member (telemetry)
	frameReserve = 3 // no payload; seq is the end of the reserved numbers (telemetry)
)

// flagFirst marks the first frame of a commit: all before it was confirmed.
const flagFirst = 1

// frame is the head of one entry of a segment.
type frame struct {
	kind, flags byte
	length      int    // of the payload, bytes
	id          uint64 // of the segment
	seq         uint64 // of the first record
	count       uint32 // records
}

// last is the number of the frame's last record.
func (f frame) last() uint64 { return f.seq + uint64(f.count) - 1 }

// space is what the frame takes with its payload, in bytes.
func (f frame) space() int64 { return frameSpace(f.length) }

func frameSpace(length int) int64 {
	return int64(frameSize+length+align-1) &^ (align - 1)
}

// seed starts the CRC of every frame of one life of one segment, so that no
// frame of another store, lane or life is taken for one of this.
func seed(epoch report.Epoch, lane report.Lane, id uint64) uint32 {
	var b [17]byte
	le.PutUint64(b[:], uint64(epoch))
	le.PutUint64(b[8:], id)
	b[16] = byte(laneNumber(lane) + 1)
	return crc32.Checksum(b[:], castagnoli)
}

// appendFrame appends a frame and its payload, filled up to a multiple of 8.
func appendFrame(b []byte, seed uint32, f frame, payload []byte) []byte {
	at := len(b)
	b = append(b, 'K', 'r', f.kind, f.flags)
	b = le.AppendUint32(b, uint32(len(payload)))
	b = le.AppendUint64(b, f.id)
	b = le.AppendUint64(b, f.seq)
	b = le.AppendUint32(b, f.count)
	crc := crc32.Update(crc32.Update(seed, castagnoli, b[at:]), castagnoli, payload)
	b = le.AppendUint32(b, crc)
	b = append(b, payload...)
	return append(b, zeros[:int(frameSpace(len(payload)))-frameSize-len(payload)]...)
}

// peekFrame reads the head of a frame without believing it.
func peekFrame(b []byte) (frame, bool) {
	if len(b) < frameSize || b[0] != 'K' || b[1] != 'r' {
		return frame{}, false
	}
	f := frame{
		kind: b[2], flags: b[3], length: int(le.Uint32(b[4:])),
		id: le.Uint64(b[8:]), seq: le.Uint64(b[16:]), count: le.Uint32(b[24:]),
	}
	ok := f.kind >= frameRecord && f.kind <= frameReserve && f.length >= 0 && f.length <= maxPayload &&
		f.seq != 0 && (f.count != 0 || f.kind == frameReserve) && f.count <= maxPayload
	return f, ok
}

// maxPayload bounds a frame, so that a damaged length is not believed: one
// record, or one block of telemetry before it was packed.
const maxPayload = 64 << 10

// parseFrame reads the frame at the start of b. It is nothing when any bit of
// it, or of its payload, is not as it was written under this seed.
func parseFrame(b []byte, seed uint32) (f frame, payload []byte, ok bool) {
	f, ok = peekFrame(b)
	if !ok || len(b) < frameSize+f.length {
		return frame{}, nil, false
	}
	payload = b[frameSize : frameSize+f.length]
	crc := crc32.Update(crc32.Update(seed, castagnoli, b[:frameSize-4]), castagnoli, payload)
	if crc != le.Uint32(b[frameSize-4:]) {
		return frame{}, nil, false
	}
	return f, payload, true
}
