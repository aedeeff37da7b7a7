package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"kentongan/firmware"
)

// TestRolloutOfARealDevice has the real agent under the real launcher, a real
// Mosquitto and the real centre; what is simulated is the board's pins. Releases are
// made and signed as a publisher does it, and lie on a web server. One is rolled out
// and stays; the next dies of each start, goes back by itself, and the rollout halts
// itself and says why.
func TestRolloutOfARealDevice(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	one, two := f.build(t, "v1"), f.build(t, "v2")
	c := newCentre(t, "kiosk-7")
	p := newPublisher(t, c, f.platform)
	first := p.release(t, 1, "v1", one, "")

	f.dir = filepath.Join(f.work, "fw-agent")
	f.run(t, exitGood, "init", "--dir", f.dir, "--from", first)
	data, conf := f.agentConfig(t, fmt.Sprintf(`{centre_key: %q, brokers: [{url: "mqtt://%s", username: kiosk-7, password: %s}]}`, c.key, c.broker, password))
	log := filepath.Join(f.work, "log")
	stop := f.superviseAs(t, log, "--within", "5m", "--incoming", filepath.Join(data, "incoming"), "--", "current/kentongan", "run", "--config", conf)
	isThere := func(release uint64) func() bool {
		return func() bool { return slices.Equal(c.devices(), []known{{"kiosk-7", "online", release}}) }
	}
	c.until("the device is there with release 1", isThere(1))
	roll := func(number uint64) {
		c.tool("rollout", "start", "--data", c.data, "--url", p.url(number), "--number", fmt.Sprint(number), "--reason", "uji", "--hours", "any", "--stages", "100", "--soak", "0s")
	}

	p.release(t, 2, "v2", two, one)
	roll(2)
	c.until("the rollout of release 2 is over", func() bool { return c.rollout(1).Rollout.State != "running" })
	if r := c.rollout(1); r.Rollout.State != "done" || len(r.Devices) != 1 || r.Devices[0].Device != "kiosk-7" || r.Devices[0].State != "committed" || r.Devices[0].Tries != 1 {
		t.Errorf("release 2: %+v, want it done, and committed at the first order", r)
	}
	if s := f.status(t); s.Running != 2 || s.Trial.State != firmware.Committed || s.Trial.Before != 1 {
		t.Errorf("the device: %+v, trial %+v", s, s.Trial)
	}
	if read(t, filepath.Join(f.dir, "current", "kentongan")) != read(t, two) {
		t.Error("what runs is not the program that was published")
	}
	if asked := p.payloads(); len(asked) != 1 || !strings.Contains(asked[0], "-from-") {
		t.Errorf("the device fetched %q, want the patch from what it ran", asked)
	}
	c.until("the device says that it runs release 2", isThere(2))
	f.pressed(c)

	broken := filepath.Join(f.work, "broken")
	put(t, broken, []byte(script("v3", "exit 3")), 0o755)
	p.release(t, 3, "v3", broken, "")
	roll(3)
	c.until("the rollout of release 3 is over", func() bool { return c.rollout(2).Rollout.State != "running" })
	const why = "start: it ended 3 times without being well"
	if r := c.rollout(2); r.Rollout.State != "halted" || r.Rollout.Why != "share" || r.Rollout.WhyText != "1/1" || len(r.Devices) != 1 || r.Devices[0].State != "went-back" || r.Devices[0].Detail != why {
		t.Errorf("release 3: %+v, want it halted, 1/1 having gone back: %s", r, why)
	}
	if said := c.tool("rollout", "show", "--data", c.data, "2"); !strings.Contains(said, "state     halted (share 1/1)") || !strings.Contains(said, "kiosk-7  went-back  "+why) {
		t.Errorf("rollout show:\n%s", said)
	}
	if s := f.status(t); s.Running != 2 || s.Trial.State != firmware.WentBack || !slices.Equal(s.Floor.Failed, []uint64{3}) {
		t.Errorf("the device: %+v, trial %+v", s, s.Trial)
	}
	if n := strings.Count(read(t, log), "started v3"); n != 3 {
		t.Errorf("release 3 was started %d times, want 3", n)
	}
	c.until("the device is there with release 2 again", isThere(2))
	f.pressed(c)
	stop()
}

// pressed presses the simulated board's button until the centre has one complaint
// more.
func (f *fleet) pressed(c *centre) {
	c.t.Helper()
	before := c.complaints()
	c.until("the press is at the centre", func() bool {
		f.pulse()
		return c.complaints() > before
	})
}

// publisher makes releases with kentongan-centre bundle, in a directory that a web
// server shows.
type publisher struct {
	c        *centre
	dir      string
	platform firmware.Platform
	server   *httptest.Server

	mu    sync.Mutex // guards asked
	asked []string   // payloads
}

func newPublisher(t *testing.T, c *centre, platform firmware.Platform) *publisher {
	t.Helper()
	p := &publisher{c: c, dir: t.TempDir(), platform: platform}
	list := []string{"bundle", "keys", "--version", "1", "--threshold", "2", "--out", p.at("keylist")}
	key := func(name string) string {
		return strings.TrimSpace(c.tool("bundle", "keygen", "--out", p.at(name), name))
	}
	for _, root := range []string{"root-a", "root-b", "root-c"} {
		list = append(list, "--root", key(root))
	}
	c.tool(append(list, "--release", key("release-key"))...)
	c.tool("bundle", "sign", "--key", p.at("root-a"), p.at("keylist"))
	c.tool("bundle", "sign", "--key", p.at("root-c"), p.at("keylist"))
	if err := os.Mkdir(p.at("web"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(p.at("web")))
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Ext(r.URL.Path) == ".zst" {
			p.mu.Lock()
			p.asked = append(p.asked, r.URL.Path)
			p.mu.Unlock()
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	return p
}

func (p *publisher) at(name string) string { return filepath.Join(p.dir, name) }

func (p *publisher) url(number uint64) string { return fmt.Sprintf("%s/%d", p.server.URL, number) }

// payloads are what was asked for so far, in order, each once.
func (p *publisher) payloads() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Compact(slices.Clone(p.asked))
}

// release makes one, with a patch from base unless that is "", and packs it, by
// which it is held against every rule.
func (p *publisher) release(t *testing.T, number uint64, version, program, base string) (bundle string) {
	t.Helper()
	dir := filepath.Join(p.at("web"), fmt.Sprint(number))
	args := []string{"bundle", "make", "--number", fmt.Sprint(number), "--version", version, "--keys", p.at("keylist"), "--out", dir}
	if base != "" {
		args = append(args, "--base", string(p.platform)+"="+base)
	}
	p.c.tool(append(args, string(p.platform)+"="+program)...)
	p.c.tool("bundle", "sign", "--key", p.at("release-key"), filepath.Join(dir, "release"))
	bundle = dir + ".bundle"
	p.c.tool("bundle", "pack", "--out", bundle, dir)
	return bundle
}
