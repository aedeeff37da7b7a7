package homeassistant

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"kentongan/agent/report"
)

// originName tells our documents from those of others.
const originName = "kentongan-centre"

// discovery is the document of a device, in Home Assistant's words.
type discovery struct {
	Device           about                `json:"device"`
	Origin           origin               `json:"origin"`
	Components       map[string]component `json:"components"`
	StateTopic       string               `json:"state_topic"`
	Availability     []availability       `json:"availability"`
	AvailabilityMode string               `json:"availability_mode"`
	QoS              int                  `json:"qos"`
}

type about struct {
	Identifiers  []string `json:"identifiers"`
	Name         string   `json:"name"`
	Manufacturer string   `json:"manufacturer"`
	Model        string   `json:"model"`
	SerialNumber string   `json:"serial_number"`
	Software     string   `json:"sw_version,omitempty"`
	Area         string   `json:"suggested_area,omitempty"`
}

type origin struct {
	Name string `json:"name"`
}

type availability struct {
	Topic    string `json:"topic"`
	Template string `json:"value_template,omitempty"`
}

// component is one entity of a device.
type component struct {
	Platform   string `json:"platform"` // sensor, binary_sensor
	UniqueID   string `json:"unique_id"`
	Name       string `json:"name"`
	Template   string `json:"value_template"`
	Class      string `json:"device_class,omitempty"`
	StateClass string `json:"state_class,omitempty"`
	Unit       string `json:"unit_of_measurement,omitempty"`
	PayloadOn  string `json:"payload_on,omitempty"`
	PayloadOff string `json:"payload_off,omitempty"`
	Category   string `json:"entity_category,omitempty"`
	Icon       string `json:"icon,omitempty"`
}

// quantity is what a sensor may measure.
type quantity struct {
	key, name, class, unit string
	of                     func(*report.Reading) *float64
}

var quantities = []quantity{
	{"temperature", "temperature", "temperature", "°C", func(r *report.Reading) *float64 { return r.Temperature }},
	{"humidity", "humidity", "humidity", "%", func(r *report.Reading) *float64 { return r.Humidity }},
	{"pressure", "pressure", "atmospheric_pressure", "hPa", func(r *report.Reading) *float64 { return r.Pressure }},
	{"voltage", "voltage", "voltage", "V", func(r *report.Reading) *float64 { return r.Voltage }},
	{"current", "current", "current", "A", func(r *report.Reading) *float64 { return r.Current }},
}

// lineClass is what "on" means of a contact, in Home Assistant's classes. Mains
// that are gone are a problem there, since its class power is on while there is
// some.
func lineClass(kind string) string {
	switch kind {
	case "mains":
		return "problem"
	case "ups":
		return "battery"
	case "door":
		return "door"
	case "water":
		return "moisture"
	case "motion":
		return "motion"
	case "tamper":
		return "tamper"
	}
	return ""
}

// discovery is the document of the device.
func (f *facts) discovery() discovery {
	d := discovery{
		Device: about{
			Identifiers: []string{"kentongan_" + f.id}, Name: f.name(), Manufacturer: "Kentongan", Model: "Kentongan edge agent",
			SerialNumber: f.id, Software: f.device.Version, Area: f.device.Site,
		},
		Origin:     origin{originName},
		Components: map[string]component{},
		StateTopic: f.stateTopic(),
		Availability: []availability{
			{Topic: statusTopic},
			{Topic: f.stateTopic(), Template: "{{ 'online' if value_json.online else 'offline' }}"},
		},
		AvailabilityMode: "all", QoS: 1,
	}
	f.alarmComponents(d.Components)
	for _, s := range f.streams {
		f.add(d.Components, "stream_"+s.Name, binary(s.Name, "connectivity", fmt.Sprintf("value_json.streams['%s'].playing", s.Name)))
	}
	for _, name := range slices.Sorted(maps.Keys(f.presses)) {
		f.add(d.Components, "presses_"+name, component{
			Platform: "sensor", Name: name + " presses", StateClass: "total_increasing", Icon: "mdi:gesture-tap-button",
			Template: fmt.Sprintf("{{ value_json.presses['%s'] }}", name),
		})
	}
	f.aroundComponents(d.Components)
	return d
}

// name is the device's, for people.
func (f *facts) name() string {
	if f.device.Site != "" {
		return f.device.Site + " (" + f.id + ")"
	}
	return f.id
}

func (f *facts) alarmComponents(to map[string]component) {
	f.add(to, "alarms", component{Platform: "sensor", Name: "alarms", StateClass: "measurement", Template: "{{ value_json.alarms }}", Icon: "mdi:alarm-light"})
	f.add(to, "alarm", binary("alarm", "problem", "value_json.alarms > 0"))
	missing := component{Platform: "sensor", Name: "missing records", StateClass: "measurement", Category: "diagnostic", Template: "{{ value_json.missing }}"}
	f.add(to, "missing", missing)
}

func (f *facts) aroundComponents(to map[string]component) {
	for _, a := range f.around {
		_, name, _ := strings.Cut(a.Source, "/")
		if a.Input != nil {
			f.add(to, "line_"+name, binary(name, lineClass(a.Input.Kind), fmt.Sprintf("value_json.lines['%s']", name)))
			continue
		}
		for _, q := range quantities {
			if a.Reading == nil || q.of(a.Reading) == nil {
				continue
			}
			f.add(to, "sensor_"+name+"_"+q.key, component{
				Platform: "sensor", Name: name + " " + q.name, Class: q.class, Unit: q.unit, StateClass: "measurement",
				Template: fmt.Sprintf("{{ value_json.sensors['%s'].%s }}", name, q.key),
			})
		}
	}
}

// binary is an entity that is on while a condition of the state holds.
func binary(name, class, condition string) component {
	return component{
		Platform: "binary_sensor", Name: name, Class: class, PayloadOn: "ON", PayloadOff: "OFF",
		Template: "{{ 'ON' if " + condition + " else 'OFF' }}",
	}
}

// add gives an entity its id. A name that could not stand in a template (a device
// may send what it likes) makes no entity.
func (f *facts) add(to map[string]component, key string, c component) {
	for _, r := range key {
		if r != '_' && r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return
		}
	}
	c.UniqueID = "kentongan_" + f.id + "_" + key
	to[key] = c
}
