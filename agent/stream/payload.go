package stream

import "encoding/binary"

// Codec is a video codec that the room can measure.
type Codec string

// The codecs.
const (
	H264  Codec = "H264"
	H265  Codec = "H265"
	MJPEG Codec = "MJPEG"
)

// payload is what the first bytes of an RTP payload tell without decoding.
type payload struct {
	picture bool   // holds a piece of a picture, not only parameters
	key     bool   // a keyframe, or its beginning
	sps     []byte // a sequence parameter set that lies in it; a part of the payload
	size    Size   // of MJPEG, in each packet
}

// inspect looks at one RTP payload. It keeps no reference to p but through
// the result, and takes any bytes.
func inspect(c Codec, p []byte) payload {
	switch c {
	case H264:
		return inspectH264(p)
	case H265:
		return inspectH265(p)
	case MJPEG:
		return inspectMJPEG(p)
	}
	return payload{}
}

// H.264 over RTP, RFC 6184, 5.2.
const (
	h264IDR   = 5
	h264SPS   = 7
	h264STAPA = 24
	h264FUA   = 28
	h264FUB   = 29
)

func inspectH264(p []byte) (out payload) {
	if len(p) < 2 {
		return payload{}
	}
	switch typ := p[0] & 0x1f; typ {
	case h264STAPA:
		eachUnit(p[1:], func(nal []byte) { out.addH264(nal[0]&0x1f, nal) })
	case h264FUA, h264FUB:
		out.addH264(p[1]&0x1f, nil)
		out.key = out.key && p[1]&0x80 != 0 // its first fragment
	default:
		out.addH264(typ, p)
	}
	return out
}

func (o *payload) addH264(typ byte, nal []byte) {
	switch {
	case typ == h264SPS:
		o.sps = nal
	case typ >= 1 && typ <= h264IDR:
		o.picture = true
		o.key = o.key || typ == h264IDR
	}
}

// H.265 over RTP, RFC 7798, 4.4; unit types of ITU-T H.265, table 7-1.
const (
	h265FirstIRAP  = 16
	h265LastIRAP   = 21 // 22 and 23 are reserved
	h265LastVCL    = 31
	h265SPS        = 33
	h265Aggregate  = 48
	h265Fragment   = 49
	h265HeaderSize = 2
)

func inspectH265(p []byte) (out payload) {
	if len(p) < h265HeaderSize+1 {
		return payload{}
	}
	switch typ := p[0] >> 1 & 0x3f; typ {
	case h265Aggregate:
		eachUnit(p[h265HeaderSize:], func(nal []byte) { out.addH265(nal[0]>>1&0x3f, nal) })
	case h265Fragment:
		out.addH265(p[2]&0x3f, nil)
		out.key = out.key && p[2]&0x80 != 0
	default:
		out.addH265(typ, p)
	}
	return out
}

func (o *payload) addH265(typ byte, nal []byte) {
	switch {
	case typ == h265SPS:
		o.sps = nal
	case typ <= h265LastVCL:
		o.picture = true
		o.key = o.key || typ >= h265FirstIRAP && typ <= h265LastIRAP
	}
}

// eachUnit walks an aggregation packet: units with their length in 16 bits
// before them. It stops at the first that does not fit.
func eachUnit(p []byte, f func(nal []byte)) {
	for len(p) > 2 {
		n := int(binary.BigEndian.Uint16(p))
		if n == 0 || n > len(p)-2 {
			return
		}
		f(p[2 : 2+n])
		p = p[2+n:]
	}
}

// mjpegHeader is the length of the main header of JPEG over RTP, RFC 2435,
// 3.1: type-specific, fragment offset in 24 bits, type, Q, width/8, height/8.
const mjpegHeader = 8

func inspectMJPEG(p []byte) payload {
	if len(p) <= mjpegHeader {
		return payload{}
	}
	first := p[1] == 0 && p[2] == 0 && p[3] == 0
	return payload{picture: true, key: first, size: Size{int(p[6]) * 8, int(p[7]) * 8}}
}
