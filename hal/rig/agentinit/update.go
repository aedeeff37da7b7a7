package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Where the launcher is and what it works on.
const (
	launcher  = "/kentongan-boot"
	program   = "/kentongan"
	config    = "/kentongan.yaml"
	updateDir = "/data/fw"
	healthy   = "/tmp/healthy"
)

// theAgent is the agent's command: alone, or under the launcher, with the
// program of the first RAM disk as its first version.
func theAgent() (*exec.Cmd, error) {
	if _, err := os.Stat(launcher); err != nil {
		return said(program, "run", "--config", config), nil
	}
	if err := said(launcher, "init", "--dir", updateDir, "--keys", "/keys", "--program", program).Run(); err != nil {
		return nil, fmt.Errorf("make the update directory: %w", err)
	}
	return said(launcher, "run", "--dir", updateDir, "--healthy", healthy, "--incoming", "/data/incoming", "--",
		"current/kentongan", "run", "--config", config), nil
}

// said is a command that speaks on the console.
func said(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	return c
}

func update(url string) {
	if err := said(program, "update", "apply", "--config", config, "--from", url).Run(); err != nil {
		say("update: %v", err)
	}
}

func status() error {
	out, err := exec.Command(launcher, "status", "--dir", updateDir).Output()
	if err != nil {
		return fmt.Errorf("ask for the status: %w", err)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, out); err != nil {
		return err
	}
	say("status %s", line.Bytes())
	return nil
}

func hash() error {
	f, err := os.Open(updateDir + "/current/kentongan")
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	say("hash %s", hex.EncodeToString(sum.Sum(nil)))
	return nil
}
