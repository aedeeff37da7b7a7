package report

import "time"

// KindAlarm is a change of an alarm: event lane, Alarm.
const KindAlarm = "alarm" // event: Alarm

// Severities, the worst first.
const (
	Critical = "critical" // many cameras or services at once
	Major    = "major"    // one camera or service is of no use
	Minor    = "minor"    // of less use
	Warning  = "warning"  // will be a fault if nobody acts
)

// Severities returns them, the worst first.
func Severities() []string { return []string{Critical, Major, Minor, Warning} }

// States of an alarm.
const (
	AlarmRaised       = "raised"
	AlarmAcknowledged = "acknowledged" // raised, and somebody at the centre has taken it
	AlarmFlapping     = "flapping"     // raised; it came and went too often to be told each time
	AlarmHidden       = "hidden"       // there, but another alarm explains it
	AlarmCleared      = "cleared"      // over
)

// Alarm is an alarm as it is after a change. Each change is an event of its own
// with the whole alarm, and the newest (the largest N) holds.
type Alarm struct {
	ID         string    `json:"id"`     // of this occurrence: 16 hex digits, random
	N          uint64    `json:"n"`      // counts the changes of all alarms of the device
	Source     string    `json:"source"` // stream/NAME, app/NAME, group/NAME, device
	Label      string    `json:"label,omitempty"`
	Condition  string    `json:"condition"`
	Severity   string    `json:"severity"`
	State      string    `json:"state"`
	Since      time.Time `json:"since"` // when the condition began, by the device's clock
	Confidence float64   `json:"confidence"`
	Cause      string    `json:"cause,omitempty"`
	Text       Text      `json:"text"`             // what it is
	Action     Text      `json:"action"`           // what to do
	Detail     string    `json:"detail,omitempty"` // English, for the technician

	// Of an alarm that explains others.
	Hides  []string `json:"hides,omitempty"`  // sources, at most MaxHides
	Hidden int      `json:"hidden,omitempty"` // how many, also beyond MaxHides

	HiddenBy string `json:"hidden_by,omitempty"` // SOURCE:CONDITION of the alarm that explains this one
	Flapping bool   `json:"flapping,omitempty"`

	// What an operator said, by an ack-alarm order.
	By    string `json:"by,omitempty"`
	Note  string `json:"note,omitempty"`
	False bool   `json:"false,omitempty"` // there was nothing: it is cleared, and counts as a false alarm
}

// Active tells whether the alarm is there and not explained by another.
func (a Alarm) Active() bool {
	return a.State == AlarmRaised || a.State == AlarmAcknowledged || a.State == AlarmFlapping
}

// MaxHides is how many sources an alarm names.
const MaxHides = 64

// AlarmSet is the retained topic state/alarms: all that is raised or hidden now.
// Whoever comes later, or missed events, knows by it what is over. The texts
// are in the events.
type AlarmSet struct {
	V      int         `json:"v"`
	N      uint64      `json:"n"`      // of the newest change
	Ledger string      `json:"ledger"` // names the count; another one begins when a device loses its memory
	Count  int         `json:"count"`  // of all, also beyond MaxAlarmSet
	Alarms []AlarmLine `json:"alarms"` // the worst first
}

// MaxAlarmSet is how many alarms an AlarmSet names: about 20 KiB.
const MaxAlarmSet = 128

// AlarmLine is an alarm in short.
type AlarmLine struct {
	ID        string    `json:"id"`
	N         uint64    `json:"n"`
	Source    string    `json:"source"`
	Condition string    `json:"condition"`
	Severity  string    `json:"severity"`
	State     string    `json:"state"`
	Since     time.Time `json:"since"`
}

// AlarmCounts is the account that a device keeps of its own alarms, over the
// whole life of its memory.
type AlarmCounts struct {
	Raised     uint64  `json:"raised"`
	False      uint64  `json:"false"`       // of those, called false by an operator
	CameraDays float64 `json:"camera_days"` // watched: cameras times days
	// FalseRate is False for each 1,000 camera-days; nil before the first day.
	FalseRate *float64 `json:"false_per_1000_camera_days,omitempty"`
	Active    int      `json:"active"`
}
