package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/broker-config/brokertest"
)

// centre is the real command centre, behind a real Mosquitto.
type centre struct {
	t                   *testing.T
	program, data, page string
	token               string // of somebody who may start rollouts
	key                 string // which devices believe
	broker              string // HOST:PORT
}

// password is that of both accounts at the broker.
const password = "rahasia"

// newCentre starts both. device is whom the broker knows beside the centre.
func newCentre(t *testing.T, device string) *centre {
	t.Helper()
	c := &centre{t: t, program: brokertest.Build(t, "kentongan/cmd/kentongan-centre"), data: t.TempDir()}
	c.broker = brokertest.StartLoopback(t, "kentongan.centre:"+password, device+":"+password).Addr
	secret := filepath.Join(t.TempDir(), "password")
	put(t, secret, []byte(password+"\n"), 0o600)
	c.key = strings.TrimSpace(c.tool("key", "--data", c.data))
	c.tool("user", "add", "--data", c.data, "--name", "sari", "--role", "approver")
	words := strings.Fields(c.tool("user", "token", "--data", c.data, "--name", "sari"))
	c.token = words[len(words)-1]

	cmd := exec.Command(c.program, "run", "--data", c.data, "--listen", "127.0.0.1:0",
		"--broker", "mqtt://"+c.broker, "--username", "kentongan.centre", "--password-file", secret)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("kentongan-centre: %v", err)
		}
		if t.Failed() {
			t.Logf("kentongan-centre:\n%s", &log)
		}
	})
	for lines := bufio.NewScanner(out); c.page == "" && lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), " "); name == "page" {
			c.page = value
		}
	}
	if c.page == "" {
		t.Fatal("the centre does not say where its page is")
	}
	return c
}

// tool runs a command of the centre to its end.
func (c *centre) tool(args ...string) string {
	c.t.Helper()
	cmd := exec.Command(c.program, args...)
	var bad bytes.Buffer
	cmd.Stderr = &bad
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("kentongan-centre %s: %v\n%s", strings.Join(args, " "), err, &bad)
	}
	return string(out)
}

// ask reads what the centre's API has there.
func (c *centre) ask(path string, into any) {
	c.t.Helper()
	r, err := http.NewRequest(http.MethodGet, c.page+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != http.StatusOK {
		c.t.Fatalf("GET %s: %s, %v", path, res.Status, err)
	}
}

// known is a device as the centre lists it.
type known struct {
	Device, State string
	Release       uint64
}

func (c *centre) devices() []known {
	c.t.Helper()
	var list struct{ Devices []known }
	c.ask("/api/v1/devices", &list)
	return list.Devices
}

func (c *centre) complaints() int {
	c.t.Helper()
	var list struct{ Complaints []struct{ Ticket string } }
	c.ask("/api/v1/complaints", &list)
	return len(list.Complaints)
}

// rollout is one as the centre tells of it.
type rollout struct {
	Rollout struct {
		State, Why string
		WhyText    string `json:"why_text"`
	}
	Devices []struct {
		Device, State, Code, Detail string
		Tries                       int
	}
}

func (c *centre) rollout(id int) (r rollout) {
	c.t.Helper()
	c.ask(fmt.Sprintf("/api/v1/rollouts/%d", id), &r)
	return r
}

// patienceOfAll is for what goes through every part: an order, a download, three
// starts, the word of it.
const patienceOfAll = 5 * time.Minute

func (c *centre) until(what string, ok func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patienceOfAll); !ok(); time.Sleep(250 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("waited %v in vain for: %s", patienceOfAll, what)
		}
	}
}
