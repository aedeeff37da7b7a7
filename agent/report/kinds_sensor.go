package report

// Kinds of what the site's sensors and contacts say.
const (
	KindReading = "reading" // telemetry: Reading
	KindInput   = "input"   // event: InputState
)

// Reading is what a sensor measured; what it does not measure is left out.
type Reading struct {
	Sensor      string   `json:"sensor"`
	Temperature *float64 `json:"temperature_c,omitempty"`
	Humidity    *float64 `json:"humidity_percent,omitempty"` // relative
	Pressure    *float64 `json:"pressure_hpa,omitempty"`
	Voltage     *float64 `json:"voltage_v,omitempty"`
	Current     *float64 `json:"current_a,omitempty"`
}

// InputState is a new state of a contact that has held: a door that stands
// open, mains that are gone.
type InputState struct {
	Line    string `json:"line"`
	Kind    string `json:"kind"`              // mains, ups, door, water, motion, tamper, other
	Active  bool   `json:"active"`            // what the kind stands for is so: mains gone, battery low, door open, water, motion, tampered with
	First   bool   `json:"first,omitempty"`   // how it stood when its line was opened
	AgoMS   int64  `json:"ago_ms"`            // how long before this record it changed
	Changes int    `json:"changes,omitempty"` // changes before this one that did not hold
}

// KindWatchdog is the kind of events about the hardware watchdog.
const KindWatchdog = "watchdog" // event: WatchdogState

// WatchdogState is a change of how the board's watchdog stands.
type WatchdogState struct {
	State      string `json:"state"` // running, missing, starving, fed
	Name       string `json:"name,omitempty"`
	TimeoutS   int64  `json:"timeout_s,omitempty"`
	CausedBoot bool   `json:"caused_boot,omitempty"` // the board started because it was not fed
	Detail     string `json:"detail,omitempty"`      // starving: what is wrong
}
