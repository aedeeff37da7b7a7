package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/cmd/kentongan/ptytest"
)

// owing makes a device with one complaint that the centre has not confirmed.
func owing(t *testing.T, dir string) {
	t.Helper()
	text := "device: kiosk-7\ndata: data\nspool: {complaint: 1MiB, event: 1MiB, telemetry: 1MiB}\nuplink: {acknowledge: broker, brokers: [{url: \"mqtt://127.0.0.1:1\"}]}\n"
	if err := os.WriteFile(filepath.Join(dir, "k.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(filepath.Join(dir, "data", "spool"), spool.Options{
		Device: "kiosk-7", Stamp: func() report.Stamp {
			return report.Stamp{Time: time.Now(), Clock: report.ClockSynced, Boot: "1f2e3d4c"}
		},
		Quota: map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 1 << 20, report.Telemetry: 1 << 20},
	})
	if err == nil {
		_, err = s.Append(t.Context(), report.Complaint, report.KindPress, report.Press{})
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A person at a terminal is told what is owed, and types the device's id; a promise to
// a citizen is only broken when that was said.
func TestEraseOnATerminal(t *testing.T) {
	words := map[string]struct{ owed, hint, ask, no, done string }{
		"id": {"BELUM dikonfirmasi pusat: 1", "tidak ada yang dihapus. Kirim dulu", "Ketik nama perangkat ini (kiosk-7)", "tidak ada yang dihapus.", "Selesai: perangkat kosong."},
		"en": {"NOT confirmed: 1", "nothing is erased. Send the complaints first", "Type this device's id (kiosk-7)", "nothing is erased.", "Done: the device is empty."},
	}
	for lang, w := range words {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			owing(t, dir)
			args := []string{"erase", "--config", "k.yaml", "--lang", lang}
			x := ptytest.Start(t, here(dir, args...))
			x.Expect(w.owed)
			x.Expect("kentongan spool dump " + filepath.Join(dir, "data", "spool"))
			x.Expect(w.hint)
			x.Ends(exitWaiting)

			args = append(args, "--lose-complaints")
			for _, typed := range []string{"kiosk-8\n", "\n", ptytest.CtrlC} {
				x = ptytest.Start(t, here(dir, args...))
				x.Expect(w.ask)
				x.Expect(": ")
				x.Type(typed)
				x.Expect(w.no)
				x.Ends(exitFailed)
			}
			if _, err := os.Stat(filepath.Join(dir, "data", "spool", "cursor")); err != nil {
				t.Fatalf("something was erased: %v", err)
			}
			x = ptytest.Start(t, here(dir, args...))
			x.Answer(w.ask, "kiosk-7")
			x.Expect(w.done)
			x.Ends(exitGood)
			if got := listing(t, filepath.Join(dir, "data")); len(got) > 0 {
				t.Errorf("left are %q", got)
			}
		})
	}
}

// Without a terminal a promise is kept as well, and a running agent's device is not
// touched.
func TestEraseRefuses(t *testing.T) {
	dir := t.TempDir()
	owing(t, dir)
	out, err := here(dir, "erase", "--config", "k.yaml", "--yes", "--json").Output()
	if err == nil || len(out) > 0 {
		t.Errorf("a complaint that is not confirmed: %v, %s", err, out)
	}
	out, err = here(dir, "erase", "--config", "k.yaml", "--dry-run", "--json").Output()
	var said struct {
		Waiting int `json:"waiting_complaints"`
	}
	if bad := json.Unmarshal(out, &said); err != nil || bad != nil || said.Waiting != 1 {
		t.Errorf("dry run: %v, %v, %s", err, bad, out)
	}
	s, err := spool.Open(filepath.Join(dir, "data", "spool"), spool.Options{
		Device: "kiosk-7", Stamp: func() report.Stamp { return report.Stamp{} },
		Quota: map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 1 << 20, report.Telemetry: 1 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing was written
	out, err = here(dir, "erase", "--config", "k.yaml", "--yes", "--lose-complaints", "--lang", "en").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "Stop it: sudo kentongan stop") {
		t.Errorf("an agent that runs: %v, %s", err, out)
	}
}
