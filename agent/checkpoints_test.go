package agent

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/agent/config"
)

// The record key is made once, for this device, readable by nobody else; a
// damaged one is set aside and told, and never silently the same device's.
func TestRecordKeyIsMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "record.key")
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	k := &disk{}
	a := &Agent{cfg: &config.Config{Device: "kiosk-7", Data: dir}, o: Options{Log: log}, journal: newJournal("kiosk-7", k, k, log)}
	load := func() recordKey {
		t.Helper()
		key, err := a.loadRecordKey()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := load()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file %v (%v), want mode 0600", info, err)
	}
	if again := load(); again.public != first.public {
		t.Errorf("a second start has the key %s, want %s", again.public, first.public)
	}
	secret, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(said.String(), strings.TrimSpace(string(secret))) {
		t.Error("the log holds the secret")
	}
	for name, text := range map[string]string{
		"damaged":          strings.Replace(string(secret), "+", "", 3),
		"another device's": strings.Replace(string(secret), "kiosk-7", "kiosk-8", 1),
		"empty":            "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if now := load(); now.public == first.public {
			t.Errorf("%s: the same key as before", name)
		}
		if aside, err := os.ReadFile(file + ".damaged"); err != nil || string(aside) != text {
			t.Errorf("%s: set aside %q (%v), want %q", name, aside, err, text)
		}
		select {
		case e := <-a.journal.in:
			if e.kind != "damage" {
				t.Errorf("%s: told %+v, want damage", name, e)
			}
		default:
			t.Errorf("%s: nothing was told", name)
		}
	}
	// A disk that does not give it: no new key, which would be another device's.
	if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
		t.Fatal(err)
	}
	a.openRecordKey()
	if a.signer != nil || a.recordKey != "" {
		t.Error("signs with a key that could not be read")
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		t.Error("what could not be read is gone")
	}
}
