package fanout

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// states publishes where the states of a device, or of all when it is "", differ
// from what stands at the broker, and takes away what should stand there no more.
func (s *session) states(ctx context.Context, device string) error {
	want, err := s.wanted(ctx, device)
	if err != nil {
		return err
	}
	var out []message
	for topic, payload := range want {
		if sum := sha256.Sum256(payload); s.of(deviceOf(topic))[topic] != sum {
			out = append(out, message{topic, payload, true})
		}
	}
	there := s.standing
	if device != "" {
		there = map[string]standing{device: s.of(device)}
	}
	for _, topics := range there {
		for topic := range topics {
			if _, ok := want[topic]; !ok {
				out = append(out, message{topic: topic, retained: true})
			}
		}
	}
	if err := s.publish(ctx, out); err != nil {
		return err
	}
	for _, m := range out {
		if topics := s.of(deviceOf(m.topic)); len(m.payload) == 0 {
			delete(topics, m.topic)
		} else {
			topics[m.topic] = sha256.Sum256(m.payload)
		}
	}
	return nil
}

// of is what stands of a device.
func (s *session) of(device string) standing {
	if s.standing[device] == nil {
		s.standing[device] = standing{}
	}
	return s.standing[device]
}

// deviceOf is the device of a topic of ours.
func deviceOf(topic string) string {
	rest, ok := strings.CutPrefix(topic, report.SharedRoot+"/")
	if !ok {
		_, rest, _ = strings.Cut(strings.TrimPrefix(topic, report.AgencyRoot+"/"), "/")
	}
	device, _, _ := strings.Cut(rest, "/")
	return device
}

// wanted is what should stand at the broker of a device, or of all: by topic.
func (s *session) wanted(ctx context.Context, device string) (map[string][]byte, error) {
	devices, err := s.cfg.Source.Devices(ctx, device)
	if err != nil {
		return nil, err
	}
	streams, err := s.cfg.Source.Streams(ctx, device)
	if err != nil {
		return nil, err
	}
	apps, err := s.cfg.Source.Apps(ctx, device)
	if err != nil {
		return nil, err
	}
	alarms, err := s.cfg.Source.Alarms(ctx, store.AlarmFilter{Device: device, Hidden: true, Limit: maxAlarms})
	if err != nil {
		return nil, err
	}
	raised := map[string][]store.Alarm{}
	for _, a := range alarms {
		raised[a.Device] = append(raised[a.Device], a)
	}
	w := wish{all: map[string][]byte{}}
	byID := map[string]store.Device{}
	names, appNames := map[string][]string{}, map[string][]string{}
	for _, st := range streams {
		names[st.Device] = append(names[st.Device], st.Name)
		if st.Doc == nil {
			continue
		}
		if a, ok := s.agencies.OfDevice(st.Device); ok {
			w.put(report.AgencyTopics{Agency: a, Device: st.Device}.StreamState(st.Name), st.Doc)
		}
	}
	for _, app := range apps {
		appNames[app.Device] = append(appNames[app.Device], app.Name)
		if a, ok := s.agencies.OfDevice(app.Device); ok && app.Doc != nil {
			w.put(report.AgencyTopics{Agency: a, Device: app.Device}.AppState(app.Name), app.Doc)
		}
	}
	for _, d := range devices {
		byID[d.ID] = d
		if a, ok := s.agencies.OfDevice(d.ID); ok {
			t := report.AgencyTopics{Agency: a, Device: d.ID}
			w.put(t.State(), deviceState(d, names[d.ID], appNames[d.ID]))
			w.put(t.Alarms(), alarmSet(raised[d.ID]))
		}
	}
	for _, st := range streams {
		if st.Doc != nil && st.Doc.Shared {
			w.put(report.SharedTopics(st.Device).StreamState(st.Name), sharedStream(byID[st.Device], st.Device, *st.Doc))
		}
	}
	return w.all, w.err
}

// maxAlarms bounds what is read of alarms at once.
const maxAlarms = 100000

// wish collects states, encoded.
type wish struct {
	all map[string][]byte
	err error
}

func (w *wish) put(topic string, v any) {
	b, err := json.Marshal(v)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("encode %s: %w", topic, err)
	}
	w.all[topic] = b
}

// deviceState is what the centre keeps of a device's own state.
func deviceState(d store.Device, streams, apps []string) report.DeviceState {
	st := report.DeviceState{
		V: report.Version, State: d.State, Version: d.Version, Boot: d.Boot,
		Site: d.Site, Lat: d.Lat, Lon: d.Lon, Streams: streams, Apps: apps,
	}
	if d.Since != nil {
		st.Since = *d.Since
	}
	return st
}

// alarmSet is what stands of a device's alarms.
func alarmSet(all []store.Alarm) report.AlarmSet {
	set := report.AlarmSet{V: report.Version, Alarms: []report.AlarmLine{}}
	for _, a := range all {
		set.Count++
		set.N = max(set.N, a.N)
		if len(set.Alarms) < report.MaxAlarmSet {
			set.Alarms = append(set.Alarms, report.AlarmLine{ID: a.ID, N: a.N, Source: a.Source, Condition: a.Condition, Severity: a.Severity, State: a.State, Since: a.Alarm.Since})
		}
	}
	return set
}

// sharedStream takes out of a state what police may know.
func sharedStream(d store.Device, device string, st report.StreamState) report.SharedStream {
	out := report.SharedStream{
		V: report.Version, Device: device, Site: d.Site, Lat: d.Lat, Lon: d.Lon,
		Name: st.Name, State: st.State, Class: st.Class, Since: st.Since,
		Codec: st.Codec, Width: st.Width, Height: st.Height,
	}
	if p := st.Picture; p != nil && p.Checked {
		for _, v := range p.Found {
			out.Picture = append(out.Picture, v.Condition)
		}
	}
	return out
}

// same tells whether two answers about agencies are alike.
func same(a, b Agencies) bool { return reflect.DeepEqual(a, b) }
