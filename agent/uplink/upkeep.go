package uplink

import (
	"strings"
	"time"

	"kentongan/agent/report"
)

// leavingStates is how many states that have not left yet still do when the
// session ends in order: they are retained, and the next connection says them all.
const leavingStates = 16

// leaveInOrder says that the device is offline and closes in order.
func (s *session) leaveInOrder() {
	if s.up.cfg.OnLeave != nil {
		s.up.cfg.OnLeave()
	}
	for range leavingStates {
		p := s.nextState()
		if p == nil {
			break
		}
		s.send(p, time.Now())
	}
	payload, err := s.deviceState(report.Offline)
	if err == nil {
		topic := report.Topics(s.up.cfg.Device).State()
		s.send(&publish{topic: topic, payload: payload, retained: true, state: topic}, time.Now())
		s.awaitAck(s.lastID)
	}
	s.wire.bye(handover)
}

// awaitAck takes PUBACKs until the one for id is there, or the time is up.
func (s *session) awaitAck(id uint16) {
	limit := time.NewTimer(handover)
	defer limit.Stop()
	for s.flying[id] != nil {
		select {
		case <-s.acks.ready:
			if err := s.takeAcks(); err != nil {
				return // the next connection sends again what has not left
			}
		case <-s.wire.conn.ended:
			return
		case <-limit.C:
			return
		}
	}
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
