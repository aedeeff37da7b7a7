package spool_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// The spools in testdata/earlier were written by the program of the commit that
// names them. This file uses nothing but what every one of them has, so a spool of
// another commit is made by laying it into that commit's tree:
//
//	go test ./agent/spool -run EarlierVersions -write COMMIT
var write = flag.String("write", "", "write a spool into testdata/earlier under this name")

// earlierOptions are small lanes of several segments.
func earlierOptions() spool.Options {
	began := time.Unix(1_790_000_000, 0).UTC()
	n := 0
	return spool.Options{
		Device: "kiosk-7",
		Stamp: func() report.Stamp {
			n++
			return report.Stamp{Time: began.Add(time.Duration(n) * time.Second), Clock: report.ClockSynced, Boot: "1f2e3d4c", Uptime: time.Duration(n) * time.Second}
		},
		Quota:          map[report.Lane]int64{report.Complaint: 1 << 20, report.Event: 1 << 20, report.Telemetry: 1 << 20},
		Segment:        map[report.Lane]int64{report.Complaint: 256 << 10, report.Event: 256 << 10, report.Telemetry: 256 << 10},
		TelemetryDelay: time.Millisecond,
		Log:            slog.New(slog.DiscardHandler),
	}
}

var lanes = []report.Lane{report.Complaint, report.Event, report.Telemetry}

// writeEarlier fills a spool with acknowledged and waiting records, in more than one
// segment, over two lives of the program.
func writeEarlier(t *testing.T, dir string) {
	t.Helper()
	for life := range 2 {
		s, err := spool.Open(dir, earlierOptions())
		if err != nil {
			t.Fatal(err)
		}
		for n := range 40 {
			for _, lane := range lanes {
				appendTo(t, s, lane, fmt.Sprintf("life %d, record %d %s", life, n, strings.Repeat("·", 2_000)))
			}
		}
		for _, lane := range lanes {
			if err := s.Ack(lane, 7); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func appendTo(t *testing.T, s *spool.Spool, lane report.Lane, text string) uint64 {
	t.Helper()
	seq, err := s.Append(context.Background(), lane, "test", map[string]string{"text": text})
	if err != nil {
		t.Fatalf("append to %s: %v", lane, err)
	}
	return seq
}

// read is every record that waits, by lane.
func read(t *testing.T, dir string) (all map[report.Lane][]string) {
	t.Helper()
	v, err := spool.OpenView(dir)
	if err != nil {
		t.Fatal(err)
	}
	if faults := v.Verify(); len(faults) > 0 {
		t.Errorf("faults: %v", faults)
	}
	all = map[report.Lane][]string{}
	for _, lane := range lanes {
		err := v.Records(lane, v.Head(lane).First, func(e report.Entry) error {
			all[lane] = append(all[lane], string(e.Line))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestSpoolsOfEarlierVersions: what an earlier version wrote is read to the last
// byte, and goes on.
func TestSpoolsOfEarlierVersions(t *testing.T) {
	const golden = "testdata/earlier"
	if *write != "" {
		dir := filepath.Join(t.TempDir(), "spool")
		writeEarlier(t, dir)
		if err := archive(dir, read(t, dir), filepath.Join(golden, *write+".tar.gz")); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(golden + "/*.tar.gz")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d spools in %s (%v)", len(files), golden, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".tar.gz"), func(t *testing.T) {
			dir := t.TempDir()
			want, err := unpackEarlier(file, dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := read(t, dir); !maps.EqualFunc(got, want, equal) {
				t.Errorf("read before it is opened: %v, want %v", count(got), count(want))
			}
			s, err := spool.Open(dir, earlierOptions())
			if err != nil {
				t.Fatal(err)
			}
			for _, lane := range lanes {
				next := s.Head(lane).Next
				if seq := appendTo(t, s, lane, "a later version"); seq != next || len(want[lane]) == 0 {
					t.Errorf("%s: the first record of this version is %d, want %d, behind %d of before", lane, seq, next, len(want[lane]))
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			got := read(t, dir)
			for _, lane := range lanes {
				if n := len(want[lane]); len(got[lane]) != n+1 || !equal(got[lane][:n], want[lane]) {
					t.Errorf("%s: %d records, want the %d of before and one more", lane, len(got[lane]), n)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "quarantine")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("something was set aside (%v)", err)
			}
		})
	}
}

func equal(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }

func count(all map[report.Lane][]string) map[report.Lane]int {
	n := map[report.Lane]int{}
	for lane, lines := range all {
		n[lane] = len(lines)
	}
	return n
}

// archive packs a spool, and beside it, for each lane, what its writer read in it.
func archive(dir string, records map[report.Lane][]string, file string) error {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	put := func(name string, body []byte) error {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(body))}); err != nil {
			return err
		}
		_, err := w.Write(body)
		return err
	}
	for _, lane := range lanes {
		if err := put(string(lane)+".jsonl", []byte(strings.Join(records[lane], "\n"))); err != nil {
			return err
		}
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return put("spool/"+filepath.ToSlash(name), body)
	})
	if err = errors.Join(err, w.Close(), z.Close()); err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, out.Bytes(), 0o644))
}

func unpackEarlier(file, dir string) (records map[report.Lane][]string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	records = map[report.Lane][]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if lane, ok := strings.CutSuffix(h.Name, ".jsonl"); ok {
			records[report.Lane(lane)] = strings.Split(string(body), "\n")
			continue
		}
		place := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(h.Name, "spool/")))
		if err := errors.Join(os.MkdirAll(filepath.Dir(place), 0o755), os.WriteFile(place, body, 0o600)); err != nil {
			return nil, err
		}
	}
}
