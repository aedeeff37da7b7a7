package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

func TestKeepOptions(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		says string
	}{
		"too short a time":  {[]string{"--keep-telemetry", "5m"}, "--keep-telemetry 5m0s: 1h or more"},
		"negative":          {[]string{"--keep-alarms", "-1h"}, "--keep-alarms -1h0m0s: 1h or more"},
		"complaints":        {[]string{"--keep-complaints", "59m"}, "--keep-complaints 59m0s: 1h or more"},
		"hook alone":        {[]string{"--webhook", "https://a.example/b"}, "belong together"},
		"secret alone":      {[]string{"--webhook-secret-file", short}, "belong together"},
		"no HTTP":           {[]string{"--webhook", "ftp://a.example/b", "--webhook-secret-file", short}, "write http://"},
		"short secret":      {[]string{"--webhook", "https://a.example/b", "--webhook-secret-file", short}, "has 5 bytes"},
		"secret is missing": {[]string{"--webhook", "https://a.example/b", "--webhook-secret-file", "/nowhere/s"}, "--webhook-secret-file: open /nowhere/s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			args := append([]string{"run", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--mqtt", brokertest.FreeAddress(t)}, tt.args...)
			if status := dispatch(context.Background(), env{&out, &out}, args); status == exitGood || !strings.Contains(out.String(), tt.says) {
				t.Errorf("status %d, want %q in:\n%s", status, tt.says, out.String())
			}
		})
	}
}

// Old complaints are erased, with a line each in the access log, whose chain stays
// whole; how many stay because nobody closed them is said.
func TestOldComplaintsAreErasedAndLogged(t *testing.T) {
	t.Parallel()
	for name, pg := range map[string]string{"SQLite": "", "PostgreSQL": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quiet := slog.New(slog.DiscardHandler)
			st, err := store.Open(t.TempDir(), quiet)
			if pg != "" {
				st, err = store.OpenPostgres(pg, "", quiet)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close() //nolint:errcheck // the test is over
			read, edit := st.Tables()
			room, err := access.New(access.Config{Read: read, Edit: edit, Log: quiet})
			if err != nil {
				t.Fatal(err)
			}
			d := devicetest.New(t, "kiosk-1", 0xe1, "")
			if _, err := st.Commit(t.Context(), []store.Arrival{{Device: d.ID, At: devicetest.T0, Batch: d.Batch(report.Complaint, d.Press(), d.Press(), d.Press())}}); err != nil {
				t.Fatal(err)
			}
			for seq := range uint64(2) {
				if err := st.SetTicket(t.Context(), d.ID, report.NewTicket(7, seq+1).String(), store.TicketState{State: report.TicketDone, At: devicetest.T0.Add(time.Hour), Who: "Budi"}); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			log := slog.New(slog.NewTextHandler(&out, nil))
			late := devicetest.T0.Add(1000 * time.Hour)
			(&keepOptions{}).eraseComplaints(t.Context(), st, room, log, late) // for ever
			if list, err := room.Journal(t.Context(), "", "", 0, 10); err != nil || len(list) != 0 || out.Len() > 0 {
				t.Fatalf("by default: %+v, %v, %s", list, err, out.String())
			}
			for range 2 {
				(&keepOptions{complaints: 48 * time.Hour}).eraseComplaints(t.Context(), st, room, log, late)
			}
			list, err := room.Journal(t.Context(), "upkeep@centre", "erase-complaint", 0, 10)
			if err != nil || len(list) != 2 || list[0].Object != "/complaints/2/erase" || list[1].Object != "/complaints/1/erase" || list[0].Detail != "reason: --keep-complaints 48h0m0s" {
				t.Errorf("the access log: %+v, %v", list, err)
			}
			if whole, broken, _, err := room.Check(t.Context()); whole != 2 || broken != 0 || err != nil {
				t.Errorf("its chain: %d whole, %d broken, %v", whole, broken, err)
			}
			if text := out.String(); strings.Count(text, "old complaints erased\" complaints=2") != 1 || strings.Count(text, "nobody can tell which was closed\" complaints=1") != 2 {
				t.Errorf("the log:\n%s", text)
			}
		})
	}
}
