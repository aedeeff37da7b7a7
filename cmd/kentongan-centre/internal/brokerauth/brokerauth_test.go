package brokerauth

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/cmd/kentongan-centre/internal/agencies"
)

var update = flag.Bool("update", false, "write the golden files again")

// golden holds text against a file.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update writes it again):\n%s", file, got)
	}
}

func sample(t *testing.T) *agencies.Map {
	t.Helper()
	m, err := agencies.Parse([]byte("agencies: [{name: dinkes, operators: [ani, budi]}, {name: diskominfo, operators: [citra]}]"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The access list that is shipped is the one that the command writes.
func TestShippedListIsWritten(t *testing.T) {
	var b bytes.Buffer
	if err := Mosquitto(&b, nil, nil); err != nil {
		t.Fatal(err)
	}
	golden(t, "../../../../broker-config/mosquitto/kentongan.acl", b.Bytes())
}

func TestGolden(t *testing.T) {
	var acl, users bytes.Buffer
	if err := Mosquitto(&acl, sample(t), []string{"kiosk-9"}); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "mosquitto.acl"), acl.Bytes())
	if err := NATS(&users, sample(t), []string{"kiosk-7"}); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "nats-users.conf"), users.Bytes())
}

func TestReadDevices(t *testing.T) {
	got, err := ReadDevices(strings.NewReader("kiosk-7\n\n# old\nkiosk-8 # new\r\nkiosk-7\n"), "ids")
	if err != nil || strings.Join(got, " ") != "kiosk-7 kiosk-8" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"quote":    {"a\nb\"}\n", `ids:2: "b\"}" can't be a device's id`},
		"role":     {"kentongan.centre\n", "ids:1:"},
		"wildcard": {"+\n", "ids:1:"},
		"huge":     {strings.Repeat("a", 1<<20), "too long"},
	} {
		if _, err := ReadDevices(strings.NewReader(tt.text), "ids"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, tt.want)
		}
	}
}
