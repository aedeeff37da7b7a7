package store

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"kentongan/agent/report"
)

// TestEveryContestantKeepsWhatItWasGiven writes records alone and in groups,
// opens again, and wants each of them back.
func TestEveryContestantKeepsWhatItWasGiven(t *testing.T) {
	for _, k := range all(64 << 20) {
		t.Run(k.Name, func(t *testing.T) {
			recs, err := Records(1, 100, report.Complaint)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			s, err := k.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Write(recs[:20], 1); err != nil {
				t.Fatal(err)
			}
			if err := s.Write(recs[20:], 16); err != nil {
				t.Fatal(err)
			}
			if k.Name != Raw { // which can't be recovered, so it is read as it is
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = k.Open(dir); err != nil {
					t.Fatal(err)
				}
			}
			got, err := s.Read(1000)
			if err != nil {
				t.Fatal(err)
			}
			want := numbers(t, lines(recs))
			have := numbers(t, got)
			if k.Ordered && !slices.Equal(have[:20], want[:20]) {
				t.Errorf("the first 20 came back as %v", have[:20])
			}
			slices.Sort(have)
			if !slices.Equal(have, want) {
				t.Errorf("%d records of %d came back: %v", len(have), len(want), have)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func lines(recs []Record) (out [][]byte) {
	for _, r := range recs {
		out = append(out, r.Line)
	}
	return out
}

func numbers(t *testing.T, lines [][]byte) (out []string) {
	t.Helper()
	for _, l := range lines {
		r, err := report.DecodeRecord(l)
		if err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		var b padded
		if err := json.Unmarshal(r.Body, &b); err != nil {
			t.Fatal(err)
		}
		out = append(out, b.N)
	}
	return out
}

func TestRecordsHaveTheirSize(t *testing.T) {
	for _, lane := range report.Lanes() {
		recs, err := Records(1000, 1000, lane)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if d := len(r.Line) - LineBytes; d < -25 || d > 25 || bytes.ContainsRune(r.Line, '\n') {
				t.Fatalf("a line of %d bytes: %s", len(r.Line), r.Line)
			}
		}
	}
}
