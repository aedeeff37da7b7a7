package uplink

import (
	"bytes"
	"slices"
	"sync"

	"kentongan/agent/report"
)

// states holds the latest retained value of each topic. Any goroutine may set
// one; the session takes and confirms them.
type states struct {
	mu     sync.Mutex // guards all below
	order  []string   // in the order in which they were set first
	values map[string]*stateValue
	count  uint64

	changed chan struct{} // capacity 1
}

type stateValue struct {
	payload []byte
	version uint64 // of the value
	sent    uint64 // the version that is on its way or at the broker
}

func newStates() *states {
	return &states{values: map[string]*stateValue{}, changed: make(chan struct{}, 1)}
}

// set keeps a value, and tells whether it differs from the one before.
func (st *states) set(topic string, payload []byte) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	v := st.values[topic]
	if v == nil {
		v = &stateValue{}
		st.values[topic] = v
		st.order = append(st.order, topic)
	} else if bytes.Equal(v.payload, payload) {
		return false
	}
	st.count++
	v.payload, v.version = bytes.Clone(payload), st.count
	return true
}

// renew makes all to be published again.
func (st *states) renew() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, v := range st.values {
		v.sent = 0
	}
}

// next returns a value that has not been sent.
func (st *states) next() *publish {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, topic := range st.order {
		v := st.values[topic]
		if v.sent != v.version {
			v.sent = v.version
			return &publish{topic: topic, payload: v.payload, retained: true, state: topic, version: v.version}
		}
	}
	return nil
}

// confirmed forgets a topic whose retained value has been deleted at the
// broker, which is what an empty payload means.
func (st *states) confirmed(topic string, version uint64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	v := st.values[topic]
	if v == nil || v.version != version || len(v.payload) > 0 {
		return
	}
	delete(st.values, topic)
	st.order = slices.DeleteFunc(st.order, func(t string) bool { return t == topic })
}

// SetState publishes payload, retained, on a topic of the device's state branch
// (report.Topics): at once, and again after each connection. Only the latest
// value of a topic counts; an empty one removes the topic. It returns at once
// and may be called from any goroutine.
func (u *Uplink) SetState(topic string, payload []byte) {
	t, err := report.ParseTopic(topic)
	if err != nil || t.Branch != "state" || t.Device != u.cfg.Device || topic == report.Topics(u.cfg.Device).State() {
		u.log.Error("state not published", "topic", topic, "err", "not a state topic of this device")
		return
	}
	if !u.states.set(topic, payload) {
		return
	}
	select {
	case u.states.changed <- struct{}{}:
	default:
	}
}

func (s *session) nextState() *publish { return s.up.states.next() }
