package spool

import (
	"bytes"
	"testing"

	"kentongan/agent/report"
)

func FuzzSegment(f *testing.F) {
	h := header{lane: report.Event, epoch: 7, id: 3, size: 16 << 10, first: 5, before: 4, device: "kiosk-7"}
	data := appendFrame(h.encode(), seed(7, report.Event, 3), frame{kind: frameRecord, flags: flagFirst, id: 3, seq: 5, count: 1}, []byte(`{"v":1}`))
	f.Add(append(data, make([]byte, pageSize)...))
	f.Add(data[:100])
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, err := decodeHeader(data); err == nil {
			if again, err := decodeHeader(h.encode()); err != nil || again != h {
				t.Fatalf("%+v is %+v when read again: %v", h, again, err)
			}
		}
		if len(data) < headerSize {
			return
		}
		guessHeader(data, 7)
		for _, lane := range report.Lanes() {
			w := image{data: data, epoch: 7, lane: lane, id: 3}.walk(5, ^uint64(0))
			for i, s := range w.spots {
				if s.off+s.space() > int64(len(data))+align || i > 0 && s.kind != frameReserve && s.seq < 5 {
					t.Fatalf("spot %+v in %d bytes", s, len(data))
				}
			}
		}
		_, _ = unpack(data, 2)
	})
}

func FuzzCursor(f *testing.F) {
	c := cursors{Version: formatVersion, Epoch: 7, Lanes: map[report.Lane]*laneCursor{report.Event: {First: 1, Next: 4, Known: []report.Range{{From: 2, To: 3}}}}}
	page, err := encodeSlot(9, c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(page)
	f.Add(bytes.TrimRight(page, "\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		gen, c, err := decodeSlot(data)
		if err != nil {
			return
		}
		for lane, l := range c.Lanes {
			if !lane.Valid() || l.First == 0 || l.Next < l.First {
				t.Fatalf("generation %d: lane %q %+v", gen, lane, l)
			}
		}
	})
}
