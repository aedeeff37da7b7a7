package main

import (
	"os"
	"os/exec"
	"testing"
)

// TestFamily: a process counts with those that it has started.
func TestFamily(t *testing.T) {
	_, alone, err := family(os.Getpid())
	if err != nil || alone <= 0 {
		t.Fatalf("this process has %v bytes: %v", alone, err)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_, rss, err := family(child.Process.Pid)
	if err != nil || rss <= 0 {
		t.Errorf("its child has %v bytes: %v", rss, err)
	}
	_, both, err := family(os.Getpid())
	if err != nil || both < rss+alone/2 {
		t.Errorf("together they have %v bytes, %v and %v alone: %v", both, alone, rss, err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if _, _, err := family(child.Process.Pid); err == nil {
		t.Error("no error for a process that has ended")
	}
}
