package agent

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestImportsGoOneWay holds the directions of docs/architecture.md:
//
//	cmd/kentongan ──► agent ──► its parts ──► agent/report, agent/pulse, agent/web, hal
//	cmd/kentongan-centre ──► agent/report, firmware
//	agent/report, agent/pulse, agent/web, hal, firmware ──► nothing of ours
func TestImportsGoOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "kentongan/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, "kentongan/"); ok && !mayImport(strings.TrimPrefix(p.ImportPath, "kentongan/"), ours) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
	if seen < 5 {
		t.Errorf("go list named %d packages of ours, want all", seen)
	}
}

func mayImport(from, to string) bool {
	switch {
	case strings.HasPrefix(to, from+"/") && !strings.HasPrefix(from, "agent") && from != "hal":
		return true // a room's own inner rooms
	case from == "agent/report" || from == "agent/pulse" || from == "agent/web" || from == "hal":
		return false
	case strings.HasPrefix(from, "firmware"):
		return to == "firmware"
	case from == "agent":
		return strings.HasPrefix(to, "agent/") || strings.HasPrefix(to, "hal") || strings.HasPrefix(to, "firmware")
	case strings.HasPrefix(from, "agent/"):
		own := from
		if i := strings.IndexByte(from[len("agent/"):], '/'); i >= 0 {
			own = from[:len("agent/")+i]
		}
		return to == "agent/report" || to == "agent/pulse" || to == "agent/web" || to == "hal" || strings.HasPrefix(to+"/", own+"/")
	case strings.HasPrefix(from, "hal/rig"): // tests of a whole machine
		return strings.HasPrefix(to, "hal") || strings.HasPrefix(to, "agent/")
	case strings.HasPrefix(from, "hal/"):
		return strings.HasPrefix(to, "hal")
	case from == "cmd/kentongan-centre/internal/pgtest": // a server for tests, as the broker's
		return to == "broker-config/brokertest"
	case strings.HasPrefix(from, "cmd/kentongan-centre"):
		return to == "agent/report" || strings.HasPrefix(to, "firmware") || strings.HasPrefix(to, "cmd/kentongan-centre/")
	case strings.HasPrefix(from, "cmd/kentongan-demo"):
		return to == "agent/report" || to == "agent/stream/streamtest" || to == "agent/kiosk/printer/printertest" || to == "broker-config" || strings.HasPrefix(to, "cmd/kentongan-demo/")
	case strings.HasPrefix(from, "docs/contract"):
		return to == "agent/report" || strings.HasPrefix(to, "docs/contract")
	case from == "cmd/kentongan":
		return strings.HasPrefix(to, "agent") || strings.HasPrefix(to, "hal") || strings.HasPrefix(to, "firmware")
	case from == "cmd/kentongan-boot":
		return to == "firmware" || to == "firmware/card" // it must not grow with the agent
	}
	return false
}

// text/template calls methods by name; a program that has it in keeps every
// exported method of everything, 2.2 MB more on an armv6 board. net/http/pprof and
// expvar answer whoever reaches a port: a profile is for a signed order alone.
func TestDeviceProgramLinksNo(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "kentongan/cmd/kentongan").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, p := range strings.Fields(string(out)) {
		if p == "text/template" || p == "html/template" {
			t.Errorf("the device program links %s; make the text without it, as agent/kiosk/screen does", p)
		}
		if p == "net/http/pprof" || p == "expvar" {
			t.Errorf("the device program links %s; the order profile has what it tells (agent/profile.go)", p)
		}
	}
}

func TestMayImport(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		want     bool
	}{
		{"agent/uplink", "agent/spool", false},
		{"agent/uplink", "agent/report", true},
		{"agent/uplink", "agent/pulse", true},
		{"agent/pulse", "agent/uplink", false},
		{"agent/report", "hal", false},
		{"agent", "agent/spool", true},
		{"cmd/kentongan-centre/internal/ingest", "agent/spool", false},
		{"cmd/kentongan-centre", "cmd/kentongan-centre/internal/store", true},
		{"agent/spool", "agent", false},
		{"agent/kiosk", "hal", true},
		{"agent/kiosk", "hal/gpio", false},
		{"hal/gpio", "hal", true},
		{"cmd/kentongan", "agent", true},
	} {
		if got := mayImport(tt.from, tt.to); got != tt.want {
			t.Errorf("%s may import %s: %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
}
