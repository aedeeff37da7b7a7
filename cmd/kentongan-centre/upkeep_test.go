package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeepOptions(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		says string
	}{
		"too short a time":  {[]string{"--keep-telemetry", "5m"}, "--keep-telemetry 5m0s: 1h or more"},
		"negative":          {[]string{"--keep-alarms", "-1h"}, "--keep-alarms -1h0m0s: 1h or more"},
		"hook alone":        {[]string{"--webhook", "https://a.example/b"}, "belong together"},
		"secret alone":      {[]string{"--webhook-secret-file", short}, "belong together"},
		"no HTTP":           {[]string{"--webhook", "ftp://a.example/b", "--webhook-secret-file", short}, "write http://"},
		"short secret":      {[]string{"--webhook", "https://a.example/b", "--webhook-secret-file", short}, "has 5 bytes"},
		"secret is missing": {[]string{"--webhook", "https://a.example/b", "--webhook-secret-file", "/nowhere/s"}, "--webhook-secret-file: open /nowhere/s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			args := append([]string{"run", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"}, tt.args...)
			if status := dispatch(context.Background(), env{&out, &out}, args); status == exitGood || !strings.Contains(out.String(), tt.says) {
				t.Errorf("status %d, want %q in:\n%s", status, tt.says, out.String())
			}
		})
	}
}
