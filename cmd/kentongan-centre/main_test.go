package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
)

const patience = 2 * time.Minute

// TestMain lets the test binary be the centre: a process that can be killed.
func TestMain(m *testing.M) {
	if os.Getenv("KENTONGAN_CENTRE_TEST") == "1" {
		main()
		return
	}
	os.Exit(pgtest.Main(m))
}

// process is a centre in a process of its own.
type process struct {
	t                 *testing.T
	cmd               *exec.Cmd
	page, broker, key string
	token             string // lets the test in
	log               *bytes.Buffer
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), log: new(bytes.Buffer)}
	p.cmd.Env = append(os.Environ(), "KENTONGAN_CENTRE_TEST=1")
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	lines := bufio.NewScanner(out)
	for p.key == "" && lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		switch name {
		case "page":
			p.page = value
		case "broker":
			p.broker = value
		case "key":
			p.key = value
		}
	}
	if p.key == "" {
		_ = p.cmd.Wait()
		t.Fatalf("the centre did not start: %s", p.log)
	}
	p.letIn(args[slices.Index(args, "--data")+1])
	return p
}

// letIn makes an account beside the running centre, if there is none, and a token.
func (p *process) letIn(data string) {
	p.t.Helper()
	var out, errs bytes.Buffer
	e := env{&out, &errs}
	dispatch(p.t.Context(), e, []string{"user", "add", "--data", data, "--name", "test", "--role", "viewer"})
	out.Reset()
	if dispatch(p.t.Context(), e, []string{"user", "token", "--data", data, "--name", "test"}) != exitGood {
		p.t.Fatalf("no token: %s", &errs)
	}
	p.token = strings.TrimSpace(out.String())
}

// end sends a signal and waits.
func (p *process) end(sig os.Signal) error {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-done
		p.t.Fatalf("the centre did not end: %s", p.log)
		return nil
	}
}

const total = 400

// device is what an uplink does, in short: it sends from the first number that
// is not acknowledged, and begins there again after anything goes wrong.
func device(ctx context.Context, t *testing.T, addr string, v note.Verifiers) error {
	const id = "kiosk-7"
	var lines []report.Entry
	var prev report.Hash
	for seq := uint64(1); seq <= total; seq++ {
		r, err := report.NewRecord(id, report.Complaint, 0xe1, seq, prev, report.Stamp{Time: time.Now(), Clock: report.ClockSynced, Boot: "b001b001"}, report.KindPress, report.Press{Ticket: report.NewTicket(7, seq).String(), Category: "x", Presses: 1})
		if err != nil {
			return err
		}
		line, err := r.Encode()
		if err != nil {
			return err
		}
		prev = report.HashLine(line)
		lines = append(lines, report.Entry{Seq: seq, Line: line})
	}
	acked := uint64(0)
	for acked < total {
		if ctx.Err() != nil {
			return fmt.Errorf("only %d of %d acknowledged: %w", acked, total, ctx.Err())
		}
		acks, lost := make(chan report.Ack, 1000), make(chan error, 1)
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(id).SetProtocolVersion(4).
			SetAutoReconnect(false).SetConnectTimeout(time.Second).SetWriteTimeout(time.Second).SetKeepAlive(2 * time.Second).
			SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err }))
		if tok := c.Connect(); !tok.WaitTimeout(3*time.Second) || tok.Error() != nil {
			pauseOr(ctx, 20*time.Millisecond)
			continue
		}
		c.Subscribe(report.Topics(id).Ack(report.Complaint), 1, func(_ mqtt.Client, m mqtt.Message) {
			a, err := report.OpenAck(m.Payload(), id, report.Complaint, v)
			if err != nil {
				t.Errorf("receipt: %v", err)
				return
			}
			if a.Seq > 0 && a.Hash != nil && *a.Hash != report.HashLine(lines[a.Seq-1].Line) {
				t.Errorf("receipt for %d with a foreign hash", a.Seq)
			}
			acks <- a
		})
		acked = sendAll(ctx, c, lines, acked, acks, lost)
		c.Disconnect(20)
	}
	return nil
}

