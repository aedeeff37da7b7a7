package agent

import "testing"

func TestMachine(t *testing.T) {
	if got := residentBytes(); got < 1<<20 || got > 1<<40 {
		t.Errorf("this process has %d bytes", got)
	}
	if got := load1(); got < 0 || got > 10_000 {
		t.Errorf("load %v", got)
	}
	if got := diskFree(t.TempDir()); got <= 0 {
		t.Errorf("%d bytes free", got)
	}
	if got := diskFree("/no/such/folder"); got != 0 {
		t.Errorf("%d bytes free in no folder", got)
	}
	if got := hottest(); got < 0 || got > 200_000 {
		t.Errorf("%d thousandths of a degree", got)
	}
}
