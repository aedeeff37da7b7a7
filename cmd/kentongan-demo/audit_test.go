package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// proven is what an audit of the centre's database says.
type proven struct {
	Findings []json.RawMessage `json:"findings"`
	Devices  []struct {
		Findings []json.RawMessage `json:"findings"`
		Lanes    []provenLane      `json:"lanes"`
	} `json:"devices"`
}

type provenLane struct {
	Lane     string `json:"lane"`
	Records  uint64 `json:"records"`
	Signed   uint64 `json:"signed_to"`
	Findings []struct {
		Fault  string `json:"fault"`
		Detail string `json:"detail"`
	} `json:"findings"`
}

// audit has a centre's database of one device audited, while the centre runs: all
// of the complaints and events is proven. A broker that is killed may lose
// measurements that it has acknowledged: that, and nothing else, may be named.
func audit(t *testing.T, c *centre) (p proven) {
	t.Helper()
	out, err := exec.Command(c.path, "verify", "--json", "--data", c.args[slices.Index(c.args, "--data")+1]).Output()
	if json.Unmarshal(out, &p) != nil || len(p.Devices) != 1 || len(p.Findings)+len(p.Devices[0].Findings) > 0 {
		t.Fatalf("verify: %v\n%s", err, out)
	}
	for _, l := range p.Devices[0].Lanes {
		for _, f := range l.Findings {
			if l.Lane != "telemetry" || f.Fault != "missing" {
				t.Errorf("verify: lane %s: %s: %s", l.Lane, f.Fault, f.Detail)
			}
		}
	}
	return p
}

// unsigned are the lanes that should be signed and are not.
func (p proven) unsigned() (bad []provenLane) {
	for _, l := range p.Devices[0].Lanes {
		if l.Lane != "telemetry" && l.Signed == 0 {
			bad = append(bad, l)
		}
	}
	return bad
}

// verifyCentre is an audit that also finds complaints and events signed. A
// signature counts once the records up to it are there, and events let complaints
// go first, so it is asked again until it does.
func verifyCentre(t *testing.T, c *centre) {
	t.Helper()
	var p proven
	ok := waitFor(t.Context(), 90*time.Second, func() bool {
		p = audit(t, c)
		return len(p.unsigned()) == 0
	})
	t.Logf("proven: %+v", p.Devices[0].Lanes)
	if !ok {
		t.Errorf("not signed after 90 s: %+v", p.unsigned())
	}
}
