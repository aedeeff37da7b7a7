package report

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func recordKey(t testing.TB, device string) (note.Signer, string) {
	t.Helper()
	secret, public, err := NewRecordKey(rand.Reader, device)
	if err != nil {
		t.Fatal(err)
	}
	if derived, err := PublicKey(secret); err != nil || derived != public {
		t.Fatalf("PublicKey gives %q (%v), want %q", derived, err, public)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s, public
}

func TestCheckpointComesBack(t *testing.T) {
	signer, key := recordKey(t, "kiosk-7")
	want := Checkpoint{
		Device: "kiosk-7", Lane: Complaint, Epoch: 7, Seq: 31, Hash: HashLine([]byte("record 31")),
		Time: time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC), Key: key,
	}
	msg, err := want.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenCheckpoint(msg, "kiosk-7", Complaint, key); err != nil || got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	if got, err := ReadCheckpoint(msg, "kiosk-7", Complaint); err != nil || got != want {
		t.Errorf("unverified %+v (%v), want %+v", got, err, want)
	}
	for name, open := range map[string]func() error{
		"as another device's": func() error { _, err := OpenCheckpoint(msg, "kiosk-8", Complaint, key); return err },
		"as another lane's":   func() error { _, err := OpenCheckpoint(msg, "kiosk-7", Event, key); return err },
	} {
		if err := open(); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v, want ErrCheckpoint", name, err)
		}
	}
}

// Whoever signs with the device's key signs no receipt and no order, and the
// other way round: the first line tells them apart, and the name of the key too.
func TestNotesCantBeConfused(t *testing.T) {
	signer, key := recordKey(t, "kiosk-7")
	device, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	h := HashLine(nil)
	check, err := Checkpoint{Device: "kiosk-7", Lane: Event, Epoch: 7, Seq: 1, Hash: h, Time: when, Key: key}.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := Ack{Device: "kiosk-7", Lane: Event, Epoch: 7, Seq: 1, Hash: &h, Time: when}.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	order, err := Order{Device: "kiosk-7", Name: OrderSnapshot, ID: "0000000000000001", Counter: 1, NotBefore: when, Expires: when, Arguments: []byte("{}")}.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	keys := note.VerifierList(device)
	for name, msg := range map[string][]byte{"receipt": receipt, "order": order} {
		if _, err := OpenCheckpoint(msg, "kiosk-7", Event, key); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s as a checkpoint: %v, want ErrCheckpoint", name, err)
		}
	}
	for name, msg := range map[string][]byte{"checkpoint": check, "order": order} {
		if _, err := OpenAck(msg, "kiosk-7", Event, keys); !errors.Is(err, ErrAck) {
			t.Errorf("%s as a receipt: %v, want ErrAck", name, err)
		}
	}
	for name, msg := range map[string][]byte{"checkpoint": check, "receipt": receipt} {
		if _, err := OpenOrder(msg, "kiosk-7", OrderSnapshot, keys); !errors.Is(err, ErrOrder) {
			t.Errorf("%s as an order: %v, want ErrOrder", name, err)
		}
	}
}

func TestOpenCheckpointRefuses(t *testing.T) {
	signer, key := recordKey(t, "kiosk-7")
	stranger, strange := recordKey(t, "kiosk-7")
	neighbour, near := recordKey(t, "kiosk-8")
	good := "kentongan/v1/kiosk-7/state/checkpoint/event\nepoch 0000000000000007\nseq 31\nhash " + HashLine(nil).String() + "\ntime 2026-11-26T10:00:00Z\nkey " + key + "\n"
	sign := func(s note.Signer, text string) []byte {
		msg, err := note.Sign(&note.Note{Text: text}, s)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	cut := func(line string) string {
		i := strings.Index(good, line)
		return good[:i] + good[i+strings.Index(good[i:], "\n")+1:]
	}
	if _, err := OpenCheckpoint(sign(signer, good+"later yes\n"), "kiosk-7", Event, key); err != nil {
		t.Errorf("a line that a newer device adds must be ignored: %v", err)
	}
	tests := map[string]struct {
		msg  []byte
		want error
	}{
		"nothing":            {nil, ErrCheckpoint},
		"unsigned":           {[]byte(good), ErrCheckpoint},
		"another key":        {sign(stranger, strings.Replace(good, key, strange, 1)), ErrCheckpointForged},
		"another's, ours":    {sign(stranger, good), ErrCheckpointForged},
		"ours, another's":    {sign(signer, strings.Replace(good, key, strange, 1)), ErrCheckpointForged},
		"a neighbour's key":  {sign(neighbour, strings.Replace(good, key, near, 1)), ErrCheckpoint},
		"altered":            {[]byte(strings.Replace(string(sign(signer, good)), "seq 31", "seq 32", 1)), ErrCheckpointForged},
		"seq 0":              {sign(signer, strings.Replace(good, "seq 31", "seq 0", 1)), ErrCheckpoint},
		"two seqs":           {sign(signer, good+"seq 32\n"), ErrCheckpoint},
		"no epoch":           {sign(signer, cut("epoch")), ErrCheckpoint},
		"no hash":            {sign(signer, cut("hash")), ErrCheckpoint},
		"no key":             {sign(signer, cut("key ")), ErrCheckpoint},
		"hash is no hash":    {sign(signer, strings.Replace(good, "hash ", "hash x", 1)), ErrCheckpoint},
		"time is no time":    {sign(signer, strings.Replace(good, "2026-11-26T10", "yesterday", 1)), ErrCheckpoint},
		"longer than it may": {sign(signer, good+"more "+strings.Repeat("x", MaxCheckpointBytes)+"\n"), ErrCheckpoint},
	}
	for name, tt := range tests {
		if _, err := OpenCheckpoint(tt.msg, "kiosk-7", Event, key); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestPublicKeyRefuses(t *testing.T) {
	for _, s := range []string{"", "PRIVATE+KEY+", "PRIVATE+KEY+a+b+c", "PRIVATE+KEY+kiosk+12345678+AgAA", "kiosk+12345678+AQAA"} {
		if _, err := PublicKey(s); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
}

// Whatever bytes a broker brings, reading them is an error or a checkpoint that
// can be written and read again.
func FuzzReadCheckpoint(f *testing.F) {
	signer, key := recordKey(f, "kiosk-7")
	msg, err := Checkpoint{Device: "kiosk-7", Lane: Event, Epoch: 7, Seq: 31, Time: time.Unix(1, 0), Key: key}.Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg)
	f.Add([]byte("kentongan/v1/kiosk-7/state/checkpoint/event\n\n— a b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ReadCheckpoint(data, "kiosk-7", Event)
		if err != nil {
			return
		}
		c.Key = key
		again, err := c.Sign(signer)
		if err != nil {
			t.Fatalf("%+v can't be signed: %v", c, err)
		}
		if got, err := OpenCheckpoint(again, "kiosk-7", Event, key); err != nil || got.Seq != c.Seq || got.Hash != c.Hash {
			t.Errorf("%+v came back as %+v (%v)", c, got, err)
		}
	})
}
