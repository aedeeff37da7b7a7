package report

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func signer(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(nil, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

var anOrder = Order{
	Device: "kiosk-7", Name: OrderSnapshot, ID: "5f0c9a1d2e4b5a67", Counter: 1795000000000,
	NotBefore: time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC), Expires: time.Date(2026, 11, 26, 10, 10, 0, 0, time.UTC),
	Arguments: []byte(`{"stream":"gate","who":"Sari","reason":"laporan warga"}`),
}

func TestOrderComesBack(t *testing.T) {
	s, v := signer(t, "centre")
	msg, err := anOrder.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenOrder(msg, "kiosk-7", OrderSnapshot, note.VerifierList(v))
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != anOrder.ID || got.Counter != anOrder.Counter || !got.Expires.Equal(anOrder.Expires) || !got.NotBefore.Equal(anOrder.NotBefore) || !bytes.Equal(got.Arguments, anOrder.Arguments) {
		t.Errorf("got %+v, want %+v", got, anOrder)
	}
	bad := anOrder
	bad.Arguments = []byte("{\n}")
	if _, err := bad.Sign(s); err == nil {
		t.Error("arguments of two lines were signed: they could bring lines of their own")
	}
}

func TestOpenOrderRefuses(t *testing.T) {
	s, v := signer(t, "centre")
	stranger, _ := signer(t, "stranger")
	sameName, _ := signer(t, "centre")
	good, err := anOrder.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.SplitAfter(string(good), "}\n")[0]
	sign := func(s note.Signer, text string) []byte {
		msg, err := note.Sign(&note.Note{Text: text}, s)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	receipt, err := Ack{Device: "kiosk-7", Lane: Event, Epoch: 1, Time: anOrder.NotBefore}.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		msg  []byte
		want error
	}{
		"nothing":                 {nil, ErrOrder},
		"no note":                 {[]byte("snapshot please\n"), ErrOrder},
		"another's key":           {sign(stranger, text), ErrOrderKey},
		"a key of the same name":  {sign(sameName, text), ErrOrderKey},
		"changed after signing":   {bytes.Replace(good, []byte("gate"), []byte("yard"), 1), ErrOrderForged},
		"another device":          {sign(s, strings.Replace(text, "kiosk-7", "kiosk-8", 1)), ErrOrderDevice},
		"another command":         {sign(s, strings.Replace(text, "cmd/snapshot", "cmd/restart", 1)), ErrOrderDevice},
		"a receipt of the centre": {receipt, ErrOrder},
		"an unknown line":         {sign(s, text+"only-at night\n"), ErrOrder},
		"a line twice":            {sign(s, text+"counter 2\n"), ErrOrder},
		"no expiry":               {sign(s, strings.Replace(text, "expires 2026-11-26T10:10:00Z\n", "", 1)), ErrOrder},
		"a short id":              {sign(s, strings.Replace(text, anOrder.ID, "5f", 1)), ErrOrder},
		"counter zero":            {sign(s, strings.Replace(text, "1795000000000", "0", 1)), ErrOrder},
		"no JSON":                 {sign(s, strings.Replace(text, `{"stream"`, `{stream`, 1)), ErrOrder},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := OpenOrder(tt.msg, "kiosk-7", OrderSnapshot, note.VerifierList(v)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := OpenAck(good, "kiosk-7", Event, note.VerifierList(v)); err == nil {
		t.Error("an order was taken for a receipt")
	}
}

func FuzzOpenOrder(f *testing.F) {
	s, v := signer(f, "centre")
	msg, err := anOrder.Sign(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(msg))
	body, _, _ := strings.Cut(string(msg), "\n\n")
	f.Add(body + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = OpenOrder([]byte(text), "kiosk-7", OrderSnapshot, note.VerifierList(v)) // no panic
		signed, err := note.Sign(&note.Note{Text: text}, s)
		if err != nil {
			return
		}
		o, err := OpenOrder(signed, "kiosk-7", OrderSnapshot, note.VerifierList(v))
		if err != nil {
			return
		}
		again, err := o.Sign(s)
		if err != nil {
			t.Fatalf("%q was read as %+v, which can't be signed: %v", text, o, err)
		}
		if p, err := OpenOrder(again, "kiosk-7", OrderSnapshot, note.VerifierList(v)); err != nil || p.ID != o.ID || p.Counter != o.Counter {
			t.Errorf("%+v came back as %+v: %v", o, p, err)
		}
	})
}

func TestPiecesFitARecord(t *testing.T) {
	data := bytes.Repeat([]byte{0xff}, MaxSnapshotBytes)
	pieces := CutSnapshot("5f0c9a1d2e4b5a67", data)
	if len(pieces) != 128 {
		t.Errorf("%d pieces, want 128", len(pieces))
	}
	r, err := NewRecord(strings.Repeat("k", 40), Telemetry, ^Epoch(0), 1<<40, Hash{}, Stamp{Time: anOrder.NotBefore, Clock: ClockEstimated, Boot: "b001b001", Uptime: 1 << 60}, KindSnapshotPiece, pieces[127])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Encode(); err != nil {
		t.Error(err)
	}
	if last := CutSnapshot("x", data[:PieceBytes+1]); len(last) != 2 || len(last[1].Data) != 1 || last[1].Of != 2 {
		t.Errorf("one byte more than a piece: %d pieces", len(last))
	}
	if CutSnapshot("x", nil) == nil || len(CutSnapshot("x", nil)) != 0 {
		t.Error("an empty picture has no pieces")
	}
}
