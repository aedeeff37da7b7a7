package uplink

import (
	"testing"

	"kentongan/agent/report"
)

// A stored member and packed blocks after it are one batch to any reader.
func TestStoredMemberAndBlocksAreABatch(t *testing.T) {
	h := report.Head{Lane: report.Telemetry, Epoch: 7, First: 1, Next: 4}
	line := func(seq uint64) []byte {
		r, err := report.NewRecord("kiosk-7", report.Telemetry, 7, seq, report.Hash{}, report.Stamp{}, "stats", seq)
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return append(out, '\n')
	}
	batch := storedMember(report.EncodeBatch(h, nil))
	batch = append(batch, report.Gzip(append(line(1), line(2)...))...)
	batch = append(batch, report.Gzip(line(3))...)
	got, err := report.DecodeBatch(batch, true)
	if err != nil {
		t.Fatal(err)
	}
	if got.Head != h || len(got.Records) != 3 || got.Records[2].Seq != 3 {
		t.Errorf("got %+v with %d records, want %+v with 3", got.Head, len(got.Records), h)
	}
}
