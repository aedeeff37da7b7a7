package audit

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// checkExport runs the auditor's script, which shares nothing with us.
func checkExport(t *testing.T, dir, key string) (out string, status int) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("%v; .ci/tools installs it", err)
	}
	text, err := exec.Command(python, "../../../../docs/contract/check-export.py", dir, key).CombinedOutput()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(text), ended.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text), 0
}

func (s *site) export(t *testing.T) string {
	t.Helper()
	v, closeDB, err := store.OpenRead(s.file())
	if err != nil {
		t.Fatal(err)
	}
	defer closeDB() //nolint:errcheck // only read
	dir := filepath.Join(t.TempDir(), "export")
	err = Export(context.Background(), v, ExportOptions{Dir: dir, Centre: []string{s.key}, Signer: s.signer, Roots: s.rootsFile(), Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The script finds a good export good, and what was done to another one. What is
// done before the export is what somebody with the database can do; what is done
// after it, what somebody can do on the way to the auditor.
func TestAuditorsScript(t *testing.T) {
	t.Parallel()
	const lane = "(SELECT id FROM lane WHERE device = 'kiosk-1' AND lane = 'complaint')"
	const complaints = "devices/kiosk-1/complaint-00000000000000e1.jsonl"
	good := newSite(t)
	good.close()
	edit := func(t *testing.T, dir, name string, change func(lines []string) []string) {
		t.Helper()
		at := filepath.Join(dir, name)
		text, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		lines := change(strings.SplitAfter(string(text), "\n"))
		if err := os.WriteFile(at, []byte(strings.Join(lines, "")), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		before func(s *site)
		after  func(t *testing.T, dir string)
		says   string // "" is proven
	}{
		"nothing": {},
		"erased":  {before: func(s *site) { s.open(); s.erase(7, 20, 24); s.close() }},
		"erased, with another hash": {before: func(s *site) {
			s.open()
			s.erase(7)
			s.close()
			s.sql("UPDATE record SET line = replace(line, '\"erased\":\"', '\"erased\":\"AAAA') WHERE lane_id = " + lane + " AND seq = 7")
		}, says: "record 7: the chain is broken"},
		"drop": {before: func(s *site) { s.sql("DELETE FROM record WHERE lane_id = " + lane + " AND seq = 7") }, says: "record 7: missing"},
		"alter": {before: func(s *site) {
			s.sql("UPDATE record SET line = replace(line, 'jalan-rusak', 'lampu-mati!') WHERE lane_id = " + lane + " AND seq = 7")
		}, says: "record 7: the chain is broken"},
		"alter and chain anew": {before: func(s *site) {
			s.rechain(lane, 7, func(r *report.Record) {
				r.Body = []byte(strings.Replace(string(r.Body), "jalan-rusak", "lampu-mati", 1))
			})
		}, says: "record 10: not what the device signed"},
		"reorder": {after: func(t *testing.T, dir string) {
			edit(t, dir, complaints, func(l []string) []string { l[6], l[7] = l[7], l[6]; return l })
		}, says: "record 7: doubled or reordered"},
		"double": {after: func(t *testing.T, dir string) {
			edit(t, dir, complaints, func(l []string) []string { return append(l[:7:7], l[6:]...) })
		}, says: "record 7: doubled or reordered"},
		"truncate": {before: func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = " + lane + " AND seq > 15")
			s.sql("UPDATE lane SET top = 15, next = 16, first = min(first, 16), received = 15 WHERE id = " + lane)
			s.sql("DELETE FROM checkpoint WHERE lane_id = " + lane + " AND seq > 15")
			s.sql("DELETE FROM receipt WHERE lane_id = " + lane + " AND seq > 15")
		}, says: "record 20: root 2 had another one, or it is gone"},
		"sign with another key": {before: func(s *site) {
			forger := devicetest.New(s.t, "kiosk-1", 0xe1, "forger")
			forger.Skip(report.Complaint, 20)
			s.sql("UPDATE checkpoint SET note = ? WHERE lane_id = "+lane+" AND seq = 20", string(forger.Checkpoint(report.Complaint)))
		}, says: "checkpoint 20: not signed with the device's key"},
		"make another key the device's": {before: func(s *site) {
			s.sql("UPDATE device_key SET verifier = ? WHERE device = 'kiosk-1'", devicetest.New(s.t, "kiosk-1", 0xe1, "forger").Key)
		}, says: "kiosk-1: its key"},
		"remove a device": {before: func(s *site) {
			s.sql("DELETE FROM lane WHERE device = 'kiosk-2'")
		}, says: "('kiosk-2', 'complaint', '00000000000000e2'): root 2 had 20 records of it, and none is here"},
		"remove a checkpoint": {before: func(s *site) {
			s.sql("DELETE FROM checkpoint WHERE lane_id = " + lane + " AND seq = 20")
		}, says: "checkpoint 20: the centre countersigned it, and it is gone"},
		"forge a gap": {before: func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = " + lane + " AND seq = 7")
			s.sql("INSERT INTO gap (lane_id, from_seq, to_seq, count, reason, told_at) VALUES (" + lane + ", 7, 7, 1, 'torn', 1)")
		}, says: "record 7: missing"},
		"forge a gap record": {before: func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = " + lane + " AND seq = 7")
			g := s.one.Record(report.Event, report.KindGap, report.Gap{Lane: report.Complaint, Epoch: s.one.Epoch, From: 7, To: 7, Count: 1, Reason: report.GapTorn})
			s.sql("INSERT INTO record (lane_id, seq, received_at, kind, line) VALUES ((SELECT id FROM lane WHERE device = 'kiosk-1' AND lane = 'event'), ?, 1, 'gap', ?)", g.Seq, g.Line)
			s.sql("DELETE FROM record WHERE lane_id = " + lane + " AND seq > 20") // so that the count is no more than it was
		}, says: "root 2 had 20 records, here are 19"},
		"alter a file on the way": {after: func(t *testing.T, dir string) {
			edit(t, dir, "devices/kiosk-1/receipts.jsonl", func(l []string) []string { return l[1:] })
		}, says: "devices/kiosk-1/receipts.jsonl was altered"},
		"alter the list on the way": {after: func(t *testing.T, dir string) {
			edit(t, dir, "export.json", func(l []string) []string { return append(l, " ") })
		}, says: "export.json is not what the centre signed"},
		"remove a root": {after: func(t *testing.T, dir string) {
			edit(t, dir, "roots.jsonl", func(l []string) []string { return l[1:] })
		}, says: "root 2: roots before it are gone"},
		"alter a root": {after: func(t *testing.T, dir string) {
			edit(t, dir, "roots.jsonl", func(l []string) []string { l[0] = strings.Replace(l[0], "records 10", "records 9", 1); return l })
		}, says: "root 1: not signed by the centre"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := good.fork(t)
			if tt.before != nil {
				tt.before(s)
			}
			dir := s.export(t)
			if tt.after != nil {
				tt.after(t, dir)
			}
			out, status := checkExport(t, dir, s.key)
			switch {
			case tt.says == "" && (status != 0 || !strings.Contains(out, "2 devices, 90 records, 2 roots: proven")):
				t.Errorf("status %d, want 0 and all proven; it says:\n%s", status, out)
			case tt.says != "" && (status != 3 || !strings.Contains(out, tt.says)):
				t.Errorf("status %d, want 3 and %q; it says:\n%s", status, tt.says, out)
			}
		})
	}
}

