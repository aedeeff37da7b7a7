package report

import "time"

// Roots of what the centre passes on. They are no branches of Root, so that no
// filter of a device's branch reaches them, and none of theirs a device's.
const (
	AgencyRoot = "kentongan/v1-agency"
	SharedRoot = "kentongan/v1-shared"
)

// AgencyTopics makes the topics of what one agency is passed of one device; the
// levels after the device are those of the device itself.
type AgencyTopics struct{ Agency, Device string }

func (t AgencyTopics) join(rest string) string {
	return AgencyRoot + "/" + t.Agency + "/" + t.Device + "/" + rest
}

// State, StreamState, AppState and Alarms are retained, with the device's own
// content.
func (t AgencyTopics) State() string                  { return t.join("state") }
func (t AgencyTopics) StreamState(name string) string { return t.join("state/stream/" + name) }
func (t AgencyTopics) AppState(name string) string    { return t.join("state/app/" + name) }
func (t AgencyTopics) Alarms() string                 { return t.join("state/alarms") }

// Event is where records of the event lane come, one by one, not retained.
func (t AgencyTopics) Event(kind string) string { return t.join("event/" + kind) }

// Complaint is where records of the complaint lane come, one by one, not
// retained, without their PIN.
func (t AgencyTopics) Complaint() string { return t.join("complaint") }

// SharedTopics makes the topics of what police see of a device's shared cameras.
type SharedTopics string

// StreamState is retained: SharedStream.
func (d SharedTopics) StreamState(name string) string {
	return SharedRoot + "/" + string(d) + "/state/stream/" + name
}

// StreamEvent is a change of a shared camera or of one of its alarms:
// SharedEvent, not retained.
func (d SharedTopics) StreamEvent(name string) string {
	return SharedRoot + "/" + string(d) + "/event/stream/" + name
}

// SharedStream is what leaves the province's own network of a camera that is
// marked shared: how its picture is, and where it stands. No address, no text of
// a technician, no name of a person.
type SharedStream struct {
	V       int       `json:"v"`
	Device  string    `json:"device"`
	Site    string    `json:"site,omitempty"`
	Lat     float64   `json:"lat,omitempty"` // degrees, WGS 84
	Lon     float64   `json:"lon,omitempty"`
	Name    string    `json:"name"`
	State   string    `json:"state"` // as in StreamState
	Class   string    `json:"class,omitempty"`
	Since   time.Time `json:"since"`
	Codec   string    `json:"codec,omitempty"`
	Width   int       `json:"width,omitempty"`   // pixels
	Height  int       `json:"height,omitempty"`  // pixels
	Picture []string  `json:"picture,omitempty"` // what is wrong with it, as in PictureVerdict.Condition
}

// SharedEvent is a change of a shared camera. Device, Epoch and Seq name the
// record that it comes from; the same one may come twice.
type SharedEvent struct {
	V      int           `json:"v"`
	Device string        `json:"device"`
	Epoch  Epoch         `json:"epoch"`
	Seq    uint64        `json:"seq"` // in the event lane
	Time   time.Time     `json:"time"`
	Clock  Clock         `json:"clock"`
	Stream *SharedStream `json:"stream,omitempty"` // its state changed
	Alarm  *SharedAlarm  `json:"alarm,omitempty"`  // an alarm of it changed
}

// SharedAlarm is an Alarm without who said what of it.
type SharedAlarm struct {
	ID         string    `json:"id"`
	N          uint64    `json:"n"`
	Name       string    `json:"name"` // of the stream
	Condition  string    `json:"condition"`
	Severity   string    `json:"severity"`
	State      string    `json:"state"`
	Since      time.Time `json:"since"`
	Confidence float64   `json:"confidence"`
	Text       Text      `json:"text"`
}
