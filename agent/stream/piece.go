package stream

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
)

// piece is a unit of H.264 or H.265 as it lies in a packet, or a part of one.
type piece struct {
	typ   byte
	start bool
	end   bool
	slice bool    // of a picture
	key   bool    // of a keyframe
	first bool    // of a picture: its first slice; with start only
	head  [2]byte // of the unit, where it is not in body
	heads int     // bytes of head
	body  []byte  // a part of the packet
}

// eachPiece walks one RTP payload: single units, aggregates and fragments
// (RFC 6184, 5.6 to 5.8; RFC 7798, 4.4). What is none of them is left out.
func eachPiece(c Codec, p []byte, f func(piece)) {
	if c == H265 {
		eachPieceH265(p, f)
		return
	}
	if len(p) < 2 {
		return
	}
	switch typ := p[0] & 0x1f; {
	case typ == h264STAPA:
		eachUnit(p[1:], func(nal []byte) { f(wholeH264(nal)) })
	case typ == h264FUA && len(p) > 2:
		u := kindH264(p[1] & 0x1f)
		u.start, u.end, u.body = p[1]&0x80 != 0, p[1]&0x40 != 0, p[2:]
		if u.start {
			u.head[0], u.heads = p[0]&0xe0|p[1]&0x1f, 1
			u.first = p[2]&0x80 != 0
		}
		f(u)
	case typ < h264STAPA:
		f(wholeH264(p))
	}
}

func wholeH264(nal []byte) piece {
	u := kindH264(nal[0] & 0x1f)
	u.start, u.end, u.body = true, true, nal
	u.first = len(nal) > 1 && nal[1]&0x80 != 0 // first_mb_in_slice is 0, which is coded as one bit 1
	return u
}

func kindH264(typ byte) piece {
	return piece{typ: typ, slice: typ >= 1 && typ <= h264IDR, key: typ == h264IDR}
}

func eachPieceH265(p []byte, f func(piece)) {
	if len(p) < h265HeaderSize+1 {
		return
	}
	switch typ := p[0] >> 1 & 0x3f; {
	case typ == h265Aggregate:
		eachUnit(p[h265HeaderSize:], func(nal []byte) {
			if len(nal) > h265HeaderSize {
				f(wholeH265(nal))
			}
		})
	case typ == h265Fragment && len(p) > 3:
		u := kindH265(p[2] & 0x3f)
		u.start, u.end, u.body = p[2]&0x80 != 0, p[2]&0x40 != 0, p[3:]
		if u.start {
			u.head, u.heads = [2]byte{p[0]&0x81 | p[2]&0x3f<<1, p[1]}, 2
			u.first = p[3]&0x80 != 0
		}
		f(u)
	case typ < h265Aggregate:
		f(wholeH265(p))
	}
}

func wholeH265(nal []byte) piece {
	u := kindH265(nal[0] >> 1 & 0x3f)
	u.start, u.end, u.body = true, true, nal
	u.first = nal[2]&0x80 != 0 // first_slice_segment_in_pic_flag
	return u
}

func kindH265(typ byte) piece {
	return piece{typ: typ, slice: typ <= h265LastVCL, key: typ >= h265FirstIRAP && typ <= h265LastIRAP}
}

// Kinds of parameter sets that are not in payload.go.
const (
	h264PPS = 8
	h265VPS = 32
	h265PPS = 34
)

// maxPPS is how many picture parameter sets are kept; cameras send one or two.
const maxPPS = 6

// parameterSets are the newest of a stream: VPS (H.265), SPS, then the PPS by
// their number.
type parameterSets struct {
	units [2 + maxPPS][]byte
	next  int // the PPS that is replaced when there is no place
}

// look keeps the parameter sets of a payload. It allocates when they change.
func (s *parameterSets) look(c Codec, p []byte) {
	if len(p) < 3 {
		return
	}
	switch {
	case c == H264 && p[0]&0x1f == h264STAPA:
		eachUnit(p[1:], func(nal []byte) { s.keep(c, nal[0]&0x1f, nal) })
	case c == H264:
		s.keep(c, p[0]&0x1f, p)
	case p[0]>>1&0x3f == h265Aggregate:
		eachUnit(p[h265HeaderSize:], func(nal []byte) { s.keep(c, nal[0]>>1&0x3f, nal) })
	default:
		s.keep(c, p[0]>>1&0x3f, p)
	}
}

func (s *parameterSets) keep(c Codec, typ byte, nal []byte) {
	at := 0
	switch {
	case len(nal) > maxSPSBytes:
		return
	case c == H265 && typ == h265VPS:
	case c == H264 && typ == h264SPS, c == H265 && typ == h265SPS:
		at = 1
	case c == H264 && typ == h264PPS, c == H265 && typ == h265PPS:
		at = s.place(c, nal)
	default:
		return
	}
	if !bytes.Equal(s.units[at], nal) {
		s.units[at] = append(s.units[at][:0], nal...)
	}
}

// place is where a PPS goes: where the one with its number is, or a free place.
func (s *parameterSets) place(c Codec, nal []byte) int {
	id := ppsNumber(c, nal)
	for at := 2; at < len(s.units); at++ {
		if len(s.units[at]) == 0 || ppsNumber(c, s.units[at]) == id {
			return at
		}
	}
	s.next = (s.next + 1) % maxPPS
	return 2 + s.next
}

// ppsNumber is the id of a picture parameter set, its first value (ITU-T H.264,
// 7.3.2.2 and H.265, 7.3.2.3.1).
func ppsNumber(c Codec, nal []byte) uint32 {
	head := 1
	if c == H265 {
		head = h265HeaderSize
	}
	if len(nal) <= head {
		return 0
	}
	at := 0
	id, err := bits.ReadGolombUnsigned(nal[head:], &at)
	if err != nil {
		return 0
	}
	return id
}

// complete tells whether a decoder could begin with them.
func (s *parameterSets) complete(c Codec) bool {
	return len(s.units[1]) > 0 && len(s.units[2]) > 0 && (c == H264 || len(s.units[0]) > 0)
}

// size is that of the SPS; zero where it can't be read.
func (s *parameterSets) size(c Codec) Size {
	if len(s.units[1]) == 0 {
		return Size{}
	}
	p, err := parseSPS(c, s.units[1])
	if err != nil {
		return Size{}
	}
	return p.size
}
