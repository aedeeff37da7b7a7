package stream

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kentongan/agent/report"
)

// lineCount is a log that only counts, and an io.Writer for the standard logger,
// which the library writes to where it is not told otherwise.
type lineCount struct{ n atomic.Int64 }

func (l *lineCount) Enabled(context.Context, slog.Level) bool { return true }
func (l *lineCount) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lineCount) WithGroup(string) slog.Handler            { return l }
func (l *lineCount) Handle(_ context.Context, r slog.Record) error {
	if r.Level > slog.LevelDebug {
		l.n.Add(1)
	}
	return nil
}
func (l *lineCount) Write(p []byte) (int, error) { l.n.Add(1); return len(p), nil }

// drip writes slowly, a byte every 100 ms.
func (c *rogueConn) drip(text string) {
	for i := range len(text) {
		select {
		case <-c.quit:
			return
		case <-time.After(100 * time.Millisecond):
		}
		if _, err := c.Write([]byte{text[i]}); err != nil {
			return
		}
	}
}

// costly are cameras that would cost connections, requests or lines of log.
func costly() map[string]func(c *rogueConn) {
	describe := func(status string, head func(c *rogueConn) string) func(c *rogueConn) {
		return func(c *rogueConn) {
			c.serve("", func(method, cseq, _ string) bool {
				if method == "DESCRIBE" {
					c.answer(cseq, status, "", head(c))
				}
				return method == "DESCRIBE"
			})
		}
	}
	all := map[string]func(c *rogueConn){
		"redirects to itself": describe("302 Found", func(c *rogueConn) string { return "Location: rtsp://" + c.host + "/live" }),
		"redirects ever on":   describe("301 Moved", func(c *rogueConn) string { return "Location: rtsp://" + c.host + "/" + strconv.Itoa(c.n) }),
		"another fault each time": func(c *rogueConn) {
			describe(fmt.Sprintf("%d Fault %d", 500+c.n%90, c.n), func(*rogueConn) string { return "X: y" })(c)
		},
		"closes at once": func(*rogueConn) {},
		"401 for ever":   describe("401 Unauthorized", func(c *rogueConn) string { return fmt.Sprintf(`WWW-Authenticate: Digest realm="x", nonce="%d"`, c.n) }),
		"asks us without end": func(c *rogueConn) {
			for n := 0; ; n++ {
				if _, err := fmt.Fprintf(c, "OPTIONS rtsp://x/%d RTSP/1.0\r\nCSeq: %d\r\n\r\n", n, n); err != nil {
					return
				}
			}
		},
		"answers a byte each 100 ms": func(c *rogueConn) {
			_, cseq, _, err := c.request()
			if err == nil {
				c.drip("RTSP/1.0 200 OK\r\nCSeq: " + cseq + "\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n" + strings.Repeat("x", 1000))
			}
		},
		"a picture's byte each 100 ms": func(c *rogueConn) {
			c.play(describeH264, func() { c.drip(strings.Repeat("$\x00\x05\xdc", 1000)) })
		},
	}
	maps.Copy(all, hostile())
	return all
}

// TestHostileCameras: cameras of all kinds of malice, each for some seconds: few
// connections, few requests, few lines of log, few records, and the loop goes on
// answering.
func TestHostileCameras(t *testing.T) {
	const (
		lasts       = 6 * time.Second
		connections = 40 // a redirect may be followed three times, in each of some ten tries
		requests    = 90
		lines       = 40 // of log
		records     = 60 // states, findings
	) // a busy machine looks later, and may find more by as much
	library := &lineCount{} // what writes to the standard logger
	log.SetOutput(library)
	defer log.SetOutput(log.Default().Writer())
	type one struct {
		w            *running
		out          *record
		conns, asked atomic.Int64
		log          lineCount
	}
	all := map[string]*one{}
	began := time.Now()
	for name, script := range costly() {
		o := &one{}
		url := startRogue(t, func(c *rogueConn) {
			o.conns.Add(1)
			c.asked = &o.asked
			script(c)
		})
		o.w, o.out = watchLog(t, Config{URL: url, Username: "ops", Password: "rahasia", Name: "hostile", SilentAfter: time.Second}, slog.New(&o.log))
		all[name] = o
	}
	<-time.After(lasts)
	for name, o := range all {
		for _, p := range o.w.Pulses() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := p.Pulse.Ask(ctx); err != nil {
				t.Errorf("%s: %s does not answer: %v", name, p.Name, err)
			}
			cancel()
		}
		o.out.mu.Lock()
		told := len(o.out.states) + len(o.out.found)
		o.out.mu.Unlock()
		st := o.w.Status().State
		t.Logf("%-40s %2d connections, %2d requests, %2d lines, %2d records: %s %s %s", name, o.conns.Load(), o.asked.Load(), o.log.n.Load(), told, st.State, st.Class, st.Detail)
		for what, got := range map[string]struct{ n, most int64 }{
			"connections": {o.conns.Load(), connections}, "requests": {o.asked.Load(), requests},
			"lines of log": {o.log.n.Load(), lines}, "records": {int64(told), records},
		} {
			if lasted := time.Since(began); got.n > int64(float64(got.most)*lasted.Seconds()/lasts.Seconds()) {
				t.Errorf("%s: %d %s in %v, want at most %d in %v", name, got.n, what, lasted, got.most, lasts)
			}
		}
	}
	if n := library.n.Load(); n > 0 {
		t.Errorf("%d lines went past our log", n)
	}
	var wg sync.WaitGroup
	for _, o := range all {
		wg.Go(o.w.stop)
	}
	wg.Wait()
	t.Attr("injections", strconv.Itoa(len(all)))
}

// TestSlowLoris: a camera that answers or sends a byte now and then is given up in
// time, by name, and one that trickles pictures is no playing one.
func TestSlowLoris(t *testing.T) {
	for name, want := range map[string]struct{ state, class string }{
		"answers a byte each 100 ms":   {StateFailed, ClassTimeout},
		"a picture's byte each 100 ms": {StateSilent, ClassNoMedia},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, out := watch(t, Config{URL: startRogue(t, costly()[name]), SilentAfter: 2 * time.Second})
			st, _ := out.wait(t, want.state, 0, func(s report.StreamState) bool { return isStay(s.State) && s.State != StatePlaying })
			if st.State != want.state || st.Class != want.class {
				t.Errorf("%s, class %q, %q; want %s, class %q", st.State, st.Class, st.Detail, want.state, want.class)
			}
		})
	}
}
