package stream

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// wire is a connection that reads from a reader.
type wire struct {
	net.Conn
	io.Reader
}

func (w wire) Read(p []byte) (int, error)  { return w.Reader.Read(p) }
func (w wire) Write(p []byte) (int, error) { return len(p), nil }

func readLine(in io.Reader, options bool) (out string, notes []string, err error) {
	l := newLine(wire{Reader: in}, func(n string) { notes = append(notes, n) })
	if options {
		_, _ = l.Write([]byte("OPTIONS rtsp://x RTSP/1.0\r\n\r\n"))
	}
	b, err := io.ReadAll(l)
	return string(b), notes, err
}

// frameOf is an interleaved RTP packet of n payload bytes.
func frameOf(channel byte, ssrc uint32, n int) string {
	p := make([]byte, 16+n)
	p[0], p[1] = '$', channel
	binary.BigEndian.PutUint16(p[2:], uint16(12+n))
	p[4], p[5] = 0x80, 96
	binary.BigEndian.PutUint32(p[12:], ssrc)
	return string(p)
}

func TestLine(t *testing.T) {
	const ok = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
	describe := func(sdp string) string {
		return "RTSP/1.0 200 OK\r\nContent-Length: " + strconv.Itoa(len(sdp)) + "\r\n\r\n" + sdp
	}
	const head = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=x\r\n"
	tests := map[string]struct {
		in, want string
		options  bool
		notes    []string
		err      string
	}{
		"good":                     {in: ok, want: ok},
		"no reason":                {in: "RTSP/1.0 200\r\nCSeq: 1\r\n\r\n", want: "RTSP/1.0 200 -\r\nCSeq: 1\r\n\r\n", notes: []string{"answers without a reason phrase"}},
		"no reason, space":         {in: "RTSP/1.0 200 \r\nCSeq: 1\r\n\r\n", want: "RTSP/1.0 200 -\r\nCSeq: 1\r\n\r\n", notes: []string{"answers without a reason phrase"}},
		"OPTIONS refused":          {in: "RTSP/1.0 501 Not Implemented\r\n\r\n", want: "RTSP/1.0 200 Not Implemented\r\n\r\n", options: true, notes: []string{"refuses OPTIONS"}},
		"another request refused":  {in: "RTSP/1.0 501 Not Implemented\r\n\r\n", want: "RTSP/1.0 501 Not Implemented\r\n\r\n"},
		"bare line feeds":          {in: "RTSP/1.0 200 OK\nCSeq: 1\n\n", want: ok},
		"a frame behind an answer": {in: ok + frameOf(0, 7, 100) + ok, want: ok + frameOf(0, 7, 100) + ok},
		"a frame of 64 KB":         {in: ok + frameOf(0, 7, 65000) + ok, want: ok + frameOf(0, 7, 65000) + ok},
		"source changes": {
			in:   ok + frameOf(0, 7, 10) + frameOf(0, 8, 10) + frameOf(0, 8, 10) + frameOf(0, 7, 10),
			want: ok + strings.Repeat(frameOf(0, 7, 10), 4),
			notes: []string{"the source (SSRC) changes within a session",
				"the source (SSRC) changes within a session"},
		},
		"another channel has another source": {in: ok + frameOf(0, 7, 10) + frameOf(2, 8, 10), want: ok + frameOf(0, 7, 10) + frameOf(2, 8, 10)},
		"RTCP is left alone":                 {in: ok + frameOf(0, 7, 10) + frameOf(1, 8, 10), want: ok + frameOf(0, 7, 10) + frameOf(1, 8, 10)},
		"stray bytes":                        {in: ok + "\x00\x01" + ok, want: ok + ok, notes: []string{"bytes between messages"}},
		"good description":                   {in: describe(head), want: describe(head)},
		"description without address": {
			in:   describe("v=0\r\no=- 1 1 IN \r\ns=x\r\nc=IN\r\nt=0 0\r\n"),
			want: describe("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"), notes: []string{"faulty session description"},
		},
		"HTTP":             {in: "HTTP/1.1 400 Bad Request\r\n\r\n", err: `does not speak RTSP: it says "HTTP/1.1 400 Bad Request"`},
		"SSH":              {in: "SSH-2.0-dropbear\r\n", err: "does not speak RTSP"},
		"giant body":       {in: "RTSP/1.0 200 OK\r\nContent-Length: 999999999\r\n\r\n", err: "description of 999999999 bytes"},
		"negative body":    {in: "RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", err: "impossible Content-Length"},
		"endless line":     {in: "RTSP/1.0 200 " + strings.Repeat("a", 5000), err: "more than 4096 bytes"},
		"endless header":   {in: "RTSP/1.0 200 OK\r\n" + strings.Repeat("A: b\r\n", 20000), err: "more than 65536 bytes"},
		"cut in a message": {in: "RTSP/1.0 200 OK\r\nCSeq", err: "unexpected EOF"},
	}
	for name, tt := range tests {
		for piece, reader := range map[string]io.Reader{
			"at once":      strings.NewReader(tt.in),
			"byte by byte": iotest.OneByteReader(strings.NewReader(tt.in)),
		} {
			t.Run(name+", "+piece, func(t *testing.T) {
				got, notes, err := readLine(reader, tt.options)
				switch {
				case tt.err != "":
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						t.Errorf("error %v, want %q", err, tt.err)
					}
					return
				case err != nil:
					t.Fatal(err)
				}
				if got != tt.want {
					t.Errorf("got\n%q\nwant\n%q", got, tt.want)
				}
				if !slices.Equal(notes, tt.notes) {
					t.Errorf("notes %q, want %q", notes, tt.notes)
				}
			})
		}
	}
}

