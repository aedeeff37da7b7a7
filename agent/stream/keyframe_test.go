package stream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"
	"github.com/pion/rtp"

	"kentongan/agent/stream/decoder"
)

// encode has ffmpeg encode pictures of a test pattern.
func encode(t testing.TB, args ...string) []byte {
	t.Helper()
	out, err := exec.Command("ffmpeg", append(append([]string{"-v", "error", "-f", "lavfi"}, args...), "-")...).Output()
	if err != nil {
		t.Fatalf("ffmpeg %s: %v (apt-get install ffmpeg, or make test, which does it)", strings.Join(args, " "), err)
	}
	return out
}

// units splits a stream at its start codes.
func units(stream []byte) (all [][]byte) {
	for _, part := range bytes.Split(stream, []byte{0, 0, 1}) {
		if part = bytes.TrimRight(part, "\x00"); len(part) > 0 {
			all = append(all, part)
		}
	}
	return all
}

// packets are 10 pictures of a codec with 2 keyframes, as a camera sends them.
func packets(t testing.TB, c Codec, size string) []*rtp.Packet {
	t.Helper()
	source := []string{"-i", "testsrc2=s=" + size + ":r=10", "-frames:v", "10", "-pix_fmt", "yuv420p"}
	var out []*rtp.Packet
	var err error
	pay := func(i int, list []*rtp.Packet, e error) {
		if err = e; err != nil {
			t.Fatal(err)
		}
		for _, p := range list {
			p.Timestamp = uint32(i * 9000)
			out = append(out, p)
		}
	}
	switch c {
	case H264:
		e := rtph264.Encoder{PayloadType: 96, PayloadMaxSize: 1200, PacketizationMode: 1}
		if err := e.Init(); err != nil {
			t.Fatal(err)
		}
		stream := encode(t, append(source, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "5", "-x264-params", "slices=2", "-f", "h264")...)
		all := units(stream)
		for i, au := range group(c, all) {
			list, err := e.Encode(au)
			pay(i, list, err)
		}
	case H265:
		e := rtph265.Encoder{PayloadType: 96, PayloadMaxSize: 1200}
		if err := e.Init(); err != nil {
			t.Fatal(err)
		}
		stream := encode(t, append(source, "-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=none:keyint=5:min-keyint=5:slices=2:repeat-headers=1", "-f", "hevc")...)
		for i, au := range group(c, units(stream)) {
			list, err := e.Encode(au)
			pay(i, list, err)
		}
	case MJPEG:
		e := rtpmjpeg.Encoder{PayloadMaxSize: 1200}
		if err := e.Init(); err != nil {
			t.Fatal(err)
		}
		stream := encode(t, "-i", "testsrc2=s="+size+":r=10", "-frames:v", "10", "-c:v", "mjpeg", "-q:v", "6", "-pix_fmt", "yuvj420p", "-huffman", "0", "-f", "mjpeg")
		for i, file := range bytes.SplitAfter(stream, []byte{0xff, 0xd9}) {
			if len(file) > 0 {
				list, err := e.Encode(file)
				pay(i, list, err)
			}
		}
	}
	return out
}

// group makes access units: a picture begins at a first slice, and with what
// is no slice before it.
func group(c Codec, all [][]byte) (out [][][]byte) {
	seen := false // a slice, in the unit that grows
	for _, nal := range all {
		u := wholeH264(nal)
		if c == H265 {
			u = wholeH265(nal)
		}
		if len(out) == 0 || seen && (!u.slice || u.first) {
			out, seen = append(out, nil), false
		}
		out[len(out)-1] = append(out[len(out)-1], nal)
		seen = seen || u.slice
	}
	return out
}

func testTap(c Codec) (*tap, *room) {
	r := new(room)
	r.left.Store(keyframes)
	var f format.Format = &format.H264{}
	return newTap(found{codec: c, format: f}, r), r
}

func got(t *tap) *keyframe {
	select {
	case k := <-t.out:
		t.room.give(k.cap)
		return &k
	default:
		return nil
	}
}

// decodes tells whether ffmpeg gets one whole picture of the size out of it.
func decodes(t *testing.T, c Codec, unit []byte, size string) {
	t.Helper()
	name := map[Codec]string{H264: "h264", H265: "hevc", MJPEG: "mjpeg"}[c]
	cmd := exec.Command("ffmpeg", "-v", "warning", "-f", name, "-i", "-", "-f", "framecrc", "-")
	cmd.Stdin = bytes.NewReader(unit)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Errorf("ffmpeg: %v: %s", err, complaints.String())
	}
	if n := bytes.Count(out, []byte("\n0,")); n != 1 || !bytes.Contains(out, []byte("dimensions 0: "+size)) {
		t.Errorf("%d pictures, want 1 of %s:\n%s", n, size, out)
	}
}

