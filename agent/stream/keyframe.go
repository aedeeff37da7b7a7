package stream

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"
	"github.com/pion/rtp"
)

// Bounds of what is kept of a stream, and only while a keyframe is asked for.
const (
	maxKeyframe = 2 << 20  // bytes of one; 4K at a high quality has 1.2 MB
	keyframes   = 16 << 20 // bytes of all cameras together
	firstRoom   = 64 << 10 // a keyframe begins with so much, and doubles
)

// room bounds the memory of all taps.
type room struct{ left atomic.Int64 }

func (r *room) take(n int) bool {
	if r.left.Add(-int64(n)) >= 0 {
		return true
	}
	r.left.Add(int64(n))
	return false
}

func (r *room) give(n int) { r.left.Add(int64(n)) }

// keyframe is one picture that needs no other.
type keyframe struct {
	unit []byte // H.264, H.265: parameter sets and slices behind start codes; MJPEG: a JPEG file
	size Size
	at   time.Time // when its last packet came
	cap  int       // bytes of room that it holds; who has it gives them back
}

// misses counts why no keyframe came: each asks for another look at the camera
// or its network, and none says that the picture is garbage.
type misses struct {
	lost   atomic.Int64 // packets were missing inside
	large  atomic.Int64 // more than maxKeyframe
	noRoom atomic.Int64 // other cameras had all of it
	noSets atomic.Int64 // no parameter sets were sent yet
	bad    atomic.Int64 // against the rules of its packets
}

// tap takes one keyframe out of a stream when it is asked to. While it is not,
// it looks at one byte of each packet, for parameter sets, and keeps nothing
// else.
//
// packet is called by the library's read goroutine, ask and cancel by who has
// the turn.
type tap struct {
	codec Codec
	room  *room
	asked atomic.Bool
	turn  chan struct{} // holds a token while somebody asks
	out   chan keyframe // room for one
	ended chan struct{} // closed when the session is over
	misses

	// Used by packet only.
	sets     parameterSets
	size     Size // of the JPEG that is coming in
	jpeg     rtpmjpeg.Decoder
	open     bool // a keyframe is coming in
	fragment bool // and its newest unit is not whole
	seq      uint16
	ts       uint32
	buf      []byte
	held     int // bytes of room
}

// newTap begins with the parameter sets of the session description. Without
// room there is none; all that is called while a session ends may be called on
// it.
func newTap(f found, r *room) *tap {
	if r == nil {
		return nil
	}
	t := &tap{codec: f.codec, room: r, turn: make(chan struct{}, 1), out: make(chan keyframe, 1), ended: make(chan struct{})}
	for _, unit := range declaredSets(f.format) {
		t.sets.look(f.codec, unit)
	}
	return t
}

func declaredSets(f format.Format) [][]byte {
	switch f := f.(type) {
	case *format.H264:
		sps, pps := f.SafeParams()
		return [][]byte{sps, pps}
	case *format.H265:
		vps, sps, pps := f.SafeParams()
		return [][]byte{vps, sps, pps}
	}
	return nil
}

// ask wants the next keyframe. It comes from out, once.
func (t *tap) ask() {
	t.drain()
	t.asked.Store(true)
}

// cancel wants it no more.
func (t *tap) cancel() {
	t.asked.Store(false)
	t.drain()
}

func (t *tap) drain() {
	select {
	case k := <-t.out:
		t.room.give(k.cap)
	default:
	}
}

// end is called when the library has ended, and so packet is not called any
// more.
func (t *tap) end() {
	if t == nil {
		return
	}
	t.reset()
	t.drain()
	close(t.ended)
}

