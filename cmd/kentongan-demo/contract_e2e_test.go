package main

import (
	"fmt"
	"net/url"
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
