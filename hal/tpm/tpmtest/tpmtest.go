// Package tpmtest starts emulated TPMs (swtpm) for tests.
package tpmtest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TPM is an emulated TPM.
type TPM struct {
	Socket string // of its commands

	t    *testing.T
	dir  string
	stop func()
}

// Start starts a TPM that was never used before. It ends with the test.
func Start(t *testing.T) *TPM {
	t.Helper()
	// A Unix socket's path is short, so not t.TempDir.
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	m := &TPM{Socket: filepath.Join(dir, "socket"), t: t, dir: dir}
	t.Cleanup(func() {
		m.Stop()
		_ = os.RemoveAll(dir)
	})
	m.Start()
	return m
}

// Start starts a TPM that was stopped, with what it held.
func (m *TPM) Start() {
	m.t.Helper()
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+m.dir,
		"--server", "type=unixio,path="+m.Socket, "--flags", "not-need-init,startup-clear")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		m.t.Fatalf("start swtpm: %v", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is told below
		close(ended)
	}()
	m.stop = func() {
		_ = cmd.Process.Kill() // what it said last is on the disk already
		<-ended
		_ = os.Remove(m.Socket)
	}
	late := time.After(90 * time.Second)
	for {
		if c, err := net.Dial("unix", m.Socket); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-ended:
			m.t.Fatalf("swtpm ended by itself:\n%s", &said)
		case <-late:
			m.t.Fatal("swtpm does not answer")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends it, as a power cut does.
func (m *TPM) Stop() {
	if m.stop != nil {
		m.stop()
		m.stop = nil
	}
}
