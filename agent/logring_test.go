package agent

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func bundled(t *testing.T, r *LogRing, most int) []string {
	t.Helper()
	z, err := r.Bundle(most)
	if err != nil {
		t.Fatal(err)
	}
	if len(z) > most {
		t.Errorf("%d bytes, more than %d", len(z), most)
	}
	g, err := gzip.NewReader(bytes.NewReader(z))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(g)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// A log leaves the house without what must not.
func TestLogIsRedacted(t *testing.T) {
	r := &LogRing{}
	log := slog.New(r.Handler(slog.DiscardHandler, slog.LevelInfo)).With("part", "stream")
	log.Info("camera lost", "err", errors.New(`Get "http://admin:hunter2@192.168.1.64/x": refused`), "url", "rtsp://u:hunter2@h/1")
	log.Warn("odd", "password", "hunter2", "detail", "password=hunter2&x=1, token: hunter2")
	log.Error("key", "text", "PRIVATE+KEY+centre+1+hunter2/=")
	log.Info("odd addresses", "at", "rtsp://admin:geheim@hunter2@h/1", "xm", "rtsp://h/user=admin_password=hunter2_channel=1_stream=0.sdp", "wifi", "psk=hunter2")
	log.Debug("not kept", "x", "hunter2")
	lines := bundled(t, r, 1<<20)
	if len(lines) != 4 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for _, line := range lines {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Errorf("%q is no JSON: %v", line, err)
		}
		if strings.Contains(line, "hunter2") {
			t.Errorf("a secret leaves: %s", line)
		}
	}
	if !strings.Contains(lines[0], "192.168.1.64") || !strings.Contains(lines[0], `"part":"stream"`) {
		t.Errorf("too much is taken out: %s", lines[0])
	}
}

// TestReservedCharactersInSecrets: whatever a password is made of, it leaves neither as
// text nor as JSON, from an address, a query or a header; what follows it stays.
func TestReservedCharactersInSecrets(t *testing.T) {
	for _, c := range "!$&'()*+,;=:/?#[]@%\"\\<>^`{|}~-._" {
		for name, line := range map[string]string{
			"address":  "lost rtsp://admin:zz" + string(c) + "PLANTED" + string(c) + "x@192.0.2.7:554/live ends",
			"user":     "lost rtsp://zz" + string(c) + "PLANTED@192.0.2.7/live ends",
			"error":    fmt.Sprintf("parse %q: odd, of 192.0.2.7 ends", "http://u:zz"+string(c)+"PLANTED@h/x"),
			"query":    "get http://192.0.2.7/x?a=1&password=zz" + string(c) + "PLANTED ends",
			"header":   "sent to 192.0.2.7\nAuthorization: Basic zz" + string(c) + "PLANTED\nends",
			"a bearer": "sent to 192.0.2.7\nauthorization: Bearer zz" + string(c) + "PLANTED\nends",
		} {
			if name == "query" && c == '&' {
				continue // ends a value in any query
			}
			texts := []string{string(Redact([]byte(line)))}
			if c == '"' || c == '\\' && strings.Contains(line, "uthorization") {
				texts = nil // in a log's text it is escaped, as in JSON
			}
			r := &LogRing{}
			log := slog.New(r.Handler(slog.DiscardHandler, slog.LevelInfo))
			log.Info(line)
			log.Info("x", "err", errors.New(line))
			for _, got := range append(texts, bundled(t, r, 1<<20)...) {
				if strings.Contains(got, "PLANTED") || !strings.Contains(got, "192.0.2.7") || !strings.Contains(got, "ends") {
					t.Errorf("%s with %q: %s", name, c, got)
				}
			}
		}
	}
}

// The newest lines are kept, in memory and in a bundle that must be small.
func TestLogKeepsTheNewest(t *testing.T) {
	r := &LogRing{}
	log := slog.New(r.Handler(slog.DiscardHandler, slog.LevelInfo))
	for i := range 10_000 {
		log.Info("line", "n", i)
	}
	if r.bytes > maxRing {
		t.Errorf("%d bytes are kept, more than %d", r.bytes, maxRing)
	}
	for _, most := range []int{1 << 20, 2 << 10, 200} {
		lines := bundled(t, r, most)
		if last := lines[len(lines)-1]; !strings.Contains(last, `"n":9999`) {
			t.Errorf("of %d bytes, the last line is %s", most, last)
		}
	}
}

// TestLogRingKeepsAFile of bounded size, for who asks on the device.
func TestLogRingKeepsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log.jsonl")
	r := &LogRing{File: file}
	log := slog.New(r.Handler(slog.DiscardHandler, slog.LevelInfo))
	for range 3000 {
		log.Info("camera lost", "url", "rtsp://u:hunter2@h/1", "detail", strings.Repeat("x", 100))
	}
	log.Info("the last")
	now, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file + ".1")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(now) + len(before); n > maxRing+1024 || !bytes.Contains(now, []byte("the last")) || bytes.Contains(append(now, before...), []byte("hunter2")) {
		t.Errorf("%d bytes, the last is there: %v", n, bytes.Contains(now, []byte("the last")))
	}
}
