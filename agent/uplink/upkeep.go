package uplink

import (
	"strings"
	"time"

	"kentongan/agent/report"
)

// leaveInOrder says that the device is offline and closes in order.
func (s *session) leaveInOrder() {
	payload, err := s.deviceState(report.Offline)
	if err == nil {
		topic := report.Topics(s.up.cfg.Device).State()
		s.ledger.handing(nil)
		tok := s.wire.client.Publish(topic, 1, true, payload)
		select {
		case <-tok.Done():
		case <-s.wire.conn.ended:
		case <-time.After(handover):
		}
	}
	s.wire.bye(handover)
}

// filesChanged tells whether the broker's files hold something new that can be
// used.
func (s *session) filesChanged(b *brokerState) bool {
	sum, err := b.fingerprint()
	if err != nil || sum == b.sum {
		return false // half of a change, or none
	}
	if b.addr.tls {
		if _, err := b.tlsConfig(b.addr.serverName, s.up.cfg.now); err != nil {
			s.up.repeat.warn("new certificate not usable", err)
			return false
		}
	}
	s.log.Info("certificate files changed", "files", strings.Join(b.files(), " "))
	return true
}

// charge counts what the link has carried since it was called last.
func (s *session) charge(last bool) {
	n := s.wire.link.wire.Load()
	grown := n - s.wireSeen
	s.wireSeen = n
	if !s.broker.Metered {
		return
	}
	if s.up.budget.carried(grown, s.up.cfg.now()) || last {
		if s.up.cfg.OnUsage != nil {
			s.up.cfg.OnUsage(s.up.budget.usage)
		}
	}
}
