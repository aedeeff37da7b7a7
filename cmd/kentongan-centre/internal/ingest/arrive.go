package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

const (
	maxStateBytes = 64 << 10
	maxStreams    = 512              // that one device may name
	aheadAllowed  = 10 * time.Minute // a record's time after ours that is only an unset clock's drift
)

// handle takes one delivery. It runs in paho's goroutine, one after the other,
// and waits when the commits are behind, which stops paho's reading.
func (s *session) handle(_ mqtt.Client, m mqtt.Message) {
	s.stats.messages.Add(1)
	s.stats.bytes.Add(int64(len(m.Payload())))
	a, err := s.read(m.Topic(), m.Payload(), time.Now())
	if err != nil {
		s.quiet.warn(s.log, "message refused", err)
	}
	if a == nil {
		m.Ack() // delivered again it would be no better
		return
	}
	d := message{arrival: *a, puback: m.Ack}
	if a.Batch != nil {
		d.records = len(a.Batch.Records)
	}
	select {
	case s.in <- d:
	case <-s.over:
	}
}

// read makes an arrival of a message; nil when there is nothing in it for the
// store. It can give both an arrival and an error: then part of a batch could
// not be read.
func (i *Ingest) read(topic string, payload []byte, now time.Time) (*store.Arrival, error) {
	t, err := report.ParseTopic(topic)
	if err != nil {
		i.stats.badTopics.Add(1)
		return nil, err
	}
	a := &store.Arrival{Device: t.Device, At: now, Backlog: t.Backlog}
	switch {
	case t.Branch == "up":
		return i.readBatch(a, t, payload)
	case t.Branch == "state" && t.Kind == "":
		a.State = new(report.DeviceState)
		return i.readState(a, payload, a.State, func() error { return checkDeviceState(a.State) })
	case t.Branch == "state" && t.Kind == "alarms":
		a.Alarms = new(report.AlarmSet)
		return i.readState(a, payload, a.Alarms, func() error { return checkAlarmSet(a.Alarms) })
	case t.Branch == "state" && t.Kind == "checkpoint":
		return i.readCheckpoint(a, t.Lane, payload)
	case t.Branch == "state" && t.Kind == "app":
		return i.readApp(a, t.Name, payload)
	case t.Branch == "state" && t.Kind == "stream" && len(payload) == 0:
		a.StreamGone = t.Name
		return a, nil
	case t.Branch == "state" && t.Kind == "stream":
		a.Stream = new(report.StreamState)
		return i.readState(a, payload, a.Stream, func() error { return checkStreamState(a.Stream, t.Name) })
	}
	return nil, nil // a branch that this centre has no use for yet
}

func (i *Ingest) readBatch(a *store.Arrival, t report.Topic, payload []byte) (*store.Arrival, error) {
	b, err := report.DecodeBatch(payload, t.Gzip)
	if err != nil {
		i.stats.badBatches.Add(1)
		err = fmt.Errorf("batch of %s/%s: %w", t.Device, t.Lane, err)
	}
	if b.Head.Lane == "" {
		return nil, err
	}
	if b.Head.Lane != t.Lane {
		i.stats.badBatches.Add(1)
		return nil, errors.Join(err, fmt.Errorf("batch of %s/%s: its head is of lane %s", t.Device, t.Lane, b.Head.Lane))
	}
	for _, r := range b.Records {
		if r.Clock == report.ClockSynced && r.Time.After(a.At.Add(aheadAllowed)) {
			i.stats.future.Add(1)
		}
	}
	a.Batch = &b
	return a, err
}

// readState reads the JSON of a retained state. An empty one is a state that
// was taken away.
func (i *Ingest) readState(a *store.Arrival, payload []byte, to any, check func() error) (*store.Arrival, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	err := json.Unmarshal(payload, to)
	switch {
	case len(payload) > maxStateBytes:
		err = fmt.Errorf("%d bytes, more than %d", len(payload), maxStateBytes)
	case err == nil:
		err = check()
	}
	if err != nil {
		i.stats.badStates.Add(1)
		return nil, fmt.Errorf("state of %s: %w", a.Device, err)
	}
	return a, nil
}

func checkDeviceState(st *report.DeviceState) error {
	if st.V != report.Version {
		return fmt.Errorf("%w: v is %d", report.ErrVersion, st.V)
	}
	if len(st.Streams) > maxStreams {
		return fmt.Errorf("%d streams, more than %d", len(st.Streams), maxStreams)
	}
	if len(st.Apps) > maxStreams {
		return fmt.Errorf("%d applications, more than %d", len(st.Apps), maxStreams)
	}
	return nil
}

func checkAlarmSet(s *report.AlarmSet) error {
	if s.V != report.Version {
		return fmt.Errorf("%w: v is %d", report.ErrVersion, s.V)
	}
	if len(s.Alarms) > report.MaxAlarmSet || s.Count < len(s.Alarms) {
		return fmt.Errorf("%d alarms of %d, more than %d", len(s.Alarms), s.Count, report.MaxAlarmSet)
	}
	return nil
}

func checkStreamState(st *report.StreamState, name string) error {
	if st.Name != name {
		return fmt.Errorf("stream %q on the topic of %q", st.Name, name)
	}
	if u, err := url.Parse(st.URL); err == nil && u.User != nil {
		u.User = url.User(u.User.Username()) // a device should not send its password, and we don't keep it
		st.URL = u.String()
	}
	return nil
}
