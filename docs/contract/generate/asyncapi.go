package main

import "fmt"

// notes are the messages that are signed notes and not JSON: their text is in
// docs/contract/README.md.
var notes = []struct{ id, title, pattern string }{
	{"ack", "Receipt of the centre: a signed note", `^kentongan/v1/[a-z0-9-]+/ack/(complaint|event)\nepoch [0-9a-f]{16}\nseq [0-9]+\n`},
	{"checkpoint", "Checkpoint of the device: a signed note", `^kentongan/v1/[a-z0-9-]+/state/checkpoint/(complaint|event)\nepoch [0-9a-f]{16}\nseq [1-9][0-9]*\nhash [A-Za-z0-9+/]{43}=\n`},
	{"order", "Order of the centre: a signed note", `^kentongan/v1/[a-z0-9-]+/cmd/[a-z0-9_-]+\nid [0-9a-f]{16}\ncounter [1-9][0-9]*\n`},
}

// asyncAPI describes the topics, who sends on them and what.
func (s *source) asyncAPI() object {
	var messages, records object
	for _, n := range notes {
		messages = append(messages, member{n.id, object{
			{"title", n.title}, {"contentType", "text/plain; charset=utf-8"},
			{"payload", object{{"type", "string"}, {"pattern", n.pattern}}},
		}})
	}
	message := func(id, title string) member {
		return member{id, object{
			{"title", title}, {"contentType", "application/json"},
			{"payload", object{
				{"schemaFormat", "application/schema+json;version=draft-2020-12"},
				{"schema", object{{"$ref", "./schema/" + id + ".json"}}},
			}},
		}}
	}
	for _, st := range states {
		messages = append(messages, message(st.id, st.title))
	}
	for _, sh := range shared {
		messages = append(messages, message(sh.id, sh.title))
	}
	messages = append(messages, message("batch.head", "First line of a batch"))
	for _, k := range s.kinds {
		m := message("record."+k.name, fmt.Sprintf("Record of kind %s, lane %s", k.name, k.lane))
		messages, records = append(messages, m), append(records, local("record."+k.name))
	}
	for _, o := range s.orders {
		messages = append(messages, message("command."+o.name, "Arguments of the order "+o.name))
	}
	batch := append(object{local("batch.head")}, records...)
	up := "A batch, JSON Lines: the lane's head first, then records in the order of their numbers. QoS 1, not retained."
	channels := object{
		channel("up", "kentongan/v1/{device}/up/{lane}", up, batch, "device", "lane"),
		channel("upGzip", "kentongan/v1/{device}/up/{lane}/gz", up+" Compressed with gzip.", batch, "device", "lane"),
		channel("upBacklog", "kentongan/v1/{device}/up/{lane}/backlog", up+" History that nobody should take for live.", batch, "device", "lane"),
		channel("upBacklogGzip", "kentongan/v1/{device}/up/{lane}/backlog/gz", up+" History, compressed with gzip.", batch, "device", "lane"),
		channel("ack", "kentongan/v1/{device}/ack/{lane}", "What the centre has committed. QoS 1, retained.", object{local("ack")}, "device", "lane"),
		channel("cmd", "kentongan/v1/{device}/cmd/{name}", "An order. Published with QoS 1, not retained, repeated until its result is there; devices subscribe with QoS 0.", object{local("order")}, "device", "name"),
		channel("checkpoint", "kentongan/v1/{device}/state/checkpoint/{lane}", "The newest checkpoint. QoS 1, retained.", object{local("checkpoint")}, "device", "lane"),
	}
	for _, st := range states {
		with := []string{"device"}
		if st.id == "state.stream" || st.id == "state.app" {
			with = append(with, "name")
		}
		channels = append(channels, channel(st.id, "kentongan/v1/{device}/"+st.topic, st.title+". QoS 1, retained; an empty one was taken away.", object{local(st.id)}, with...))
	}
	says := operations(channels)
	for _, sh := range shared { // of the centre, which is not the one that operations are seen from
		channels = append(channels, channel(sh.id, "kentongan/v1-shared/{device}/"+sh.topic, sh.title+".", object{local(sh.id)}, "device", "name"))
	}
	return object{
		{"asyncapi", "3.0.0"},
		{"info", object{
			{"title", "Kentongan: device and command centre"}, {"version", "1.0.0"},
			{"description", "What a device of Kentongan says over MQTT 3.1.1, and what a command centre answers. Made by go generate out of the Go types in agent/report; see README.md for the notes that are signed, the hash chain, and the rules of change."},
			{"license", object{{"name", "see LICENSE"}}},
		}},
		{"defaultContentType", "application/json"},
		{"channels", channels},
		{"operations", says},
		{"components", object{{"messages", messages}}},
	}
}

func local(id string) member {
	return member{id, object{{"$ref", "#/components/messages/" + id}}}
}

var parameters = map[string]object{
	"device": {{"description", "The device's id, its certificate's common name: " + devicePattern}},
	"lane":   {{"description", "complaint, event or telemetry; ack and checkpoint: complaint or event."}},
	"name":   {{"description", "Of a stream, an application or an order: " + entityPattern}},
}

func channel(id, address, description string, messages object, params ...string) member {
	var p object
	for _, name := range params {
		p = append(p, member{name, parameters[name]})
	}
	return member{id, object{{"address", address}, {"description", description}, {"messages", messages}, {"parameters", p}}}
}

// operations are seen from the device.
func operations(channels object) (out object) {
	for _, c := range channels {
		action, verb := "send", "says"
		if c.key == "ack" || c.key == "cmd" {
			action, verb = "receive", "hears"
		}
		out = append(out, member{verb + "." + c.key, object{{"action", action}, {"channel", object{{"$ref", "#/channels/" + c.key}}}}})
	}
	return out
}
