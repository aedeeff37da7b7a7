package spool_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// TestSegmentsOfALaterVersionAreLeftAlone: a format that this version does not know
// is told as damage and not touched, and new records get numbers of their own.
func TestSegmentsOfALaterVersionAreLeftAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	writeEarlier(t, dir)
	before := read(t, dir)
	newest := newestSegment(t, filepath.Join(dir, "complaint"))
	setVersion(t, newest, 2)
	theirs := bytesOf(t, newest)

	s, err := spool.Open(dir, earlierOptions())
	if err != nil {
		t.Fatal(err)
	}
	held := map[uint64]bool{}
	for _, line := range before[report.Complaint] {
		r, err := report.DecodeRecord([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		held[r.Seq] = true
	}
	const more = 200 // more than the free segments of the lane take
	added := 0
	for n := range more {
		seq, err := s.Append(t.Context(), report.Complaint, "test", strings.Repeat("·", 500+n))
		if err != nil {
			break // the lane is full
		}
		added++
		if held[seq] {
			t.Fatalf("number %d was given before", seq)
		}
	}
	told := false
	for _, e := range entries(t, s, report.Event) {
		told = told || strings.Contains(string(e.Line), "left alone") && strings.Contains(string(e.Line), filepath.Base(newest))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !told || added == 0 {
		t.Errorf("told of it: %v; %d records added", told, added)
	}
	if !bytes.Equal(bytesOf(t, newest), theirs) {
		t.Error("a segment of a later version was written to")
	}
}

func entries(t *testing.T, s *spool.Spool, lane report.Lane) (all []report.Entry) {
	t.Helper()
	for from := s.Head(lane).First; ; {
		got, err := s.Read(lane, from, 100, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			return all
		}
		all = append(all, got...)
		from = got[len(got)-1].Seq + 1
	}
}

// newestSegment is the one that holds the end of a lane.
func newestSegment(t *testing.T, dir string) (newest string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	id := uint64(0)
	for _, file := range files {
		if n := binary.LittleEndian.Uint64(bytesOf(t, file)[24:]); n > id {
			id, newest = n, file
		}
	}
	if newest == "" {
		t.Fatal("no segment holds anything")
	}
	return newest
}

// setVersion says another format in a segment's header; see the drawing in
// docs/reference/spool-format.md.
func setVersion(t *testing.T, file string, version uint16) {
	t.Helper()
	b := bytesOf(t, file)
	binary.LittleEndian.PutUint16(b[8:], version)
	binary.LittleEndian.PutUint32(b[252:], crc32.Checksum(b[:252], crc32.MakeTable(crc32.Castagnoli)))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func bytesOf(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
