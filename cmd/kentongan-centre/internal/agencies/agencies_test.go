package agencies

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `default: diskominfo
agencies:
  - name: diskominfo
  - name: dinkes
    devices: [kiosk-7, kiosk-8]
    services: [puskesmas]
    operators: [ani, budi]
`

func TestWhoseIsIt(t *testing.T) {
	m, err := Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		of         func(string) (string, bool)
		name, want string
	}{
		{m.OfDevice, "kiosk-7", "dinkes"},
		{m.OfDevice, "kiosk-9", "diskominfo"},
		{m.OfService, "puskesmas", "dinkes"},
	} {
		if got, ok := tt.of(tt.name); got != tt.want || !ok {
			t.Errorf("%s belongs to %q, want %q", tt.name, got, tt.want)
		}
	}
	if got, ok := m.OfService("jalan-rusak"); ok {
		t.Errorf("a service that none has belongs to %q", got)
	}
	if got := m.All()[1].Operators; strings.Join(got, " ") != "dinkes.ani dinkes.budi" {
		t.Errorf("operators %q", got)
	}
	m, err = Parse([]byte("agencies: [{name: dinkes}]"))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := m.OfDevice("kiosk-7"); ok {
		t.Errorf("without a default kiosk-7 belongs to %q", got)
	}
}

func TestBadFiles(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"unknown key":      {"agencys: []\n", "line 1: field agencys not found"},
		"no name":          {"agencies: [{devices: [a]}]\n", "an agency has no name"},
		"bad name":         {"agencies:\n  - name: Dinas Kesehatan\n", `agencies.yaml:2: agency "Dinas Kesehatan": write 1 to 40`},
		"the centre's":     {"agencies:\n  - name: kentongan\n", `agencies.yaml:2: agency "kentongan": the name is the centre's own`},
		"twice":            {"agencies:\n  - name: a\n  - name: a\n", `agencies.yaml:3: agency "a": stands in line 2 already`},
		"device of two":    {"agencies:\n  - name: a\n    devices: [k]\n  - name: b\n    devices:\n      - k\n", `agencies.yaml:6: device "k": belongs to a already`},
		"wildcard":         {"agencies:\n  - name: a\n    devices: ['+']\n", `agencies.yaml:3: device "+": write 1 to 40`},
		"bad operator":     {"agencies:\n  - name: a\n    operators: [x.y]\n", `agencies.yaml:3: operator "x.y": write 1 to 20`},
		"operator twice":   {"agencies:\n  - name: a\n    operators: [x, x]\n", `operator "x": belongs to a already`},
		"default unknown":  {"default: b\nagencies: [{name: a}]\n", `agencies.yaml:1: default: there is no agency "b"`},
		"list for a name":  {"agencies: [{name: [a]}]\n", "line 1: a single name is expected here"},
		"service with a /": {"agencies:\n  - name: a\n    services: [x/y]\n", `agencies.yaml:3: service "x/y"`},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "agencies.yaml")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(file)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q in it", err, tt.want)
			}
		})
	}
	if _, err := Load("/nowhere/agencies.yaml"); err == nil {
		t.Error("no error for a file that is not there")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse(text)
		if err != nil {
			return
		}
		for _, a := range m.All() {
			if strings.ContainsAny(a.Name+strings.Join(a.Operators, ""), "+#/ \n\"") {
				t.Errorf("agency %q with operators %q got through", a.Name, a.Operators)
			}
		}
	})
}
