// Package chromium drives a real Chromium for tests of pages, of the kiosk's
// screen and of the centre alike, over the DevTools protocol. No program of ours links it.
package chromium

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
const patience = 90 * time.Second

// Browser is a real Chromium, spoken to by the DevTools protocol over a pipe:
// JSON messages that end with a zero byte, on its file descriptors 3 and 4.
type Browser struct {
	T       *testing.T
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

// Start starts one, which ends with the test. What goes wrong ends the test.
func Start(t *testing.T) *Browser {
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
	b := &Browser{T: t, to: to, answers: map[int]chan devtools{}}
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

func (b *Browser) attach() {
	var target struct{ TargetID string }
	b.Call(&target, "Target.createTarget", map[string]any{"url": "about:blank"})
	var attached struct{ SessionID string }
	b.Call(&attached, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true})
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.Call(nil, domain+".enable", nil)
	}
}

// read sorts what Chromium says: answers to their callers, the page's errors
// into said.
func (b *Browser) read(from io.Reader) {
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

// Call asks and waits for the answer.
func (b *Browser) Call(result any, method string, params map[string]any) {
	b.T.Helper()
	if err := b.ask(result, method, params); err != nil {
		b.T.Fatal(err)
	}
}

// ask is Call that says what went wrong.
func (b *Browser) ask(result any, method string, params map[string]any) error {
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
		return err
	}
	if _, err := b.to.Write(append(raw, 0)); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case a := <-c:
		if a.Error != nil {
			return fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(a.Result, result); err != nil {
				return fmt.Errorf("%s: %w", method, err)
			}
		}
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer within %s", method, patience)
	}
	return nil
}

// Eval runs an expression in the page and gives its value.
func (b *Browser) Eval(js string) any {
	b.T.Helper()
	value, err := b.eval(js)
	if err != nil {
		b.T.Fatal(err)
	}
	return value
}

func (b *Browser) eval(js string) (any, error) {
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	if err := b.ask(&r, "Runtime.evaluate", map[string]any{"expression": js, "returnByValue": true, "awaitPromise": true}); err != nil {
		return nil, err
	}
	if r.ExceptionDetails != nil {
		return nil, fmt.Errorf("%s: %s %s", js, r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
	}
	return r.Result.Value, nil
}

// Until waits until an expression is true. One that can't be evaluated is not, yet:
// between two pages there is none, and half of one has not all its elements.
func (b *Browser) Until(what, js string) {
	b.T.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		value, err := b.eval(js)
		if err == nil && value == true {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.T.Fatalf("waited %s in vain for: %s (%v, %v)", patience, what, value, err)
		}
	}
}

// Open loads a page and waits until it is whole.
func (b *Browser) Open(url string) {
	b.T.Helper()
	b.Call(nil, "Page.navigate", map[string]any{"url": url})
	b.Until("page loaded", fmt.Sprintf("location.href === %q && document.readyState === 'complete'", url))
}

// Size sets the width and height of the screen in pixels, and waits until the page
// has them: Chromium answers before.
func (b *Browser) Size(width, height int) {
	b.T.Helper()
	b.Call(nil, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
	b.Until("page of that size", fmt.Sprintf("innerWidth === %d && innerHeight === %d", width, height))
}

// Scheme asks for dark or light pages, without movement.
func (b *Browser) Scheme(dark bool) {
	value := "light"
	if dark {
		value = "dark"
	}
	b.Call(nil, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": value}, {"name": "prefers-reduced-motion", "value": "reduce"}}})
}

// Screen is the whole page as PNG.
func (b *Browser) Screen() []byte {
	b.T.Helper()
	var r struct{ Data []byte }
	b.Call(&r, "Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true})
	return r.Data
}

// Errors takes what the page has complained of so far.
func (b *Browser) Errors() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.said
	b.said = nil
	return out
}
