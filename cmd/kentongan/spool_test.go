package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// testSpool makes a data directory with three records in each lane, and leaves
// it open, as an agent would.
func testSpool(t *testing.T) (data string, s *spool.Spool) {
	t.Helper()
	data = t.TempDir()
	s, err := spool.Open(filepath.Join(data, "spool"), spool.Options{
		Device: "kiosk-7",
		Stamp: func() report.Stamp {
			return report.Stamp{Time: time.Unix(0, 0), Clock: report.ClockUnset, Boot: "0a1b2c3d"}
		},
		Quota: map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 1 << 20, report.Telemetry: 1 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, lane := range report.Lanes() {
		for i := range 3 {
			if _, err := s.Append(context.Background(), lane, "test", i); err != nil {
				t.Fatal(err)
			}
		}
	}
	return data, s
}

func spoolCommand(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if got := runSpool(context.Background(), env{nil, &out, &errs}, args); got != want {
		t.Fatalf("spool %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), got, want, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

func TestSpoolWhileTheAgentRuns(t *testing.T) {
	data, _ := testSpool(t)
	out, _ := spoolCommand(t, exitGood, "ls", data)
	if !strings.Contains(out, "complaint  000001.seg") {
		t.Errorf("ls: %s", out)
	}
	out, _ = spoolCommand(t, exitGood, "ls", "--json", data)
	var seg spool.SegmentInfo
	if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &seg); err != nil || seg.Records != 3 {
		t.Errorf("ls --json: %v, %+v", err, seg)
	}
	out, _ = spoolCommand(t, exitGood, "dump", data, "--lane", "complaint", "--from", "2")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if r, err := report.DecodeRecord([]byte(lines[0])); len(lines) != 2 || err != nil || r.Seq != 2 {
		t.Errorf("dump: %v, %s", err, out)
	}
	spoolCommand(t, exitGood, "verify", data)
}

// What was read before a disk fails, or Ctrl-C, is written.
func TestSpoolDumpThatEndsEarly(t *testing.T) {
	data, _ := testSpool(t)
	v, err := spool.OpenView(filepath.Join(data, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // looked at after each record
	var out bytes.Buffer
	if err := spoolDump(ctx, &out, v, report.Lanes(), 1); err == nil || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%v, want an error behind one record: %q", err, out.String())
	}
}

func TestSpoolNamesDamageAndRescuesTheRest(t *testing.T) {
	data, s := testSpool(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(data, "spool", "complaint", "000001.seg")
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("?"), 2*4096+100); err != nil { // in the second press
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	out, errs := spoolCommand(t, exitFailed, "verify", data)
	if !strings.Contains(out, "complaint/000001.seg: byte 8192") || !strings.Contains(out, "number 2") || !strings.Contains(errs, "export") {
		t.Errorf("verify: %s%s", out, errs)
	}
	rescued := filepath.Join(t.TempDir(), "rescued")
	spoolCommand(t, exitGood, "export", data, rescued)
	raw, err := os.ReadFile(filepath.Join(rescued, "complaint-000000000001.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := report.DecodeBatch(raw, false)
	if err != nil || len(b.Records) != 2 || b.Head.Next != 4 {
		t.Errorf("export: %v, %d records, head %+v", err, len(b.Records), b.Head)
	}
}

func TestSpoolWrongUse(t *testing.T) {
	spoolCommand(t, exitUsage)
	spoolCommand(t, exitUsage, "lst", t.TempDir())
	spoolCommand(t, exitUsage, "dump", t.TempDir(), "--lane", "complaints")
	_, errs := spoolCommand(t, exitFailed, "ls", t.TempDir())
	if !strings.Contains(errs, "holds no spool") {
		t.Errorf("ls of an empty directory: %s", errs)
	}
}
