package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
)

// A centre on PostgreSQL, with a fleet of fifty: what the commands say. A tool
// works beside it, and a second centre does not.
func TestCentreOnPostgreSQL(t *testing.T) {
	database := pgtest.URL(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("r4hasia\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := func(data string) []string {
		return []string{"run", "--data", data, "--listen", "127.0.0.1:0", "--mqtt", brokertest.FreeAddress(t), "--database", database, "--database-password-file", password}
	}
	data := t.TempDir()
	p := start(t, args(data)...)
	tests := map[string]struct {
		args   []string
		status int
		says   string
	}{
		"a fleet":        {[]string{"simulate", "--broker", p.broker, "--centre-key", p.key, "--devices", "50", "--streams", "2", "--connections", "2", "--rate", "2000", "--for", "1s"}, exitGood, "50 devices, 100 streams: "},
		"a tool":         {[]string{"user", "list", "--data", data, "--database", database}, exitGood, ""},
		"another centre": {args(t.TempDir()), exitFailed, "another kentongan-centre uses this database"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if got := dispatch(context.Background(), env{&out, &out}, tt.args); got != tt.status || !strings.Contains(out.String(), tt.says) {
				t.Errorf("status %d, want %d, and %q in:\n%s", got, tt.status, tt.says, out.String())
			}
			if strings.Contains(out.String(), "r4hasia") {
				t.Error("it prints the password")
			}
		})
	}
}

func TestDatabaseOptions(t *testing.T) {
	tests := map[string]struct {
		args []string
		says string
	}{
		"another scheme":             {[]string{"--database", "mysql://a/b"}, "--database: write postgres://"},
		"password in the URL":        {[]string{"--database", "postgres://u:r4hasia@127.0.0.1/a"}, "no password in the URL"},
		"password as parameter":      {[]string{"--database", "postgres://u@127.0.0.1/a?password=r4hasia"}, "no password in the URL"},
		"not a URL":                  {[]string{"--database", "postgres://u:r4hasia@[/a"}, "--database: write postgres://"},
		"password for nothing":       {[]string{"--database-password-file", "x"}, "for --database, which is missing"},
		"password file is not there": {[]string{"--database", "postgres://u@127.0.0.1/a", "--database-password-file", "/nowhere/p"}, "--database-password-file: open /nowhere/p"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			status := dispatch(context.Background(), env{&out, &out}, append([]string{"run", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--mqtt", brokertest.FreeAddress(t)}, tt.args...))
			if status == exitGood || !strings.Contains(out.String(), tt.says) || strings.Contains(out.String(), "r4hasia") {
				t.Errorf("status %d, want %q and no password in:\n%s", status, tt.says, out.String())
			}
		})
	}
}