func TestExportTakesNoUsedDirectory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Export(context.Background(), s.store.For(store.Everything()), ExportOptions{Dir: dir}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("error %v, want that it is not empty", err)
	}
}

// Pictures are not for auditors, and measurements only when they are asked for.
func TestExportHoldsNoPictures(t *testing.T) {
	t.Parallel()
	c := newCentre(t)
	d := devicetest.New(t, "kiosk-1", 0xe1, "")
	c.records(d, report.Telemetry, d.Record(report.Telemetry, report.KindDeviceStats, report.DeviceStats{}),
		d.Record(report.Telemetry, report.KindSnapshotPiece, report.SnapshotPiece{ID: "0000000000000001", Of: 1, Data: []byte("a face")}))
	for _, telemetry := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "export")
		o := ExportOptions{Dir: dir, Centre: []string{c.key}, Signer: c.signer, Telemetry: telemetry, Now: c.now}
		if err := Export(context.Background(), c.store.For(store.Everything()), o); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "devices/kiosk-1/telemetry-00000000000000e1.jsonl"))
		if !telemetry && err == nil || telemetry && (strings.Count(string(text), "\n") != 1 || strings.Contains(string(text), "snapshot_piece")) {
			t.Errorf("telemetry asked for %v: %q (%v)", telemetry, text, err)
		}
		if out, status := checkExport(t, dir, c.key); status != 0 {
			t.Errorf("status %d:\n%s", status, out)
		}
	}
}
