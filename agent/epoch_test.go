package agent

import (
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/uplink"
)

// TestNewEpochsBecomeRare: receipts for what somebody else says in the device's
// name must not use up the 64 epochs that the centre keeps of a device.
func TestNewEpochsBecomeRare(t *testing.T) {
	if got := epochPause(0); got != 0 {
		t.Errorf("the first one waits %v", got)
	}
	var took time.Duration
	for runs := range 64 {
		took += epochPause(runs)
	}
	if year := 365 * 24 * time.Hour; took < 5*year || epochPause(1<<30) > year {
		t.Errorf("64 epochs in %v, the longest pause %v", took, epochPause(1<<30))
	}
}

// TestQuietReceiptTellsOfAFork: one that came among too many for an event still leads
// to the new epoch.
func TestQuietReceiptTellsOfAFork(t *testing.T) {
	a := &Agent{forks: make(chan uplink.AckRefused, 1)} // an event would have no journal
	a.ackRefused(uplink.AckRefused{Reason: "hash", Quiet: true, Ack: report.Ack{Seq: 3, Hash: &report.Hash{}}})
	if len(a.forks) != 1 {
		t.Error("nobody hears of it")
	}
}