// TestAnswersAreSlowed: a camera may flood with whole messages as well as with
// frames.
func TestAnswersAreSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 100 << 10
		answer := "RTSP/1.0 200 OK\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n" + strings.Repeat("x", size)
		began := time.Now()
		_, notes, err := readLine(strings.NewReader(strings.Repeat(answer, 2*floodBytes/size)), false)
		if took := time.Since(began); err != nil || took < time.Second || len(notes) == 0 {
			t.Errorf("two seconds' worth was read in %v, notes %q, error %v", took, notes, err)
		}
	})
}

func TestMendLine(t *testing.T) {
	for in, want := range map[string]string{
		"m=meta 0 RTP/AVP 107":           "m=application 0 RTP/AVP 107",
		"m=video 0 RTP/AVP 96":           "m=video 0 RTP/AVP 96",
		"o=- 1 1 IN IP4 10.0.0.5":        "o=- 1 1 IN IP4 10.0.0.5",
		"o=- 1 1 IN ":                    "o=- 0 0 IN IP4 0.0.0.0",
		"c=IN":                           "c=IN IP4 0.0.0.0",
		"a=fmtp:96 packetization-mode=1": "a=fmtp:96 packetization-mode=1",
		"a=fmtp:96 packetization-mode=1;sprop-parameter-sets=!!,!!":                              "a=fmtp:96 packetization-mode=1",
		"a=fmtp:96 sprop-parameter-sets=Z0IAKeKQFAe2AtwEBAaQeJEV,aM48gA==; packetization-mode=1": "a=fmtp:96 sprop-parameter-sets=Z0IAKeKQFAe2AtwEBAaQeJEV,aM48gA==; packetization-mode=1",
	} {
		if got := mendLine(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// FuzzLine gives a line any bytes: it must end, keep its bounds, and pass
// frames of one source through unchanged.
func FuzzLine(f *testing.F) {
	const ok = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
	for _, s := range []string{
		ok, ok + frameOf(0, 7, 100) + ok, "HTTP/1.1 400 Bad Request\r\n\r\n", "RTSP/1.0 200\r\n\r\n$", ok + "$\x00\x00\x02ab",
		"RTSP/1.0 200 OK\r\nContent-Length: 40\r\n\r\nv=0\r\no=- 1 1 IN \r\ns=x\r\nc=IN\r\na=fmtp:96 ;\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, _, _ := readLine(bytes.NewReader(data), true)
		pieces, _, _ := readLine(iotest.OneByteReader(bytes.NewReader(data)), true)
		if whole != pieces {
			t.Errorf("read at once %q, read byte by byte %q", whole, pieces)
		}
		if len(whole) > 8*len(data)+256 {
			t.Errorf("%d bytes became %d", len(data), len(whole))
		}
	})
}
