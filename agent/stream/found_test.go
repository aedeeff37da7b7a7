package stream

import (
	"strings"
	"testing"
	"time"

	"kentongan/agent/stream/streamtest"
)

// TestFindings: a camera's faults come out as findings, and their ends too.
func TestFindings(t *testing.T) {
	s, m := serve(t, streamtest.Options{})
	stop := feed(t, s, m)
	_, out := watch(t, Config{URL: s.URL(), SilentAfter: time.Second, Expect: Expect{Codec: H264, Width: 1280, Height: 720}})
	out.waitFound(t, "no fault", 0, absent(CondDown))
	f, _ := out.waitFound(t, "size", 0, present(CondSize))
	if f.Cause != CauseCamera || !strings.Contains(f.Detail, "1920x1080") {
		t.Errorf("size: %+v", f)
	}
	stop()
	f, n := out.waitFound(t, "silent", 0, present(CondSilent))
	if f.Cause != CauseCamera || !strings.HasPrefix(f.Detail, "no_media: ") {
		t.Errorf("silent: %+v, want the camera's fault", f)
	}
	feed(t, s, m)
	_, n = out.waitFound(t, "not silent any more", n, absent(CondSilent))
	s.Close()
	f, _ = out.waitFound(t, "down", n, present(CondDown))
	if f.Cause != CauseCamera || f.Confidence <= 0 || f.Confidence > 1 {
		t.Errorf("down: %+v, want the camera's fault: its machine answers", f)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	for _, f := range out.found {
		if f.Condition == CondCodec && f.Present {
			t.Errorf("found %+v", f)
		}
	}
}

// TestRefusedPassword is the credentials' fault, told after the second refusal
// only: a stale nonce looks the same.
func TestRefusedPassword(t *testing.T) {
	s, m := serve(t, streamtest.Options{Username: "ops", Password: "rahasia"})
	feed(t, s, m)
	_, out := watch(t, Config{URL: s.URL(), Username: "ops", Password: "salah"})
	f, _ := out.waitFound(t, "down", 0, present(CondDown))
	if f.Cause != CauseCredentials || !strings.HasPrefix(f.Detail, "auth: ") {
		t.Errorf("found %+v, want the credentials' fault", f)
	}
}
