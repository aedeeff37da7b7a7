package agent

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/command"
)

func noteKey(t *testing.T) (note.Signer, string) {
	t.Helper()
	secret, public, err := note.GenerateKey(nil, "kentongan-centre")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s, public
}

func believes(k *keyring, s note.Signer) bool {
	_, err := k.Verifier(s.Name(), s.KeyHash())
	return err == nil
}

// The old key introduces the new one, the new one retires the old one; a stolen
// key that is retired, or only old, changes nothing; and a restart remembers.
func TestKeyRotation(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	one, oneKey := noteKey(t)
	two, twoKey := noteKey(t)
	thief, thiefKey := noteKey(t)
	k, err := openKeyring(file, oneKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	reopen := func() {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if k, err = openKeyring(file, oneKey, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Change(keyID(oneKey), []string{twoKey}, nil); err != nil {
		t.Fatal(err)
	}
	reopen()
	if !believes(k, one) || !believes(k, two) || believes(k, thief) {
		t.Error("in the overlap both are believed, and no other")
	}
	// Who stole the old key in the overlap.
	for what, change := range map[string][2][]string{"adds a key": {{thiefKey}, nil}, "retires the new one": {nil, {keyID(twoKey)}}} {
		if err := k.Change(keyID(oneKey), change[0], change[1]); err == nil {
			t.Errorf("the old key %s", what)
		}
	}
	if err := k.Change(keyID(twoKey), nil, []string{keyID(twoKey)}); !errors.As(err, new(command.BadArguments)) {
		t.Errorf("a key that retires itself: %v", err)
	}
	if err := k.Change(keyID(twoKey), nil, []string{keyID(oneKey)}); err != nil {
		t.Fatal(err)
	}
	reopen() // the configuration still names the old one
	if believes(k, one) || !believes(k, two) || believes(k, thief) {
		t.Error("the retired key is believed, or the new one is not")
	}
	if err := k.Change(keyID(oneKey), []string{thiefKey}, nil); err == nil {
		t.Error("the retired key added one")
	}
	if ids := k.ids(); len(ids) != 1 || ids[0] != keyID(twoKey) {
		t.Errorf("believed are %v", ids)
	}
	// Who enrols the device anew writes another key into the configuration.
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if k, err = openKeyring(file, thiefKey, text); err != nil || !believes(k, thief) || believes(k, two) {
		t.Errorf("another configuration begins anew: %v", err)
	}
}

func TestKeyringRefusesNonsense(t *testing.T) {
	_, oneKey := noteKey(t)
	k, err := openKeyring(filepath.Join(t.TempDir(), "keys.json"), oneKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	var many []string
	for range maxKeyring {
		_, key := noteKey(t)
		many = append(many, key)
	}
	for what, trust := range map[string][]string{"no key": {"x"}, "too many": many} {
		if err := k.Change(keyID(oneKey), trust, nil); !errors.As(err, new(command.BadArguments)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	k.save = func(string, []byte) error { return errors.New("full") }
	_, twoKey := noteKey(t)
	if err := k.Change(keyID(oneKey), []string{twoKey}, nil); err == nil || len(k.ids()) != 1 {
		t.Errorf("what could not be saved counts: %v", err)
	}
}

func FuzzOpenKeyring(f *testing.F) {
	_, key, err := note.GenerateKey(nil, "kentongan-centre")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"v":1,"from":"x","keys":["y"]}`))
	f.Add([]byte(`{"v":1,"from":"` + key + `","keys":["` + key + `"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, _ := openKeyring("x", key, text)
		if len(k.ids()) == 0 {
			t.Errorf("%q: nobody is believed", text)
		}
	})
}