// sendAll works on one connection until all is acknowledged or something goes
// wrong, and says how far it got.
func sendAll(ctx context.Context, c mqtt.Client, lines []report.Entry, acked uint64, acks <-chan report.Ack, lost <-chan error) uint64 {
	const step, window = 4, 40
	next := acked
	for acked < total {
		for next < total && next < acked+window {
			n := min(next+step, total)
			h := report.Head{Lane: report.Complaint, Epoch: 0xe1, First: acked + 1, Next: total + 1}
			c.Publish(report.Topics("kiosk-7").Up(report.Complaint, false, false), 1, false, report.EncodeBatch(h, lines[next:n]))
			next = n
		}
		select {
		case a := <-acks:
			acked = max(acked, a.Seq)
			next = max(next, acked)
		case <-time.After(2 * time.Second):
			next = acked // no progress: send again
		case <-lost:
			return acked
		case <-ctx.Done():
			return acked
		}
	}
	return acked
}

func pauseOr(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func ask(t *testing.T, p *process, path string, to any) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.page+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	if err := json.NewDecoder(res.Body).Decode(to); err != nil {
		t.Fatal(err)
	}
}

// The centre, and with it the embedded broker, is killed again and again while
// a device sends: every record is there once, and the receipts say so.
func TestKilledWhileReceiving(t *testing.T) {
	data, mqttAddr := t.TempDir(), brokertest.FreeAddress(t)
	args := []string{"--data", data, "--listen", "127.0.0.1:0", "--mqtt", mqttAddr}
	p := start(t, args...)
	v, err := note.NewVerifier(p.key)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- device(ctx, t, mqttAddr, note.VerifierList(v)) }()
	const kills = 5
	for n := range kills {
		waitHeld(t, p, (n+1)*total/(kills+1))
		_ = p.end(syscall.SIGKILL) // an error is what it has to be
		p = start(t, args...)
	}
	if err := <-done; err != nil {
		t.Fatalf("%v; the centre says: %s", err, p.log)
	}
	var got struct {
		Lanes []struct {
			Received, Missing, Thru, Duplicates, Conflicts uint64
		}
	}
	ask(t, p, "/api/v1/lanes", &got)
	if len(got.Lanes) != 1 || got.Lanes[0].Received != total || got.Lanes[0].Thru != total || got.Lanes[0].Missing+got.Lanes[0].Conflicts != 0 {
		t.Errorf("lanes %+v, want %d received and proven, none missing", got.Lanes, total)
	}
	var list struct{ Complaints []struct{ Ticket string } }
	ask(t, p, "/api/v1/complaints", &list)
	tickets := map[string]bool{}
	for _, c := range list.Complaints {
		tickets[c.Ticket] = true
	}
	if len(list.Complaints) != total || len(tickets) != total {
		t.Errorf("%d complaints with %d tickets, want %d", len(list.Complaints), len(tickets), total)
	}
	t.Logf("%d records, %d kills, %d doubles dropped", total, kills, got.Lanes[0].Duplicates)
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Errorf("SIGTERM: %v: %s", err, p.log)
	}
	if _, err := os.Stat(filepath.Join(data, "centre.db-wal")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the database was not closed in order: %v", err)
	}
}

// waitHeld waits until the centre holds so many records.
func waitHeld(t *testing.T, p *process, want int) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var got struct{ Lanes []struct{ Received int } }
		ask(t, p, "/api/v1/lanes", &got)
		if len(got.Lanes) > 0 && got.Lanes[0].Received >= want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %d records: %+v; %s", patience, want, got, p.log)
		}
	}
}

func TestKeyIsMadeOnceAndKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	say := func() (key, beside string) {
		var out, errs bytes.Buffer
		if got := dispatch(t.Context(), env{&out, &errs}, []string{"key", "--data", dir}); got != exitGood {
			t.Fatalf("key: status %d: %s", got, &errs)
		}
		return out.String(), errs.String()
	}
	first, beside := say()
	if !strings.HasPrefix(first, "kentongan-centre+") || strings.Count(first, "\n") != 1 {
		t.Errorf("key %q, want it alone", first)
	}
	if want := "a new one was made: " + filepath.Join(dir, "centre.key"); !strings.Contains(beside, want) {
		t.Errorf("says %q of a new key, want %q in it", beside, want)
	}
	if again, beside := say(); again != first || beside != "" {
		t.Errorf("the second time: key %q, says %q; want key %q and nothing", again, beside, first)
	}
	if st, err := os.Stat(filepath.Join(dir, "centre.key")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v; want mode 0600", st, err)
	}
}

