package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzReadShow: what systemctl says is a state that has a text, whatever it is.
func FuzzReadShow(f *testing.F) {
	f.Add("ActiveState=active\nSubState=running\nResult=success\nNRestarts=3\nStatusText=well\nExecMainStartTimestamp=Thu 2026-11-26 10:00:00 UTC\nExecMainStatus=0\nUnitFileState=enabled\n")
	f.Add("ActiveState=activating\nNRestarts=99999999999999999999\nExecMainStartTimestamp=n/a\n")
	f.Add("=\n==\nResult=\x00")
	f.Fuzz(func(t *testing.T, text string) {
		s := readShow(text, time.Unix(1_795_000_000, 0))
		if _, known := stateText[s.State]; !known || !strings.HasPrefix(s.text(), "service ") {
			t.Errorf("%q is %+v", text, s)
		}
	})
}

// FuzzPasswordFile: a file that should hold a password gives one line, or an error
// that does not repeat it.
func FuzzPasswordFile(f *testing.F) {
	f.Add([]byte("rahasia\r\n"))
	f.Add([]byte("two\nlines"))
	f.Add([]byte("\x00"))
	file := filepath.Join(f.TempDir(), "password")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		word, err := readPassword(file)
		if err == nil && (word == "" || strings.ContainsAny(word, "\n\x00")) {
			t.Errorf("%q is the password %q", text, word)
		}
		if err != nil && len(text) > 20 && strings.Contains(err.Error(), string(text)) {
			t.Errorf("the error repeats it: %v", err)
		}
	})
}
