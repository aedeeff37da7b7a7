package report

import (
	"fmt"
	"regexp"
	"strings"
)

// Root is the first levels of every topic.
const Root = "kentongan/v1"

var (
	deviceName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)
	entityName = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?$`)
)

// ValidDevice tells whether s can be a device's id: 1 to 40 of a-z, 0-9 and
// hyphen, no hyphen at either end. It is the common name of its certificate
// and one level of a topic.
func ValidDevice(s string) bool { return deviceName.MatchString(s) }

// ValidName tells whether s can name a stream, a line or an application: as a
// device's id, underscore allowed inside.
func ValidName(s string) bool { return entityName.MatchString(s) }

// Topics makes the topics of one device.
type Topics string

// Up is where a batch of a lane goes: gz when it is compressed, backlog when it
// is history that nobody should take for live.
func (d Topics) Up(lane Lane, backlog, gz bool) string {
	t := d.join("up", string(lane))
	if backlog {
		t += "/backlog"
	}
	if gz {
		t += "/gz"
	}
	return t
}

// Ack is where the centre says what it has committed; retained.
func (d Topics) Ack(lane Lane) string { return d.join("ack", string(lane)) }

// State is where the device says that it is online; retained, last will.
func (d Topics) State() string { return d.join("state") }

// StreamState is where the current state of one stream stands; retained.
func (d Topics) StreamState(name string) string { return d.join("state", "stream", name) }

// Alarms is where all alarms that are raised now stand; retained.
func (d Topics) Alarms() string { return d.join("state", "alarms") }

// AppState is where the current state of one application stands; retained.
func (d Topics) AppState(name string) string { return d.join("state", "app", name) }

// Checkpoint is where the newest checkpoint of a lane stands; retained.
func (d Topics) Checkpoint(lane Lane) string { return d.join("state", "checkpoint", string(lane)) }

// Commands is the filter of the signed orders to this device.
func (d Topics) Commands() string { return d.join("cmd", "+") }

func (d Topics) join(levels ...string) string {
	return Root + "/" + string(d) + "/" + strings.Join(levels, "/")
}

// Filters that a centre subscribes to.
const (
	UpFilter    = Root + "/+/up/#"
	StateFilter = Root + "/+/state/#" // matches .../state too (MQTT 3.1.1, 4.7.1.2)
)

// Topic is what a topic that came in says.
type Topic struct {
	Device  string
	Branch  string // up, ack, state, cmd
	Lane    Lane   // of up, ack and state/checkpoint
	Kind    string // of state: "", stream, app, checkpoint, alarms
	Name    string // of state/stream, state/app and cmd
	Backlog bool
	Gzip    bool
}

// ParseTopic reads a topic of ours, and says why it is none.
func ParseTopic(topic string) (Topic, error) {
	rest, ok := strings.CutPrefix(topic, Root+"/")
	if !ok {
		return Topic{}, fmt.Errorf("topic %q: does not begin with %s/", topic, Root)
	}
	l := strings.Split(rest, "/")
	if len(l) < 2 || !ValidDevice(l[0]) {
		return Topic{}, fmt.Errorf("topic %q: no device and branch after %s", topic, Root)
	}
	t := Topic{Device: l[0], Branch: l[1]}
	l = l[2:]
	bad := fmt.Errorf("topic %q: unknown", topic)
	switch {
	case t.Branch == "up" && len(l) >= 1:
		t.Lane, l = Lane(l[0]), l[1:]
		if len(l) > 0 && l[0] == "backlog" {
			t.Backlog, l = true, l[1:]
		}
		if len(l) > 0 && l[0] == "gz" {
			t.Gzip, l = true, l[1:]
		}
		if len(l) > 0 || !t.Lane.Valid() {
			return Topic{}, bad
		}
	case t.Branch == "ack" && len(l) == 1 && Lane(l[0]).Valid():
		t.Lane = Lane(l[0])
	case t.Branch == "state" && len(l) == 0:
	case t.Branch == "state" && len(l) == 1 && l[0] == "alarms":
		t.Kind = l[0]
	case t.Branch == "state" && len(l) == 2 && l[0] == "checkpoint" && Lane(l[1]).Valid():
		t.Kind, t.Lane = l[0], Lane(l[1])
	case t.Branch == "state" && len(l) == 2 && (l[0] == "stream" || l[0] == "app") && ValidName(l[1]):
		t.Kind, t.Name = l[0], l[1]
	case t.Branch == "cmd" && len(l) == 1 && ValidName(l[0]):
		t.Name = l[0]
	default:
		return Topic{}, bad
	}
	return t, nil
}
