package sim

import (
	"bufio"
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// client is one connection to the control socket.
type client struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, b *Board) *client {
	t.Helper()
	c, err := net.Dial("unix", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, c, bufio.NewReader(c)}
}

func (c *client) ask(request string) string {
	c.t.Helper()
	if _, err := c.Write([]byte(request + "\n")); err != nil {
		c.t.Fatal(err)
	}
	return c.read()
}

func (c *client) read() string {
	c.t.Helper()
	line, err := c.in.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

func TestSocket(t *testing.T) {
	b := open(t, Options{Socket: filepath.Join(t.TempDir(), "s"), Lines: []string{"A", "B"}})
	c := dial(t, b)
	tests := []struct{ request, want string }{
		{`{"op":"set","line":"A","active":true}`, `{"ok":true,"line":"A","active":true,"out":false}`},
		{`{"op":"get","line":"A"}`, `{"ok":true,"line":"A","active":true,"out":false}`},
		{`{"op":"set","line":"A","active":false}`, `{"ok":true,"line":"A","active":false,"out":false}`},
		{`{"op":"pulse","line":"B","ms":60000}`, `{"ok":true,"line":"B","active":true,"out":false}`},
		{`{"op":"lines"}`, `{"ok":true,"lines":[{"line":"A","active":false,"out":false},{"line":"B","active":true,"out":false}]}`},
		{`{"op":"get","line":"C"}`, `{"ok":false,"error":"get: no line \"C\"; there are A, B"}`},
		{`{"op":"set","line":"A"}`, `{"ok":false,"error":"set: no \"active\"; write true or false"}`},
		{`{"op":"pulse","line":"A","ms":-1}`, `{"ok":false,"error":"pulse: \"ms\" is -1; write 1 to 3600000"}`},
		{`{"op":"jump"}`, `{"ok":false,"error":"unknown op \"jump\"; there are set, pulse, get, lines, watch, sensor, sensors, watchdog"}`},
		{`[]`, ``},
		{`{"op":`, ``},
		{"\x00\xff", ``},
	}
	for _, tt := range tests {
		got := c.ask(tt.request)
		if tt.want != "" && got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.request, got, tt.want)
		}
		if tt.want == "" && !strings.HasPrefix(got, `{"ok":false,"error":"not a request: `) {
			t.Errorf("%q: got %s, want an error", tt.request, got)
		}
	}
	if got := c.ask(strings.Repeat("x", maxRequest+1)); !strings.Contains(got, "longer than") {
		t.Errorf("a giant request: %s", got)
	}
}

func TestSocketWatch(t *testing.T) {
	b := open(t, Options{Socket: filepath.Join(t.TempDir(), "s"), Lines: []string{"A"}})
	watcher, other := dial(t, b), dial(t, b)
	if got, want := watcher.ask(`{"op":"watch"}`), `{"ok":true,"lines":[{"line":"A","active":false,"out":false}]}`; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	other.ask(`{"op":"set","line":"A","active":true}`)
	if got, want := watcher.read(), `{"line":"A","active":true,"out":false}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_ = watcher.Close()
	other.ask(`{"op":"set","line":"A","active":false}`) // a watcher that left disturbs nobody
}

func TestSlowWatcherIsLetGo(t *testing.T) {
	b := open(t, Options{Lines: []string{"A"}})
	changes, _, stop := b.Watch()
	defer stop()
	for n := range 1000 {
		if err := b.Set("A", n%2 == 0); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for range changes {
		n++
	}
	if n != cap(changes) {
		t.Errorf("a watcher that did not read got %d changes, want the first %d and an end", n, cap(changes))
	}
}

// FuzzRequest: whatever a client writes, it gets one JSON answer.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{`{"op":"set","line":"A","active":true}`, `{"op":"pulse","line":"A","ms":9223372036854775807}`, `{"op":"get"}`, `{}`, `null`, `{"ms":1e99}`} {
		f.Add(s)
	}
	b, err := Open(Options{Lines: []string{"A"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var r request
		if json.Unmarshal([]byte(s), &r) != nil {
			return
		}
		a := b.do(r)
		if a.OK == (a.Error != "") {
			t.Errorf("%s: answer %+v", s, a)
		}
	})
}
