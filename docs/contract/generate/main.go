// Command generate makes the JSON Schemas, the AsyncAPI document and the golden
// messages of the contract out of the Go types in agent/report and their comments. It is run by
// go generate, and its test sees that it was.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// run is started in docs/contract.
func run() error {
	files, err := generate("../../agent/report")
	if err != nil {
		return err
	}
	for _, dir := range []string{"schema", "examples"} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// states are what is retained below state, with the type of each.
var states = []struct{ id, topic, title, typ string }{
	{"state.device", "state", "The device: online or offline, what it is and has", "DeviceState"},
	{"state.stream", "state/stream/{name}", "A camera's stream", "StreamState"},
	{"state.app", "state/app/{name}", "A public application, seen from the device", "AppState"},
	{"state.alarms", "state/alarms", "All alarms that are raised or hidden", "AlarmSet"},
}

// shared are what the centre passes on to the police, with the type of each.
var shared = []struct{ id, topic, title, typ string }{
	{"shared.stream", "state/stream/{name}", "A shared camera, as police see it. QoS 1, retained", "SharedStream"},
	{"shared.event", "event/stream/{name}", "A change of a shared camera or of an alarm of it. QoS 1, not retained", "SharedEvent"},
}

// generate makes every file, by its name in docs/contract.
func generate(report string) (map[string][]byte, error) {
	src, err := load(report)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	add := func(id string, doc object, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		out["schema/"+id+".json"], err = encode(doc)
		return err
	}
	for _, k := range src.kinds {
		doc, err := src.record(k)
		if err := add("record."+k.name, doc, err); err != nil {
			return nil, err
		}
	}
	for _, o := range src.orders {
		doc, err := src.plain("command."+o.name, "Arguments of the order "+o.name, o.args)
		if err := add("command."+o.name, doc, err); err != nil {
			return nil, err
		}
	}
	for _, s := range states {
		doc, err := src.plain(s.id, s.title, s.typ)
		if err := add(s.id, doc, err); err != nil {
			return nil, err
		}
	}
	for _, s := range shared {
		doc, err := src.plain(s.id, s.title, s.typ)
		if err := add(s.id, doc, err); err != nil {
			return nil, err
		}
	}
	head, err := src.head()
	if err := add("batch.head", head, err); err != nil {
		return nil, err
	}
	if out["asyncapi.json"], err = encode(src.asyncAPI()); err != nil {
		return nil, err
	}
	golden, err := src.examples()
	maps.Copy(out, golden)
	return out, err
}

// head is the schema of a batch's first line.
func (s *source) head() (object, error) {
	b := &builder{src: s}
	ref, err := b.ref("Head")
	if err != nil {
		return nil, err
	}
	return document("batch.head", "First line of a batch: what the lane holds", object{
		{"type", "object"},
		{"properties", object{{"v", object{{"const", 1}}}, {"head", ref}}},
		{"required", []string{"v", "head"}},
	}, b.defs), nil
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		b.Write(append(key, ':'))
		var v bytes.Buffer
		enc := json.NewEncoder(&v)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(m.value); err != nil {
			return nil, err
		}
		b.Write(bytes.TrimSpace(v.Bytes()))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func encode(v object) ([]byte, error) {
	text, err := v.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, err
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}
