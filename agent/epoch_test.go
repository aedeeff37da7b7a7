package agent

import (
	"testing"
	"time"
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
