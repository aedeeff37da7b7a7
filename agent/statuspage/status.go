package statuspage

import (
	"time"

	"kentongan/agent/report"
)

// Status is how the device is at a moment, for the page and for who asks it for
// JSON.
type Status struct {
	Device   string         `json:"device"`
	Site     string         `json:"site,omitempty"`
	Version  string         `json:"version"`
	Board    string         `json:"board"`
	Time     time.Time      `json:"time"`
	Clock    report.Clock   `json:"clock"`
	UptimeMS int64          `json:"uptime_ms"` // of the board
	Link     Link           `json:"link"`
	Lanes    []Lane         `json:"lanes"`
	Mirror   string         `json:"mirror,omitempty"` // what is wrong with the spool's
	Alarms   []report.Alarm `json:"alarms"`           // the worst first
	Streams  []Stream       `json:"streams"`
	Lines    []Line         `json:"lines"`
	Sensors  []Sensor       `json:"sensors"`
	Kiosk    string         `json:"kiosk,omitempty"` // what is wrong with it
	Machine  Machine        `json:"machine"`
	Config   ConfigState    `json:"config"`
}

// Link is the way to the centre.
type Link struct {
	Connected bool      `json:"connected"`
	Broker    string    `json:"broker"`
	Since     time.Time `json:"since"`
	Error     string    `json:"error,omitempty"`
	NextTry   time.Time `json:"next_try,omitzero"`
	Sent      int64     `json:"sent_bytes"`
	Received  int64     `json:"received_bytes"`
}

// Lane is what waits in the spool.
type Lane struct {
	Name    report.Lane `json:"name"`
	Waiting uint64      `json:"waiting"`
	Used    int64       `json:"used_bytes"`
	Quota   int64       `json:"quota_bytes"`
	Error   string      `json:"error,omitempty"`
}

// Stream is one camera's.
type Stream struct {
	report.StreamState
	FPS      float64 `json:"fps,omitempty"` // over 10 s
	BitsPerS int64   `json:"bits_per_s,omitempty"`
	KeyMS    int64   `json:"keyframe_ms,omitempty"` // between two keyframes
	Shows    bool    `json:"shows"`                 // the page may show a picture
	Why      string  `json:"why,omitempty"`         // not, where it is about privacy
}

// Line is an input: a button or a contact.
type Line struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`  // button, or as of report.InputState
	State   string `json:"state"` // ok, missing, busy, ...; "" before it was tried
	Detail  string `json:"detail,omitempty"`
	Active  bool   `json:"active"`
	Changes uint64 `json:"changes"` // since the start
}

// Sensor is a measurement.
type Sensor struct {
	Name     string    `json:"name"`
	TempC    *float64  `json:"temp_c,omitempty"`
	Humidity *float64  `json:"humidity,omitempty"`
	Volts    *float64  `json:"volts,omitempty"`
	At       time.Time `json:"at,omitzero"`
	Error    string    `json:"error,omitempty"`
}

// Machine is the board.
type Machine struct {
	RSS        int64   `json:"rss_bytes"` // of the agent
	DiskFree   int64   `json:"disk_free_bytes"`
	TempMilliC int64   `json:"temp_milli_c,omitempty"`
	Load1      float64 `json:"load1"`
}

// ConfigState says which configuration is used.
type ConfigState struct {
	File         string    `json:"file"`
	From         string    `json:"from"`                    // file, centre, page
	TrialMS      int64     `json:"trial_ms"`                // until a trial ends; 0 is none
	Wrong        []Problem `json:"wrong,omitempty"`         // of a file that was changed and is not taken
	Outcome      string    `json:"outcome,omitempty"`       // of the newest trial, where it was undone
	NeedsRestart []string  `json:"needs_restart,omitempty"` // values that count after the next start
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Line   int    `json:"line,omitempty"` // from 1; 0 is about the whole
	Column int    `json:"column,omitempty"`
	Path   string `json:"path,omitempty"`
	Text   string `json:"text"`
}

// Entry is one line of the log.
type Entry struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"`
	Text  string    `json:"text"`
}

// Check is one finding of the doctor.
type Check struct {
	Name  string      `json:"name"`
	State string      `json:"state"` // ok, warn, fail, skipped
	Title report.Text `json:"title"`
	Seen  report.Text `json:"seen"`
	Next  report.Text `json:"next"`
}