func TestAnnouncedURLCanBeOpened(t *testing.T) {
	for in, want := range map[string]string{
		"http://[::]:8080":           "http://127.0.0.1:8080",
		"http://0.0.0.0:8080":        "http://127.0.0.1:8080",
		"mqtt://0.0.0.0":             "mqtt://127.0.0.1",
		"http://[::1]:8080":          "http://[::1]:8080",
		"http://192.168.1.2:8080":    "http://192.168.1.2:8080",
		"mqtts://u:p@centre.example": "mqtts://u:xxxxx@centre.example",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := announced(u); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
		if in != "mqtts://u:p@centre.example" && u.String() != in {
			t.Errorf("%s was changed to %s", in, u)
		}
	}
}

// TestAnnounce has the addresses of a centre that listens everywhere, as Go
// gives them; a test opens no such port.
func TestAnnounce(t *testing.T) {
	var out bytes.Buffer
	announce(&out, &net.TCPAddr{IP: net.IPv6unspecified, Port: 8080}, false, &url.URL{Scheme: "mqtt", Host: "[::]:1883"}, "kentongan-centre+1+A")
	if want := "page http://127.0.0.1:8080\nbroker mqtt://127.0.0.1:1883\nkey kentongan-centre+1+A\n"; out.String() != want {
		t.Errorf("got  %q\nwant %q", &out, want)
	}
}

func TestWrongUse(t *testing.T) {
	dir := t.TempDir()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close() //nolint:errcheck // a test's
	if err := os.WriteFile(filepath.Join(dir, "broken.key"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	locked := t.TempDir()
	unlock, err := lockDir(locked)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	tests := map[string]struct {
		args   []string
		status int
		say    string
	}{
		"no data":            {[]string{"run"}, exitUsage, "--data is missing"},
		"unknown command":    {[]string{"fly"}, exitUsage, `unknown command "fly"`},
		"unknown flag":       {[]string{"--fast"}, exitUsage, "fast"},
		"two brokers":        {[]string{"--data", dir, "--broker", "mqtt://h", "--mqtt", ":1"}, exitUsage, "exclude each other"},
		"ca without broker":  {[]string{"--data", dir, "--ca", "x"}, exitUsage, "--broker, which is missing"},
		"cert without key":   {[]string{"--data", dir, "--broker", "mqtts://h", "--cert", "x"}, exitUsage, "belong together"},
		"address":            {[]string{"--data", dir, "--listen", "8080"}, exitUsage, "write HOST:PORT"},
		"level":              {[]string{"--data", dir, "--log", "loud"}, exitUsage, "debug, info, warn or error"},
		"broker's scheme":    {[]string{"--data", dir, "--listen", "127.0.0.1:0", "--broker", "http://h"}, exitFailed, "write mqtt://HOST:PORT"},
		"password in URL":    {[]string{"--data", dir, "--listen", "127.0.0.1:0", "--broker", "mqtt://u:p@h"}, exitFailed, "--password-file"},
		"page's port taken":  {[]string{"--data", dir, "--listen", busy.Addr().String(), "--mqtt", "127.0.0.1:0"}, exitFailed, "--listen"},
		"broker's port":      {[]string{"--data", dir, "--listen", "127.0.0.1:0", "--mqtt", busy.Addr().String()}, exitFailed, "is taken, perhaps by a Mosquitto"},
		"directory in use":   {[]string{"--data", locked, "--listen", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"}, exitFailed, "another kentongan-centre runs"},
		"no password file":   {[]string{"--data", dir, "--listen", "127.0.0.1:0", "--broker", "mqtt://h", "--password-file", filepath.Join(dir, "none")}, exitFailed, "--password-file"},
		"ca is no PEM":       {[]string{"--data", dir, "--listen", "127.0.0.1:0", "--broker", "mqtts://h", "--ca", filepath.Join(dir, "broken.key")}, exitFailed, "no certificate in PEM form"},
		"key without --data": {[]string{"key"}, exitUsage, "key --data DIR"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if got := dispatch(t.Context(), env{&out, &errs}, tt.args); got != tt.status {
				t.Errorf("status %d, want %d", got, tt.status)
			}
			if !strings.Contains(errs.String(), tt.say) {
				t.Errorf("says %q, want %q in it", errs.String(), tt.say)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	var out, errs bytes.Buffer
	if got := dispatch(t.Context(), env{&out, &errs}, []string{"help"}); got != exitGood || !strings.Contains(out.String(), "-broker url") {
		t.Errorf("status %d: %s%s", got, &out, &errs)
	}
}
