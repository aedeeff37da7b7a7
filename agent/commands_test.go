package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/config"
	"kentongan/agent/report"
)

// A flipped bit in the memory of orders must not keep a kiosk from taking presses.
func TestDamagedOrdersAreSetAside(t *testing.T) {
	_, key, err := note.GenerateKey(nil, "centre")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"cut":         `{"v":1,"floor":3,`,
		"not for us":  `{"v":99}`,
		"empty":       "",
		"far too big": strings.Repeat(" ", maxOrdersFile+1),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "orders.json")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			a, err := New(&config.Config{Device: "kiosk-7", Data: dir, Uplink: config.Uplink{CentreKey: key}}, Options{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			kept := &keptRecords{}
			a.journal = newJournal("kiosk-7", kept, nil, slog.New(slog.DiscardHandler))
			r, err := a.newCommands()
			if err != nil || r == nil {
				t.Fatalf("no orders any more: %v", err)
			}
			a.journal.close()
			a.journal.run()
			if got, err := os.ReadFile(file + ".damaged"); err != nil || string(got) != text {
				t.Errorf("set aside %.20q, %v", got, err)
			}
			d, ok := kept.body.(report.Damage)
			if !ok || d.Segment != "orders.json" || d.Saved != "orders.json.damaged" || d.Detail == "" {
				t.Errorf("kept %+v, want the damage", kept.body)
			}
		})
	}
}

// keptRecords remembers the newest body.
type keptRecords struct{ body any }

func (k *keptRecords) Append(_ context.Context, _ report.Lane, _ string, body any) (uint64, error) {
	k.body = body
	return 1, nil
}
