package fanout

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// records publishes records to whom they belong.
func (s *session) records(ctx context.Context, all []report.Received) error {
	var out []message
	for _, r := range all {
		var ms []message
		var err error
		if r.Lane == report.Complaint {
			ms, err = s.complaint(ctx, r)
		} else {
			ms, err = s.event(ctx, r)
		}
		if err != nil {
			return err
		}
		out = append(out, ms...)
	}
	return s.publish(ctx, out)
}

// complaint goes to who takes its service, else to whose the kiosk is, without
// its PIN: who has that may ask for the complaint as the citizen.
func (s *session) complaint(ctx context.Context, r report.Received) ([]message, error) {
	var body map[string]json.RawMessage
	if json.Unmarshal(r.Body, &body) != nil {
		return nil, nil // it says nothing that could be passed on
	}
	code, err := s.serviceOf(ctx, r, body)
	if err != nil {
		return nil, err
	}
	agency, ok := s.agencies.OfService(code)
	if !ok {
		agency, ok = s.agencies.OfDevice(r.Device)
	}
	if !ok {
		return nil, nil
	}
	line := r.Line
	if r.Kind == report.KindPress {
		for key := range body { // JSON's keys are matched in any case
			if strings.EqualFold(key, "pin") {
				delete(body, key)
			}
		}
		rec := r.Record
		if rec.Body, err = json.Marshal(body); err == nil {
			line, err = rec.Encode()
		}
		if err != nil {
			return nil, fmt.Errorf("encode complaint %s/%d: %w", r.Device, r.Seq, err)
		}
	}
	return []message{{topic: report.AgencyTopics{Agency: agency, Device: r.Device}.Complaint(), payload: line}}, nil
}

// serviceOf is the service of a press; of what takes one back it is that of the
// press.
func (s *session) serviceOf(ctx context.Context, r report.Received, body map[string]json.RawMessage) (code string, err error) {
	if r.Kind == report.KindPress {
		_ = json.Unmarshal(body["service_code"], &code) // "" belongs to nobody
		return code, nil
	}
	var c report.Cancel
	if json.Unmarshal(r.Body, &c) != nil {
		return "", nil
	}
	t, err := report.ParseTicket(report.Clip(c.Ticket, 32))
	if err != nil {
		return "", nil
	}
	of, err := s.cfg.Source.Complaints(ctx, store.ComplaintFilter{Device: r.Device, Ticket: t.String(), Limit: 1})
	if err != nil || len(of) == 0 {
		return "", err
	}
	return of[0].Service, nil
}

// event goes to whose the device is, and to the police where it is of a shared
// camera. What the centre's own people did with a device is not passed on.
func (s *session) event(ctx context.Context, r report.Received) (out []message, err error) {
	if a, ok := s.agencies.OfDevice(r.Device); ok && r.Kind != report.KindCommand && r.Kind != report.KindSnapshot && report.ValidName(r.Kind) {
		out = append(out, message{topic: report.AgencyTopics{Agency: a, Device: r.Device}.Event(r.Kind), payload: r.Line})
	}
	name, ev, err := s.shared(ctx, r)
	if err != nil || name == "" {
		return out, err
	}
	payload, err := json.Marshal(ev)
	if err != nil {
		return nil, fmt.Errorf("encode event %s/%d: %w", r.Device, r.Seq, err)
	}
	return append(out, message{topic: report.SharedTopics(r.Device).StreamEvent(name), payload: payload}), nil
}

// shared makes what police may know of an event; name is "" when that is nothing.
func (s *session) shared(ctx context.Context, r report.Received) (name string, ev report.SharedEvent, err error) {
	ev = report.SharedEvent{V: report.Version, Device: r.Device, Epoch: r.Epoch, Seq: r.Seq, Time: r.Time, Clock: r.Clock}
	switch r.Kind {
	case report.KindStream:
		var st report.StreamState
		if json.Unmarshal(r.Body, &st) != nil || !st.Shared || !report.ValidName(st.Name) {
			return "", ev, nil
		}
		d, err := s.cfg.Source.Devices(ctx, r.Device)
		if err != nil || len(d) == 0 {
			return "", ev, err
		}
		out := sharedStream(d[0], r.Device, st)
		ev.Stream = &out
		return st.Name, ev, nil
	case report.KindAlarm:
		var a report.Alarm
		if json.Unmarshal(r.Body, &a) != nil {
			return "", ev, nil
		}
		name, ok := strings.CutPrefix(a.Source, "stream/")
		if _, stands := s.of(r.Device)[report.SharedTopics(r.Device).StreamState(name)]; !ok || !stands {
			return "", ev, nil
		}
		ev.Alarm = &report.SharedAlarm{
			ID: a.ID, N: a.N, Name: name, Condition: a.Condition, Severity: a.Severity,
			State: a.State, Since: a.Since, Confidence: a.Confidence, Text: a.Text,
		}
		return name, ev, nil
	}
	return "", ev, nil
}
