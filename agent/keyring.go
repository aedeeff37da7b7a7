package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/command"
	"kentongan/agent/report"
)

// keyring is whom the device believes as its centre: receipts and orders signed by
// one of these keys count. It begins with the configuration's key; the centre
// introduces the next one by an order that the newest key signed, and then retires
// the old one by an order that the new one signed. So who steals an old key can
// neither add one nor take the new one away, and once it is retired can do nothing.
//
// It is a note.Verifiers. Its methods may be called from any goroutine.
type keyring struct {
	file string
	save func(file string, text []byte) error

	mu    sync.Mutex // guards the rest
	state keyringState
	list  note.Verifiers
}

// keyringState is what the file holds.
type keyringState struct {
	V    int      `json:"v"`
	From string   `json:"from"` // the configuration's key when this was written: another one there begins anew
	Keys []string `json:"keys"` // note verifiers, the newest last
}

const (
	keyringName    = "centre-keys.json" // in the data directory
	keyringVersion = 1
	maxKeyring     = 4
	maxKeyringFile = 8 << 10
)

// openKeyring reads the keys that were trusted last. A configuration with another
// key than then was written by somebody who is at the device, and counts.
func openKeyring(file, configured string, text []byte) (*keyring, error) {
	k := &keyring{file: file, save: saveFile, state: keyringState{V: keyringVersion, From: configured, Keys: []string{configured}}}
	var err error
	if text != nil {
		var s keyringState
		if err = json.Unmarshal(text, &s); err == nil && (s.V != keyringVersion || len(s.Keys) == 0 || len(s.Keys) > maxKeyring) {
			err = fmt.Errorf("version %d with %d keys", s.V, len(s.Keys))
		}
		if err == nil && s.From == configured {
			if k.list, err = verifiers(s.Keys); err == nil {
				k.state = s
			}
		}
	}
	if k.list == nil {
		list, bad := verifiers(k.state.Keys)
		err = errors.Join(err, bad)
		k.list = list
	}
	return k, err
}

func verifiers(keys []string) (note.Verifiers, error) {
	var all []note.Verifier
	for _, key := range keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return note.VerifierList(), fmt.Errorf("key %.60q: %w", key, err)
		}
		all = append(all, v)
	}
	return note.VerifierList(all...), nil
}

// Verifier implements note.Verifiers.
func (k *keyring) Verifier(name string, hash uint32) (note.Verifier, error) {
	k.mu.Lock()
	list := k.list
	k.mu.Unlock()
	return list.Verifier(name, hash)
}

// keyID is what an order calls a key.
func keyID(key string) string { return report.KeyID(key) }

// ids are the keys that are trusted, the newest last.
func (k *keyring) ids() (all []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.state.Keys {
		all = append(all, keyID(key))
	}
	return all
}

// Change implements command.Keyring.
func (k *keyring) Change(by string, trust, retire []string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys := slices.Clone(k.state.Keys)
	if newest := keyID(keys[len(keys)-1]); by != newest {
		return fmt.Errorf("signed by %s, and only the newest key, %s, may change the keys", by, newest)
	}
	for _, key := range trust {
		if _, err := note.NewVerifier(key); err != nil {
			return command.BadArguments{Err: fmt.Errorf("arguments: trust: %.60q: %w", key, err)}
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, id := range retire {
		if id == by {
			return command.BadArguments{Err: errors.New("arguments: retire: a key does not retire itself; its successor does")}
		}
		keys = slices.DeleteFunc(keys, func(have string) bool { return keyID(have) == id })
	}
	if len(keys) > maxKeyring {
		return command.BadArguments{Err: fmt.Errorf("arguments: trust: %d keys, a device trusts at most %d", len(keys), maxKeyring)}
	}
	next := keyringState{V: keyringVersion, From: k.state.From, Keys: keys}
	list, err := verifiers(keys)
	if err != nil {
		return err
	}
	text, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode keys: %w", err)
	}
	if err := k.save(k.file, append(text, '\n')); err != nil {
		return err
	}
	k.state, k.list = next, list
	return nil
}
