package kiosk

import (
	"os"
	"path/filepath"
	"testing"

	"kentongan/agent/report"
)

// FuzzMemory: what the kiosk finds in its own small files is used or refused; it
// does not end the kiosk, and states of complaints are found by their tickets.
func FuzzMemory(f *testing.F) {
	f.Add([]byte(`{"epoch":"1122334455667788","upto":40}`))
	f.Add([]byte(`[{"ticket":"0007-0002-Z","state":"received","at":"2026-11-26T10:00:00Z"}]`))
	f.Add([]byte(`[null]`))
	f.Add([]byte(`{`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(dir, ledgerFile)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = readNumbers(file)
		l, err := openLedger(dir, func(string, []byte) error { return nil })
		if l == nil {
			t.Fatalf("no ledger (%v)", err)
		}
		for _, s := range l.states {
			if _, ok := l.find(s.Ticket); !ok {
				t.Errorf("ticket %q is not found", s.Ticket)
			}
		}
		_, _ = l.find(report.NewTicket(7, 1).String())
	})
}