// packet takes one RTP packet. It keeps no reference to it.
func (t *tap) packet(p *rtp.Packet) {
	if t == nil {
		return
	}
	if t.codec != MJPEG {
		t.sets.look(t.codec, p.Payload)
	}
	if !t.asked.Load() {
		if t.open {
			t.reset()
		}
		return
	}
	if t.open {
		switch {
		case p.SequenceNumber == t.seq:
			return // doubled
		case p.SequenceNumber != t.seq+1:
			t.miss(&t.lost)
		case p.Timestamp == t.ts:
		case t.fragment || t.codec == MJPEG:
			t.miss(&t.lost) // its end never came
		default: // some cameras set no marker
			t.finish(t.buf)
			return
		}
	}
	t.seq = p.SequenceNumber
	if t.codec == MJPEG {
		t.addJPEG(p)
		return
	}
	eachPiece(t.codec, p.Payload, func(u piece) { t.add(u, p.Timestamp) })
	if t.open && p.Marker && !t.fragment {
		t.finish(t.buf)
	}
}

// add takes a unit or a piece of one.
func (t *tap) add(u piece, ts uint32) {
	if !u.slice {
		return // delimiters, SEI and parameter sets, which are in sets
	}
	switch {
	case u.start && t.open && t.fragment, !u.start && t.open && !t.fragment:
		t.miss(&t.bad)
		return
	case u.start && !t.open && u.key && u.first:
		t.begin(ts)
	}
	if !t.open {
		return
	}
	t.fragment = !u.end
	if u.start && !t.append(0, 0, 0, 1) {
		return
	}
	if t.append(u.head[:u.heads]...) {
		t.append(u.body...)
	}
}

// begin starts a keyframe with the parameter sets.
func (t *tap) begin(ts uint32) {
	if !t.sets.complete(t.codec) {
		t.noSets.Add(1)
		return
	}
	t.open, t.fragment, t.ts = true, false, ts
	for i := range t.sets.units {
		if u := t.sets.units[i]; len(u) > 0 && !(t.append(0, 0, 0, 1) && t.append(u...)) {
			return
		}
	}
}

// append adds to the keyframe. It tells whether that is still open.
func (t *tap) append(b ...byte) bool {
	n := len(t.buf) + len(b)
	if n > maxKeyframe {
		t.miss(&t.large)
		return false
	}
	if n > t.held {
		more := max(2*t.held, firstRoom)
		for more < n {
			more *= 2
		}
		if !t.room.take(more - t.held) {
			t.miss(&t.noRoom)
			return false
		}
		t.held = more
		t.buf = append(make([]byte, 0, more), t.buf...)
	}
	t.buf = append(t.buf, b...)
	return true
}

func (t *tap) addJPEG(p *rtp.Packet) {
	first := inspectMJPEG(p.Payload)
	switch {
	case first.key:
		t.reset()
		t.open, t.ts, t.size = true, p.Timestamp, first.size
	case !t.open:
		return
	}
	// The decoder holds on to what it is given, so it gets a copy.
	from := len(t.buf)
	if !t.append(p.Payload...) {
		return
	}
	copied := *p
	copied.Payload = t.buf[from:len(t.buf):len(t.buf)]
	file, err := t.jpeg.Decode(&copied)
	switch {
	case errors.Is(err, rtpmjpeg.ErrMorePacketsNeeded):
	case err != nil:
		t.miss(&t.bad)
	default:
		t.finish(file)
	}
}

// finish gives the keyframe out.
func (t *tap) finish(unit []byte) {
	k := keyframe{unit: unit, at: time.Now(), cap: t.held, size: t.size}
	if t.codec != MJPEG {
		k.size = t.sets.size(t.codec)
	}
	t.asked.Store(false)
	t.open, t.fragment, t.buf, t.held = false, false, nil, 0
	t.jpeg = rtpmjpeg.Decoder{}
	select {
	case t.out <- k:
	default:
		t.room.give(k.cap) // nobody took the one before
	}
}

// miss gives this keyframe up; the next one is tried.
func (t *tap) miss(why *atomic.Int64) {
	why.Add(1)
	t.reset()
}

func (t *tap) reset() {
	t.room.give(t.held)
	t.open, t.fragment, t.buf, t.held = false, false, nil, 0
	t.jpeg = rtpmjpeg.Decoder{}
}