// TestTap: in every codec and size, a keyframe that is asked for comes whole;
// with a lost packet in it the next one does.
func TestTap(t *testing.T) {
	for _, c := range []Codec{H264, H265, MJPEG} {
		for _, size := range []string{"320x176", "1280x720"} {
			t.Run(fmt.Sprintf("%s %s", c, size), func(t *testing.T) {
				all := packets(t, c, size)
				tap, room := testTap(c)
				for _, p := range all {
					tap.packet(p)
				}
				if k := got(tap); k != nil {
					t.Fatal("a keyframe came that nobody asked for")
				}
				tap.ask()
				for _, p := range all {
					tap.packet(p)
				}
				k := got(tap)
				if k == nil {
					t.Fatalf("no keyframe in %d packets: %v", len(all), tap.counts())
				}
				if s := fmt.Sprintf("%dx%d", k.size.Width, k.size.Height); s != size {
					t.Errorf("size %s, want %s", s, size)
				}
				decodes(t, c, k.unit, size)
				if c != MJPEG && bytes.Contains(k.unit, []byte{0, 0, 1, 9}) {
					t.Error("there is a delimiter in it")
				}
				tap.ask()
				last := slices.IndexFunc(all, func(p *rtp.Packet) bool { return p.Marker })
				for i, p := range all {
					if i != last { // of the first keyframe
						tap.packet(p)
					}
				}
				again := got(tap)
				if again == nil || tap.lost.Load() != 1 {
					t.Fatalf("with a lost packet: a keyframe %v, %v", again != nil, tap.counts())
				}
				decodes(t, c, again.unit, size)
				if left := room.left.Load(); left != keyframes {
					t.Errorf("%d bytes of room are gone", keyframes-left)
				}
			})
		}
	}
}

// TestTapLosses: each packet of the first keyframe is lost once, doubled once;
// what comes is always whole.
func TestTapLosses(t *testing.T) {
	for _, c := range []Codec{H264, H265, MJPEG} {
		all := packets(t, c, "320x176")
		tap, room := testTap(c)
		whole := map[string]bool{}
		tap.ask()
		for _, p := range all {
			if tap.packet(p); !tap.asked.Load() {
				whole[string(got(tap).unit)] = true
				tap.ask()
			}
		}
		if least := map[Codec]int{H264: 2, H265: 2, MJPEG: 10}[c]; len(whole) != least {
			t.Fatalf("%s: %d keyframes, want %d", c, len(whole), least)
		}
		for lose := range min(len(all), 40) {
			for _, doubled := range []bool{false, true} {
				tap.ask()
				for i, p := range all {
					if i != lose {
						tap.packet(p)
					} else if doubled {
						tap.packet(p)
						tap.packet(p)
					}
				}
				if k := got(tap); k == nil || !whole[string(k.unit)] {
					t.Errorf("%s: packet %d lost (doubled: %v): a keyframe %v, whole %v", c, lose, doubled, k != nil, k != nil && whole[string(k.unit)])
				}
			}
		}
		if left := room.left.Load(); left != keyframes {
			t.Errorf("%s: %d bytes of room are gone", c, keyframes-left)
		}
	}
}

// TestTapWithoutMarker: some cameras set none, so a new time stamp ends a
// picture.
func TestTapWithoutMarker(t *testing.T) {
	for _, c := range []Codec{H264, H265} {
		tap, _ := testTap(c)
		tap.ask()
		for _, p := range packets(t, c, "320x176") {
			p.Marker = false
			tap.packet(p)
		}
		k := got(tap)
		if k == nil {
			t.Fatalf("%s: no keyframe: %v", c, tap.counts())
		}
		decodes(t, c, k.unit, "320x176")
	}
}

// TestTapDeclaredSets: a camera may send its parameter sets in the session
// description alone.
func TestTapDeclaredSets(t *testing.T) {
	all := packets(t, H264, "320x176")
	var declared format.H264
	var rest []*rtp.Packet
	for _, p := range all {
		own := false
		eachPiece(H264, p.Payload, func(u piece) {
			switch u.typ {
			case h264SPS:
				declared.SPS, own = slices.Clone(u.body), true
			case h264PPS:
				declared.PPS, own = slices.Clone(u.body), true
			}
		})
		if !own {
			rest = append(rest, p)
		}
	}
	r := new(room)
	r.left.Store(keyframes)
	for i, p := range rest {
		p.SequenceNumber = uint16(i)
	}
	for name, f := range map[string]*format.H264{"declared": &declared, "nowhere": {}} {
		tap := newTap(found{codec: H264, format: f}, r)
		tap.ask()
		for _, p := range rest {
			tap.packet(p)
		}
		k := got(tap)
		switch {
		case name == "nowhere" && (k != nil || tap.noSets.Load() == 0):
			t.Errorf("without parameter sets: a keyframe %v, %v", k != nil, tap.counts())
		case name == "declared" && k == nil:
			t.Errorf("declared: no keyframe: %v", tap.counts())
		case name == "declared":
			decodes(t, H264, k.unit, "320x176")
		}
	}
}

