package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/docs/contract/contracttest"
)

// contractWatch reads along at a broker, and holds every message of a real device
// and a real centre against the published contract.
type contractWatch struct {
	mu   sync.Mutex // guards all below
	seen map[string]int
	bad  []error
}

// watchContract begins to read along. When the test ends, what did not fit fails
// it, and so does a branch of topics on which nothing came.
func watchContract(t *testing.T, broker string, branches ...string) {
	t.Helper()
	schemas, err := contracttest.Compile()
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	w := &contractWatch{seen: map[string]int{}}
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + u.Host).SetClientID(fmt.Sprint("contract", time.Now().UnixNano())))
	if tok := c.Connect(); !tok.WaitTimeout(30*time.Second) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	take := func(_ mqtt.Client, m mqtt.Message) {
		err := schemas.Message(m.Topic(), m.Payload())
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, b := range branches {
			if strings.HasPrefix(m.Topic()+"/", "kentongan/v1/"+demoDevice+"/"+b+"/") {
				w.seen[b]++
			}
		}
		if err != nil && len(w.bad) < 10 {
			w.bad = append(w.bad, fmt.Errorf("%s: %w", m.Topic(), err))
		}
	}
	if tok := c.Subscribe("kentongan/v1/#", 1, take); !tok.WaitTimeout(30*time.Second) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	t.Cleanup(func() {
		c.Disconnect(100)
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, err := range w.bad {
			t.Errorf("not as the contract says: %v", err)
		}
		for _, b := range branches {
			if w.seen[b] == 0 {
				t.Errorf("nothing came on %s: the test tests less than it says", b)
			}
		}
		t.Logf("messages held against the contract: %v", w.seen)
	})
}

// proven is what an audit of the centre's database says.
type proven struct {
	OK      bool `json:"ok"`
	Devices []struct {
		Lanes []provenLane `json:"lanes"`
	} `json:"devices"`
}

type provenLane struct {
	Lane    string `json:"lane"`
	Records uint64 `json:"records"`
	Signed  uint64 `json:"signed_to"`
}

// unsigned are the lanes of the first device that should be signed and are not.
func (p proven) unsigned() (bad []provenLane) {
	for _, l := range p.Devices[0].Lanes {
		if l.Lane != "telemetry" && l.Signed == 0 {
			bad = append(bad, l)
		}
	}
	return bad
}

// verifyCentre audits a centre's database while it runs: all is proven, and the
// device has signed its complaints and its events. A signature counts once the
// records up to it are there, and events let complaints go first, so it is asked
// again until it does.
func verifyCentre(t *testing.T, c *centre) {
	t.Helper()
	var r proven
	ok := waitFor(t.Context(), 90*time.Second, func() bool {
		out, err := exec.Command(c.path, "verify", "--json", "--data", c.args[slices.Index(c.args, "--data")+1]).CombinedOutput()
		r = proven{}
		if err != nil || json.Unmarshal(out, &r) != nil || !r.OK || len(r.Devices) == 0 {
			t.Fatalf("verify: %v\n%s", err, out)
		}
		return len(r.unsigned()) == 0
	})
	t.Logf("proven: %+v", r.Devices[0].Lanes)
	if !ok {
		t.Errorf("not signed after 90 s: %+v", r.unsigned())
	}
}
