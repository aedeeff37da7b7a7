package screen

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what has to happen on a busy machine.
const patience = 30 * time.Second

// browser is a real Chromium, spoken to by the DevTools protocol over a pipe:
// JSON messages that end with a zero byte, on its file descriptors 3 and 4.
type browser struct {
	t       *testing.T
	to      io.Writer
	session string

	mu      sync.Mutex // guards the fields below
	last    int
	answers map[int]chan devtools
	said    []string // errors that the page logged
}

type devtools struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct{ Message string }
}

func startChromium(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("start chromium: %v; install it: apt-get install chromium", err)
	}
	theirIn, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "kentongan-chromium-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--hide-scrollbars", "--user-data-dir="+dir, "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	b := &browser{t: t, to: to, answers: map[int]chan devtools{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(from)
	}()
	t.Cleanup(func() {
		_ = to.Close() // Chromium ends with its pipe
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
		}
		_ = from.Close()
		<-read
		// Its helpers may still write for a moment.
		for range 50 {
			if os.RemoveAll(dir) == nil {
				break
			}
		}
	})
	b.attach()
	return b
}

func (b *browser) attach() {
	var target struct{ TargetID string }
	b.call(&target, "Target.createTarget", map[string]any{"url": "about:blank"})
	var attached struct{ SessionID string }
	b.call(&attached, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true})
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(nil, domain+".enable", nil)
	}
}

// read sorts what Chromium says: answers to their callers, the page's errors
// into said.
func (b *browser) read(from io.Reader) {
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		raw, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var a devtools
		if json.Unmarshal(raw[:len(raw)-1], &a) != nil {
			continue
		}
		b.mu.Lock()
		if c := b.answers[a.ID]; c != nil && a.ID != 0 {
			c <- a
			delete(b.answers, a.ID)
		}
		if a.Method == "Runtime.exceptionThrown" || a.Method == "Log.entryAdded" {
			b.said = append(b.said, string(a.Params))
		}
		b.mu.Unlock()
	}
}

// call asks and waits for the answer.
func (b *browser) call(result any, method string, params map[string]any) {
	b.t.Helper()
	c := make(chan devtools, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.answers[id] = c
	b.mu.Unlock()
	if params == nil {
		params = map[string]any{}
	}
	msg := map[string]any{"id": id, "method": method, "params": params}
	if b.session != "" {
		msg["sessionId"] = b.session
	}
	raw, err := json.Marshal(msg)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(raw, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	select {
	case a := <-c:
		if a.Error != nil {
			b.t.Fatalf("%s: %s", method, a.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(a.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(patience):
		b.t.Fatalf("%s: no answer within %s", method, patience)
	}
}

// eval runs an expression in the page and gives its value.
func (b *browser) eval(js string) any {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.call(&r, "Runtime.evaluate", map[string]any{"expression": js, "returnByValue": true, "awaitPromise": true})
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s %s", js, r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
	}
	return r.Result.Value
}

// until waits until an expression is true.
func (b *browser) until(what, js string) {
	b.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for b.eval(js) != true {
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("waited %s in vain for: %s", patience, what)
		}
	}
}

// open loads a page and waits until it is whole.
func (b *browser) open(url string) {
	b.t.Helper()
	b.call(nil, "Page.navigate", map[string]any{"url": url})
	b.until("page loaded", fmt.Sprintf("location.href === %q && document.readyState === 'complete'", url))
}

func (b *browser) size(width, height int) {
	b.call(nil, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
}

func (b *browser) scheme(dark bool) {
	value := "light"
	if dark {
		value = "dark"
	}
	b.call(nil, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": value}, {"name": "prefers-reduced-motion", "value": "reduce"}}})
}

// screen is the whole page as PNG.
func (b *browser) screen() []byte {
	b.t.Helper()
	var r struct{ Data []byte }
	b.call(&r, "Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true})
	return r.Data
}

// errors takes what the page has complained of so far.
func (b *browser) errors() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.said
	b.said = nil
	return out
}
