package uplink

import (
	"bytes"
	"testing"

	"kentongan/agent/report"
)

// The batches that we make in a buffer of our own are those of the contract.
func TestBatchesAreThoseOfTheContract(t *testing.T) {
	p := newPacker(-1)
	for n, h := range []report.Head{
		{Lane: report.Event, Epoch: 7, First: 1, Next: 10},
		{Lane: report.Event, Epoch: 7, First: 1, Next: 10},
		{Lane: report.Event, Epoch: 8, First: 2, Next: 11},
		{Lane: report.Telemetry, Epoch: 8, First: 2, Next: 11},
	} {
		var entries []report.Entry
		for seq := h.First; seq < h.First+uint64(n); seq++ {
			entries = append(entries, report.Entry{Seq: seq, Line: makeLine(h.Lane, seq, report.Hash{})})
		}
		got, _, err := p.pack(h, entries, levelFast)
		if want := report.EncodeBatch(h, entries); err != nil || !bytes.Equal(got, want) {
			t.Errorf("batch %d: %s\nwant %s (error %v)", n, got, want, err)
		}
	}
}
