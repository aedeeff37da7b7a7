package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kentongan/agent/report"
	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// desk is somebody with a token of the centre's API.
type desk struct {
	t           *testing.T
	page, token string
}

func (d *desk) ask(method, path, body string) (int, []byte) {
	d.t.Helper()
	r, err := http.NewRequest(method, d.page+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read whole
	text, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res.StatusCode, text
}

// order gives one and waits for its result.
func (d *desk) order(name, body string) report.CommandResult {
	d.t.Helper()
	status, text := d.ask("POST", "/api/v1/devices/kiosk-7/orders/"+name, body)
	var given struct{ Order store.Order }
	if err := json.Unmarshal(text, &given); status != http.StatusAccepted || err != nil {
		d.t.Fatalf("order %s: %d %s", name, status, text)
	}
	var got *report.CommandResult
	eventually(d.t, "a result of "+name, func() bool {
		for _, o := range d.orders(name) {
			if o.ID == given.Order.ID {
				got = o.Result
			}
		}
		return got != nil
	})
	return *got
}

func (d *desk) orders(name string) []store.Order {
	d.t.Helper()
	_, text := d.ask("GET", "/api/v1/orders?device=kiosk-7&name="+name, "")
	var list struct{ Orders []store.Order }
	if err := json.Unmarshal(text, &list); err != nil {
		d.t.Fatalf("%s: %v", text, err)
	}
	return list.Orders
}

// What the centre can order, with both programs: identify, restart, logs, profile, config,
// and its own next keys to a device that was off while they changed twice.
func TestOrdersOfARunningDevice(t *testing.T) {
	t.Parallel()
	data, mqtt := t.TempDir(), brokertest.FreeAddress(t)
	begin := func() (*process, *desk) {
		p := start(t, "run", "--data", data, "--listen", "127.0.0.1:0", "--mqtt", mqtt)
		token := strings.Fields(tool(t, "user", "token", "--data", data, "--name", "sari"))
		return p, &desk{t, p.page, token[len(token)-1]}
	}
	key := strings.TrimSpace(tool(t, "key", "--data", data))
	tool(t, "user", "add", "--data", data, "--name", "sari", "--role", "admin")
	p, d := begin()

	s := newSite(t)
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	good := strings.NewReplacer("not-yet", "kiosk-7", "127.0.0.1:1", mqtt).Replace(string(text))
	good = good[:strings.Index(good, "centre_key:")] + "centre_key: " + key + "\n" + good[strings.Index(good, "board:"):]
	if err := os.WriteFile(s.config, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := s.run()
	s.press()
	eventually(t, "the centre has the complaint", func() bool { return s.lamp(s.lampCentre) })

	// The lamps blink for as long as it takes to see it, and not only for as long
	// as a busy machine takes to bring the result here.
	if r := d.order("identify", `{"seconds":300}`); r.State != report.CommandSucceeded || r.Detail != "the kiosk's lamps" {
		t.Errorf("identify: %+v", r)
	}
	lit, dark := false, false
	eventually(t, "the lamps blink", func() bool {
		on := s.lamp(s.lampSaved)
		lit, dark = lit || on, dark || !on
		return lit && dark
	})

	boots := func() int {
		return count(t, filepath.Join(data, "centre.db"), "SELECT count(*) FROM record WHERE kind = 'boot'")
	}
	before := boots()
	if r := d.order("restart", `{"reason":"uji"}`); r.State != report.CommandSucceeded {
		t.Errorf("restart: %+v", r)
	}
	eventually(t, "the agent has started anew", func() bool { return boots() == before+1 })

	if r := d.order("logs", `{"reason":"uji"}`); r.State != report.CommandSucceeded && r.Reason != report.RejectClock {
		t.Errorf("logs: %+v", r)
	} else if r.State == report.CommandSucceeded {
		d.wantArrived(r.ID, "agent started")
	}

	for what, names := range map[string]string{"heap": "alloc_space", "cpu": "nanoseconds", "goroutine": "kentongan/agent.(*Agent).Run"} {
		r := d.order("profile", `{"reason":"uji","what":"`+what+`","seconds":`+map[string]string{"cpu": "1", "heap": "0", "goroutine": "0"}[what]+`}`)
		if r.State == report.CommandSucceeded {
			d.wantArrived(r.ID, names)
		} else if r.Reason != report.RejectClock {
			t.Errorf("profile of %s: %+v", what, r)
		}
	}

	bad, err := json.Marshal(map[string]any{"reason": "uji", "text": strings.Replace(good, "GPIO17", "", 1)})
	if err != nil {
		t.Fatal(err)
	}
	if r := d.order("config", string(bad)); r.State != report.CommandRejected || r.Reason != report.RejectArguments || !strings.Contains(r.Detail, "kiosk.buttons[0]") {
		t.Errorf("a bad configuration: %+v", r)
	}
	next, err := json.Marshal(map[string]any{"reason": "uji", "text": good + "log: {level: debug}\n"})
	if err != nil {
		t.Fatal(err)
	}
	if r := d.order("config", string(next)); r.State != report.CommandSucceeded {
		t.Errorf("a good configuration: %+v", r)
	}

	// The device is off, and the key changes twice.
	if err := agent.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := p.end(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	tool(t, "key", "rotate", "--data", data)
	newest := strings.TrimSpace(tool(t, "key", "rotate", "--data", data))
	_, d = begin()
	s.run()
	s.press()
	eventually(t, "the centre has the press, and the device believes it", func() bool { return s.lamp(s.lampCentre) })
	eventually(t, "the device believes the newest key alone", func() bool {
		text, err := os.ReadFile(filepath.Join(s.dir, "data", "centre-keys.json"))
		var ring struct{ Keys []string }
		return err == nil && json.Unmarshal(text, &ring) == nil && len(ring.Keys) == 1 && ring.Keys[0] == newest
	})
	eventually(t, "each has a result", func() bool {
		list := d.orders("keys")
		for _, o := range list {
			if o.Result == nil || o.Result.State != report.CommandSucceeded {
				return false
			}
		}
		return len(list) == 2
	})
	if n := count(t, filepath.Join(data, "centre.db"), "SELECT count(*) - count(DISTINCT id) FROM orders WHERE result <> ''"); n != 0 {
		t.Errorf("%d orders have two results", n)
	}
}

// wantArrived fetches a log or a profile that has arrived and looks what is in it.
func (d *desk) wantArrived(id, want string) {
	d.t.Helper()
	var text []byte
	eventually(d.t, "what was ordered arrives", func() bool {
		status, body := d.ask("GET", "/pictures/kiosk-7/"+id, "")
		text = body
		return status == http.StatusOK
	})
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		d.t.Fatal(err)
	}
	inside, err := io.ReadAll(z)
	if err != nil || !bytes.Contains(inside, []byte(want)) {
		d.t.Errorf("no %q in %.2000q (%v)", want, inside, err)
	}
}
