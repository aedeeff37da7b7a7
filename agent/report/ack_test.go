package report

import (
	"crypto/rand"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func keyPair(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
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

func TestAckComesBack(t *testing.T) {
	signer, verifier := keyPair(t, "kentongan-centre")
	h := HashLine([]byte("record 31"))
	when := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	tests := map[string]Ack{
		"nothing yet": {Device: "kiosk-7", Lane: Event, Epoch: 7, Time: when},
		"plain":       {Device: "kiosk-7", Lane: Complaint, Epoch: 7, Seq: 31, Hash: &h, Time: when},
		"held back":   {Device: "kiosk-7", Lane: Complaint, Epoch: 7, Seq: 31, Hash: &h, Time: when, Held: 52},
		"vouched for": {Device: "kiosk-7", Lane: Complaint, Epoch: 7, Seq: 31, Hash: &h, Time: when, Checkpoint: &Signed{28, h}},
		"with wants":  {Device: "kiosk-7", Lane: Complaint, Epoch: 7, Seq: 31, Hash: &h, Time: when, Want: []Range{{33, 33}, {40, 52}}},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			msg, err := want.Sign(signer)
			if err != nil {
				t.Fatal(err)
			}
			got, err := OpenAck(msg, want.Device, want.Lane, note.VerifierList(verifier))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestOpenAckRefuses(t *testing.T) {
	signer, verifier := keyPair(t, "kentongan-centre")
	stranger, _ := keyPair(t, "kentongan-centre")
	sign := func(s note.Signer, text string) []byte {
		msg, err := note.Sign(&note.Note{Text: text}, s)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	const good = "kentongan/v1/kiosk-7/ack/complaint\nepoch 0000000000000007\nseq 31\ntime 2026-11-23T03:00:00Z\n"
	if _, err := OpenAck(sign(signer, good+"later yes\n"), "kiosk-7", Complaint, note.VerifierList(verifier)); err != nil {
		t.Errorf("a line that a newer centre adds must be ignored: %v", err)
	}
	altered := []byte(strings.Replace(string(sign(signer, good)), "seq 31", "seq 32", 1))
	tests := map[string][]byte{
		"nothing":          nil,
		"unsigned":         []byte(good),
		"another's key":    sign(stranger, good),
		"altered":          altered,
		"another device":   sign(signer, strings.Replace(good, "kiosk-7", "kiosk-8", 1)),
		"another lane":     sign(signer, strings.Replace(good, "complaint", "event", 1)),
		"no seq":           sign(signer, strings.Replace(good, "seq 31\n", "", 1)),
		"two seqs":         sign(signer, good+"seq 99\n"),
		"negative seq":     sign(signer, strings.Replace(good, "seq 31", "seq -1", 1)),
		"upper-case epoch": sign(signer, strings.Replace(good, "0000000000000007", "000000000000000A", 1)),
		"short hash":       sign(signer, good+"hash AAAA\n"),
		"backward want":    sign(signer, good+"want 9-3\n"),
		"want of zero":     sign(signer, good+"want 0-3\n"),
		"too many wants":   sign(signer, good+strings.Repeat("want 40-41\n", MaxWant+1)),
	}
	for name, msg := range tests {
		t.Run(name, func(t *testing.T) {
			if a, err := OpenAck(msg, "kiosk-7", Complaint, note.VerifierList(verifier)); !errors.Is(err, ErrAck) {
				t.Errorf("got %+v, error %v", a, err)
			}
		})
	}
}

func FuzzOpenAck(f *testing.F) {
	signer, verifier := keyPair(f, "c")
	f.Add("epoch 0000000000000007\nseq 31\ntime 2026-11-23T03:00:00Z\nwant 4-5\n")
	f.Fuzz(func(t *testing.T, body string) {
		msg, err := note.Sign(&note.Note{Text: "kentongan/v1/d/ack/event\n" + body}, signer)
		if err != nil {
			return // not a text that a note can hold
		}
		a, err := OpenAck(msg, "d", Event, note.VerifierList(verifier))
		if err == nil && (a.Epoch == 0 || len(a.Want) > MaxWant) {
			t.Fatalf("took %+v", a)
		}
	})
}