// TestTapBounds: a keyframe that is too large, and memory that others have.
func TestTapBounds(t *testing.T) {
	sets, idr := packets(t, H264, "320x176")[0], make([]byte, 1400)
	tap, room := testTap(H264)
	tap.packet(sets)
	flood := func(packets int) {
		seq := uint16(100)
		for i := range packets {
			copy(idr, []byte{0x7c, 0x05, 0xff})
			if i == 0 {
				idr[1] = 0x85
			}
			tap.packet(&rtp.Packet{Header: rtp.Header{SequenceNumber: seq, Timestamp: 7}, Payload: idr})
			seq++
		}
	}
	tap.ask()
	flood(2000)
	if tap.large.Load() != 1 || room.left.Load() != keyframes {
		t.Errorf("2.8 MB: %v, %d bytes of room left", tap.counts(), room.left.Load())
	}
	room.left.Store(firstRoom + 1)
	flood(100)
	if tap.noRoom.Load() != 1 || room.left.Load() != firstRoom+1 {
		t.Errorf("without room: %v, %d bytes left", tap.counts(), room.left.Load())
	}
	flood(10)
	tap.end()
	if room.left.Load() != firstRoom+1 {
		t.Errorf("after the end %d bytes left, want all", room.left.Load())
	}
}

// TestTapCostsNothing: while nobody asks, a packet costs no memory.
func TestTapCostsNothing(t *testing.T) {
	for _, c := range []Codec{H264, H265, MJPEG} {
		all := packets(t, c, "320x176")
		tap, _ := testTap(c)
		if n := testing.AllocsPerRun(10, func() {
			for _, p := range all {
				tap.packet(p)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations for %d packets", c, n, len(all))
		}
	}
}

// FuzzTap: any packets; what comes out is bounded, and all room comes back.
func FuzzTap(f *testing.F) {
	seed := func(payloads ...string) (out []byte) {
		for i, p := range payloads {
			head := byte(1)
			if i == len(payloads)-1 {
				head |= 8 // marker
			}
			out = append(out, head, 0, byte(len(p)))
			out = append(out, p...)
		}
		return out
	}
	sps, pps := string(h264Media().Formats[0].(*format.H264).SPS), "\x68\x06\x07\x08"
	f.Add(byte(0), seed(sps, pps, "\x65\x88\x84", "\x65\x08\x84"))
	f.Add(byte(0), seed("\x78\x00\x04"+pps+"\x00\x19"+sps, "\x7c\x85\x88", "\x7c\x05\x01", "\x7c\x45\x02"))
	f.Add(byte(1), seed("\x40\x01\x0c", "\x42\x01\x01\x60", "\x44\x01\xc1", "\x62\x01\x93\x88", "\x62\x01\x53\x01"))
	f.Add(byte(1), seed("\x60\x01\x00\x03\x40\x01\x0c\x00\x03\x42\x01\x01\x00\x03\x44\x01\xc1", "\x26\x01\xaf\x01"))
	f.Add(byte(2), seed("\x00\x00\x00\x00\x01\x32\x08\x06\x01\x02", "\x00\x00\x00\x02\x01\x32\x08\x06\x01\xff\xd9"))
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		tap, room := testTap([]Codec{H264, H265, MJPEG}[which%3])
		tap.ask()
		var p rtp.Packet
		for len(data) > 3 {
			head, n := data[0], int(binary.BigEndian.Uint16(data[1:]))
			n = min(n, len(data)-3)
			p.Payload = data[3 : 3+n : 3+n]
			data = data[3+n:]
			p.SequenceNumber += uint16(head & 3)
			p.Timestamp += uint32(head >> 2 & 1)
			p.Marker = head&8 != 0
			tap.packet(&p)
			if head&16 != 0 {
				tap.cancel()
				tap.ask()
			}
			if k := got(tap); k != nil {
				if len(k.unit) > maxKeyframe+1024 || k.at.After(time.Now()) {
					t.Fatalf("%d bytes", len(k.unit))
				}
				_, _ = keyframeMP4(tap.codec, *k)
				if tap.codec == MJPEG {
					_, _ = decoder.DecodeJPEG(k.unit)
				}
				tap.ask()
			}
		}
		tap.end()
		if room.left.Load() != keyframes {
			t.Fatalf("%d bytes of room are gone", keyframes-room.left.Load())
		}
	})
}
