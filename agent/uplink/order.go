package uplink

import (
	"bytes"

	"kentongan/agent/report"
)

// filters is what a device listens to: the acknowledgements and the orders.
func (c *Config) filters() map[string]byte {
	all := map[string]byte{}
	for _, lane := range report.Lanes() {
		if lane.Chained() && c.Acknowledge == ByCentre {
			all[report.Topics(c.Device).Ack(lane)] = 0
		}
	}
	if c.OnCommand != nil {
		all[report.Topics(c.Device).Commands()] = 0
	}
	return all
}

// sort puts what came in where its kind belongs. It is called by paho's
// goroutines and never waits.
func (s *session) sort(topic string, body []byte) {
	t, err := report.ParseTopic(topic)
	if err != nil || t.Device != s.up.cfg.Device {
		return
	}
	switch t.Branch {
	case "ack":
		s.inbox.put(topic, body)
	case "cmd":
		// A copy of the part that counts: 32 packets of 64 KiB are more than a
		// stranger may hold here.
		s.orders.put(t.Name, bytes.Clone(body[:min(len(body), report.MaxOrderBytes+1)]))
	}
}

// handOver gives orders to who does them.
func (s *session) handOver() {
	for _, o := range s.orders.take() {
		if s.up.cfg.OnCommand != nil {
			s.up.cfg.OnCommand(o.topic, o.body)
		}
	}
}
