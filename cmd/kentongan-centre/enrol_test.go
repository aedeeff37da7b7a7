package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
	"kentongan/hal/tpm/tpmtest"
)

// tool runs a command of the centre to its end.
func tool(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "KENTONGAN_CENTRE_TEST=1")
	var out, bad bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &bad
	if err := cmd.Run(); err != nil {
		t.Fatalf("kentongan-centre %s: %v\n%s", strings.Join(args, " "), err, &bad)
	}
	return out.String()
}

// site is a device: its program, its configuration, its board's socket.
type site struct {
	t                     *testing.T
	program, dir, config  string
	lampSaved, lampCentre string
}

const siteConfig = `# What the technician wrote.
device: not-yet
data: DIR/data
uplink:
  brokers:
    - url: mqtt://127.0.0.1:1
  centre_key: kentongan-centre+61e56f25+AfU4RW2bYdR+PG1TlLwNxy+SZ0Peu/XKJoxKDsHWPAJV   # the example's
board: {driver: sim, socket: DIR/board.sock}
kiosk:
  number: 7
  buttons:
    - name: road
      line: GPIO17
      service_code: jalan-rusak
      category: infrastruktur
      label: {id: Jalan rusak, en: Damaged road}
  lamps:
    saved: {line: GPIO22}
    received: {line: GPIO23}
  cooldown: 0s
`

