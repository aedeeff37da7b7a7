package report

import "testing"

// FuzzKey: what is said to be a key is one of its device, or an error; a seed that is
// read makes the same secret again.
func FuzzKey(f *testing.F) {
	secret, public, err := NewRecordKey(zero{}, "kiosk-7")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(secret)
	f.Add(public)
	f.Add("PRIVATE+KEY+a+00000000+AQ==")
	f.Add("+++")
	f.Fuzz(func(t *testing.T, text string) {
		_ = KeyID(text)
		if CheckRecordKey(text, "kiosk-7") == nil && KeyID(text) == "" {
			t.Errorf("%q is a key without an id", text)
		}
		name, seed, err := KeySeed(text)
		if err != nil {
			return
		}
		again, err := SeedKey(name, seed)
		if err != nil {
			return // a name that a note can't have
		}
		if n, s, err := KeySeed(again); err != nil || n != name || string(s) != string(seed) {
			t.Errorf("%q became %q (%v)", text, again, err)
		}
	})
}

// zero is a source of zeros: a key is the same each time.
type zero struct{}

func (zero) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// FuzzHash: a hash or an epoch that is read is written as it was.
func FuzzHash(f *testing.F) {
	f.Add(HashLine([]byte("a")).String())
	f.Add(Epoch(0x1122334455667788).String())
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=")
	f.Fuzz(func(t *testing.T, text string) {
		var h Hash
		if h.UnmarshalText([]byte(text)) == nil && h.String() != text {
			t.Errorf("hash %q became %q", text, h)
		}
		var e Epoch
		if e.UnmarshalText([]byte(text)) == nil && e.String() != text {
			t.Errorf("epoch %q became %q", text, e)
		}
	})
}
