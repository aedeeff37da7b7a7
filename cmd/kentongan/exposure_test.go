package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kentongan/agent/nstest"
	"kentongan/broker-config/brokertest"
)

// exposed is a device with all its parts and no page.
const exposed = `device: kiosk-7
data: data
uplink: {acknowledge: broker, brokers: [{url: "mqtt://127.0.0.1:1"}]}
spool: {complaint: 1MiB, event: 1MiB, telemetry: 1MiB}
board: {driver: sim, socket: board.sock}
kiosk:
  number: 7
  buttons: [{name: road, line: GPIO17, service_code: x, category: y, label: {id: a, en: b}}]
lines: [{name: door, kind: door, line: GPIO6}]
streams: [{name: gate, url: "rtsp://127.0.0.1:1/"}]
pictures: {ffmpeg: "off"}
log: {level: debug}
`

// TestWhatADeviceLeavesOpen runs the real program and asks the kernel what it
// listens on: nothing, until the configuration names an address, and then that
// address alone. Afterwards no file of the data directory is everybody's, and keys
// are their owner's alone.
func TestWhatADeviceLeavesOpen(t *testing.T) {
	dir := t.TempDir()
	program := buildDevice(t, dir)
	page, screen, metrics := brokertest.FreeAddress(t), brokertest.FreeAddress(t), brokertest.FreeAddress(t)
	for _, tt := range []struct {
		name, more string
		want       []string
	}{
		{"no page", "", nil},
		{"all pages", fmt.Sprintf("page: {listen: %q}\nmetrics: {listen: %q}\n", page, metrics), []string{page, screen, metrics}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			work := t.TempDir()
			text := exposed + tt.more
			if tt.want != nil {
				text = strings.Replace(text, "  number: 7\n", fmt.Sprintf("  number: 7\n  screen: {listen: %q}\n", screen), 1)
			}
			d := startExposed(t, program, work, text)
			d.await("the agent's start, and the end of a session with the camera", func(log string) bool {
				return strings.Contains(log, "agent started") && strings.Contains(log, "127.0.0.1:1: connect: connection refused")
			})
			slices.Sort(tt.want)
			// Pages are served a moment after the start.
			var open []string
			d.await(fmt.Sprintf("%d addresses", len(tt.want)), func(string) bool {
				open = nstest.Listening(t, d.cmd.Process.Pid)
				return len(open) >= len(tt.want)
			})
			if !slices.Equal(open, tt.want) {
				t.Errorf("it listens on %q, want %q", open, tt.want)
			}
			d.end()
			privateFiles(t, filepath.Join(work, "data"))
		})
	}
}

// exposedRun is a run of the program.
type exposedRun struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  string // its file
	done chan struct{}
	err  error // of its end; read after done
}

func startExposed(t *testing.T, program, work, text string) *exposedRun {
	t.Helper()
	file := filepath.Join(work, "kentongan.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &exposedRun{t: t, log: filepath.Join(work, "log"), done: make(chan struct{})}
	log, err := os.Create(d.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d.cmd = exec.Command("bash", "-c", `umask 022; exec "$@"`, "run", program, "run", "--config", file) // as a shell has it; the unit has 077
	d.cmd.Dir, d.cmd.Stderr = work, log
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "INVOCATION_ID=") && !strings.HasPrefix(e, "NOTIFY_SOCKET=") {
			d.cmd.Env = append(d.cmd.Env, e)
		}
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.done)
		d.err = d.cmd.Wait()
	}()
	t.Cleanup(d.end)
	return d
}

func (d *exposedRun) await(what string, ok func(log string) bool) {
	d.t.Helper()
	for late := time.After(pagePatience); ; {
		log, err := os.ReadFile(d.log)
		if err != nil {
			d.t.Fatal(err)
		}
		if ok(string(log)) {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
			continue
		case <-d.done:
		case <-late:
		}
		d.t.Fatalf("waited in vain for %s\n%s", what, log)
	}
}

func (d *exposedRun) end() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // again after its end does nothing
	<-d.done
	if d.err != nil {
		d.t.Errorf("run: %v", d.err)
	}
}

// privateFiles walks a data directory: no file is everybody's, and what holds a
// private key is its owner's alone.
func privateFiles(t *testing.T, data string) {
	t.Helper()
	keys := 0
	err := filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()
		if mode&0o007 != 0 {
			t.Errorf("%s has mode %o: everybody may use it", path, mode)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".key") || bytes.Contains(text, []byte("PRIVATE KEY")) || bytes.Contains(text, []byte("PRIVATE+KEY")) {
			keys++
			if mode != 0o600 {
				t.Errorf("%s holds a private key and has mode %o, want 600", path, mode)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if keys == 0 {
		t.Errorf("no private key in %s: the record key should be there", data)
	}
}