func newSite(t *testing.T) *site {
	t.Helper()
	bin := brokertest.Build(t, "kentongan/cmd/kentongan")
	// A unix socket's path is short, so not t.TempDir.
	dir, err := os.MkdirTemp("", "site")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &site{t: t, program: bin, dir: dir, config: filepath.Join(dir, "kentongan.yaml"), lampSaved: "GPIO22", lampCentre: "GPIO23"}
	if err := os.WriteFile(s.config, []byte(strings.ReplaceAll(siteConfig, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// enrol runs kentongan enrol and returns its exit status and what it said.
func (s *site) enrol(args ...string) (status int, said string) {
	s.t.Helper()
	cmd := exec.Command(s.program, append([]string{"enrol", "--config", s.config, "--timeout", "60s"}, args...)...)
	cmd.Env = append(os.Environ(), "LANG=id_ID.UTF-8", "LC_ALL=")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// run starts the agent and returns its process.
func (s *site) run() *os.Process {
	s.t.Helper()
	cmd := exec.Command(s.program, "run", "--config", s.config, "--log-format", "text")
	var log bytes.Buffer
	cmd.Stderr = &log
	for _, v := range os.Environ() { // no service manager of ours is the device's
		if !strings.HasPrefix(v, "INVOCATION_ID=") && !strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if s.t.Failed() {
			s.t.Log(log.String())
		}
	})
	return cmd.Process
}

// board asks the simulated board one thing about a line.
func (s *site) board(request string) (active, out bool, err error) {
	c, err := net.Dial("unix", filepath.Join(s.dir, "board.sock"))
	if err != nil {
		return false, false, err
	}
	defer c.Close() //nolint:errcheck // it was read whole
	if _, err := fmt.Fprintln(c, request); err != nil {
		return false, false, err
	}
	line, err := bufio.NewReader(c).ReadBytes('\n')
	if err != nil {
		return false, false, err
	}
	var a struct {
		OK     bool
		Error  string
		Active bool
		Out    bool
	}
	if err := json.Unmarshal(line, &a); err != nil || !a.OK {
		return false, false, fmt.Errorf("%s: %v", line, err)
	}
	return a.Active, a.Out, nil
}

func (s *site) lamp(line string) bool {
	on, _, err := s.board(`{"op":"get","line":"` + line + `"}`)
	return err == nil && on
}

// press presses the button until the lamp says that it is kept.
func (s *site) press() {
	s.t.Helper()
	eventually(s.t, "the kiosk has its lines", func() bool {
		_, out, err := s.board(`{"op":"get","line":"` + s.lampCentre + `"}`)
		return err == nil && out
	})
	eventually(s.t, "the lamps of the press before are out", func() bool { return !s.lamp(s.lampSaved) && !s.lamp(s.lampCentre) })
	eventually(s.t, "the press is kept", func() bool {
		if _, _, err := s.board(`{"op":"pulse","line":"GPIO17","ms":150}`); err != nil {
			s.t.Fatal(err)
		}
		// The button may not be listened to yet, so it is pressed again.
		for range 40 {
			if s.lamp(s.lampSaved) {
				return true
			}
			time.Sleep(50 * time.Millisecond)
		}
		return false
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	late := time.After(90 * time.Second)
	for !ok() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-late:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

func field(t *testing.T, text, name string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if k, v, _ := strings.Cut(strings.TrimSpace(line), " "); k == name {
			return strings.TrimSpace(v)
		}
	}
	t.Fatalf("no %q in\n%s", name, text)
	return ""
}

// count asks a database beside the process that has it open.
func count(t *testing.T, file, query string) (n int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=query_only(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was read
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// From a token to the first complaint that the centre has: authority, Mosquitto
// with TLS, centre, kentongan enrol, agent. Then the device is revoked while it is
// connected, can't send, and enrols again while it runs, with its key in a TPM. Another
// device is set up at a terminal.
func TestFromTokenToComplaint(t *testing.T) {
	t.Parallel()
	data, broker := t.TempDir(), t.TempDir()
	tool(t, "ca", "init", "--data", data, "--root-dir", filepath.Join(broker, "stick"))
	tool(t, "ca", "server", "--data", data, "--out", broker, "127.0.0.1", "broker.example")
	tool(t, "ca", "client", "--data", data, "--out", broker, "kentongan.centre")
	tool(t, "ca", "crl", "--data", data, "--out", filepath.Join(broker, "crl.pem"))
	read := func(name string) []byte {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	in := func(name string) []byte { return read(filepath.Join(broker, name)) }
	m := brokertest.StartMosquittoWith(t, map[string][]byte{"ca.pem": in("ca.pem"), "server.pem": in("127.0.0.1.pem"), "server.key": in("127.0.0.1.key"), "crl.pem": in("crl.pem")})

	p := start(t, "run", "--data", data, "--listen", "127.0.0.1:0", "--broker", "mqtts://"+m.Addr,
		"--ca", filepath.Join(broker, "ca.pem"), "--cert", filepath.Join(broker, "kentongan.centre.pem"), "--key", filepath.Join(broker, "kentongan.centre.key"),
		"--enrol", "127.0.0.1:0", "--crl", m.CRL(), "--crl-hook", m.Reloader(t))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.log.String())
		}
	})
	said := tool(t, "token", "new", "--data", data, "--device", "kiosk-7", "--png", filepath.Join(broker, "qr.png"))
	link := field(t, said, "link")

	s := newSite(t)
	status, said := s.enrol(link)
	if status != 0 || !strings.Contains(said, "Terdaftar sebagai kiosk-7") {
		t.Fatalf("enrol: status %d\n%s", status, said)
	}
	other := newSite(t)
	if status, said := other.enrol(link); status != 4 || !strings.Contains(said, "sudah dipakai") {
		t.Errorf("a second device with the same token: status %d\n%s", status, said)
	}
	if text := string(read(other.config)); !strings.Contains(text, "device: not-yet") {
		t.Errorf("a refused device changed its configuration:\n%s", text)
	}
	setUp(t, s.program, link, field(t, tool(t, "token", "new", "--data", data, "--device", "kiosk-8"), "link"), "kiosk-8")

	agent := s.run()
	s.press()
	eventually(t, "the centre has the first complaint", func() bool { return s.lamp(s.lampCentre) })
	complaints := func() int {
		return count(t, filepath.Join(data, "centre.db"), "SELECT count(*) FROM complaint WHERE device = 'kiosk-7'")
	}
	eventually(t, "the press is in the database", func() bool { return complaints() > 0 })
	if n := count(t, filepath.Join(data, "centre.db"), "SELECT count(*) FROM device_key WHERE device = 'kiosk-7' AND how = 'enrolment'"); n != 1 {
		t.Errorf("%d record keys of the enrolment, want 1", n)
	}

	tool(t, "ca", "revoke", "--data", data, "--reason", "stolen", "kiosk-7")
	eventually(t, "its session is ended", func() bool {
		return count(t, filepath.Join(data, "ca", "enrol.db"), "SELECT count(*) FROM audit WHERE what = 'kicked' AND device = 'kiosk-7'") == 1
	})
	eventually(t, "the lamps of the first complaint are out", func() bool { return !s.lamp(s.lampSaved) && !s.lamp(s.lampCentre) })
	before := complaints() // a press may have been sent twice before
	s.press()
	if out := tool(t, "ca", "devices", "--data", data); strings.Contains(out, "kiosk-7") || !strings.Contains(out, "kiosk-8") {
		t.Errorf("enrolled are %q, want kiosk-8 alone", out)
	}

	said = tool(t, "token", "new", "--data", data, "--device", "kiosk-7")
	if n := complaints(); n != before {
		t.Errorf("%d complaints at the centre while the device is revoked, want %d", n, before)
	}
	// This time into a TPM, while the agent runs with a key in a file.
	again := []string{"--centre", field(t, said, "centre"), "--token", field(t, said, "token"), "--tpm"}
	if status, said := s.enrol(append(again, filepath.Join(s.dir, "none"))...); status != 1 || !strings.Contains(said, "TPM tidak dapat dibuka") {
		t.Errorf("enrol in a TPM that is not there: status %d\n%s", status, said)
	}
	if status, said := s.enrol(append(again, tpmtest.Start(t).Socket)...); status != 0 {
		t.Fatalf("enrol again: status %d\n%s", status, said)
	}
	if text := string(read(filepath.Join(s.dir, "data", "identity", "device.pem"))); !strings.HasPrefix(text, "-----BEGIN TSS2 PRIVATE KEY-----") || strings.Contains(text, "BEGIN PRIVATE KEY") {
		t.Errorf("the key is not in the TPM:\n%s", text)
	}
	eventually(t, "the centre has the second complaint", func() bool { return complaints() > before })
	if n := count(t, filepath.Join(data, "ca", "enrol.db"), "SELECT count(*) FROM audit WHERE what = 'refused' AND reason = 'used'"); n != 2 {
		t.Errorf("%d refusals of a used token are written down, want 2", n)
	}

	s.erase(agent)
	// A press of before may still be under way; what comes of the device as it is now
	// comes in another epoch, and that is a lane of its own.
	lane := count(t, filepath.Join(data, "centre.db"), "SELECT max(lane_id) FROM complaint WHERE device = 'kiosk-7'")
	tool(t, "ca", "revoke", "--data", data, "--reason", "handed over", "kiosk-7")
	said = tool(t, "token", "new", "--data", data, "--device", "kiosk-7")
	if status, said := s.enrol(field(t, said, "link")); status != 0 {
		t.Fatalf("enrol what was erased: status %d\n%s", status, said)
	}
	s.run()
	s.press()
	eventually(t, "the centre has a complaint of the device that was erased", func() bool {
		return count(t, filepath.Join(data, "centre.db"), fmt.Sprint("SELECT count(*) FROM complaint WHERE device = 'kiosk-7' AND lane_id > ", lane)) > 0
	})
	if n := count(t, filepath.Join(data, "centre.db"), "SELECT count(*) - count(DISTINCT ticket) FROM complaint WHERE device = 'kiosk-7'"); n != 0 {
		t.Errorf("%d tickets were given twice", n)
	}
}

// erase empties the device, which it refuses while the agent runs.
func (s *site) erase(agent *os.Process) {
	s.t.Helper()
	erase := func() (string, error) {
		out, err := exec.Command(s.program, "erase", "--config", s.config, "--yes", "--lose-complaints", "--lang", "en").CombinedOutput()
		return string(out), err
	}
	if out, err := erase(); err == nil || !strings.Contains(out, "Stop it: sudo kentongan stop") {
		s.t.Errorf("erase while the agent runs: %v\n%s", err, out)
	}
	if err := agent.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the agent lets go, and all is erased", func() bool {
		out, err := erase()
		return err == nil && strings.Contains(out, "Done: the device is empty.")
	})
	left, err := filepath.Glob(filepath.Join(s.dir, "data", "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "kiosk" {
		s.t.Errorf("left are %q, %v", left, err)
	}
}
