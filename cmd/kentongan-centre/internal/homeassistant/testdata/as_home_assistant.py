#!/usr/bin/python3
"""Reads discovery documents and states as Home Assistant does, and prints what it
would show: one line for each entity. stdin: {topic: payload} of all retained
messages. The rules are those of homeassistant/components/mqtt: schemas.py
(device discovery), sensor.py and binary_sensor.py; templates are Jinja's.
"""
import json, re, sys
from jinja2 import Environment, StrictUndefined

TOPIC = re.compile(r"(?P<prefix>[^/]+)/device/(?P<object>[a-zA-Z0-9_-]+)/config")
DEVICE = {"identifiers", "connections", "manufacturer", "model", "name", "hw_version", "serial_number", "sw_version", "via_device", "suggested_area", "configuration_url"}
TOP = {"device", "origin", "components", "state_topic", "command_topic", "qos", "encoding", "availability", "availability_mode", "availability_topic", "availability_template"}
COMMON = {"platform", "unique_id", "name", "value_template", "device_class", "entity_category", "icon"}
FIELDS = {"sensor": COMMON | {"state_class", "unit_of_measurement"}, "binary_sensor": COMMON | {"payload_on", "payload_off"}}
UNITS = {"temperature": {"°C", "°F", "K"}, "humidity": {"%"}, "atmospheric_pressure": {"hPa", "Pa", "kPa", "mbar", "bar"}, "voltage": {"V", "mV", "µV", "kV"}, "current": {"A", "mA"}}
BINARY = {"connectivity", "problem", "battery", "door", "moisture", "motion", "tamper", "power"}
env = Environment(undefined=StrictUndefined)
retained, seen = json.load(sys.stdin), set()

def check(ok, what):
    if not ok:
        print("INVALID", what)
        sys.exit(1)

def render(template, payload):
    return env.from_string(template).render(value=payload, value_json=json.loads(payload)) if template else payload

for topic, payload in sorted(retained.items()):
    m = TOPIC.fullmatch(topic)
    if not m or not payload:
        continue
    d = json.loads(payload)
    check(set(d) <= TOP, f"{topic}: {set(d) - TOP} are not options of a device")
    check(d["device"].get("identifiers") or d["device"].get("connections"), f"{topic}: no identifier")
    check(set(d["device"]) <= DEVICE and all(isinstance(v, (str, list)) for v in d["device"].values()), f"{topic}: device {d['device']}")
    check(isinstance(d["origin"].get("name"), str), f"{topic}: no origin")
    check(d["qos"] in (0, 1, 2) and d["availability_mode"] in ("all", "any", "latest"), f"{topic}: qos or availability_mode")
    available = True
    for a in d["availability"]:
        check(set(a) <= {"topic", "payload_available", "payload_not_available", "value_template"}, f"{topic}: availability {a}")
        check("+" not in a["topic"] and "#" not in a["topic"], f"{topic}: a wildcard in {a['topic']}")
        said = render(a.get("value_template"), retained.get(a["topic"], "offline") or "offline")
        check(said in ("online", "offline"), f"{topic}: availability {said!r}")
        available = available and said == "online"
    for key, c in sorted(d["components"].items()):
        kind = c.get("platform")
        check(kind in FIELDS, f"{topic} {key}: platform {kind}")
        check(set(c) <= FIELDS[kind], f"{topic} {key}: {set(c) - FIELDS[kind]} are not options of a {kind}")
        check(c.get("unique_id") and c["unique_id"] not in seen, f"{topic} {key}: unique_id {c.get('unique_id')}")
        seen.add(c["unique_id"])
        check(c.get("entity_category") in (None, "diagnostic"), f"{topic} {key}: entity_category")
        value = render(c["value_template"], retained[d["state_topic"]])
        if kind == "binary_sensor":
            check(c.get("device_class") in BINARY | {None}, f"{topic} {key}: device_class {c.get('device_class')}")
            check(value in (c["payload_on"], c["payload_off"]), f"{topic} {key}: {value!r}")
        else:
            if c.get("device_class"):
                check(c.get("unit_of_measurement") in UNITS[c["device_class"]], f"{topic} {key}: unit {c.get('unit_of_measurement')}")
            check(c.get("state_class") in (None, "measurement", "total", "total_increasing"), f"{topic} {key}: state_class")
            float(value)  # a state_class and a unit are for numbers
        print(d["device"]["identifiers"][0], key, value if available else "unavailable", c.get("unit_of_measurement", ""), sep="|")
