package report

import "time"

// KindUpdate is one step of a new version.
const (
	KindUpdate = "update" // event: Update
)

// States of Update.
const (
	UpdateFetched   = "fetched"   // it lies on the device and was handed over to be checked once more and applied
	UpdateRefused   = "refused"   // Code says why; nothing was changed
	UpdateTrying    = "trying"    // it runs, on trial
	UpdateCommitted = "committed" // it is proven
	UpdateWentBack  = "went-back" // the version before runs again; Detail says why
)

// Update is what became of a release on this device.
type Update struct {
	Number   uint64 `json:"number"` // of the release; 0 where it can't be known
	Version  string `json:"version,omitempty"`
	State    string `json:"state"`
	Code     string `json:"code,omitempty"`   // of a refusal: tampered, older, no-space, ...
	Detail   string `json:"detail,omitempty"` // English
	Before   uint64 `json:"before,omitempty"` // the number that ran before
	Starts   int    `json:"starts,omitempty"` // of the version on trial
	Failures int    `json:"failures,omitempty"`
	Cuts     int    `json:"cuts,omitempty"` // starts that the power ended
}

// OrderUpdate names the order that brings a version.
const (
	OrderUpdate = "update" // UpdateArgs
)

// UpdateArgs say where a release lies. It is verified with keys that neither
// who sends the order nor the web server has.
type UpdateArgs struct {
	URL    string `json:"url"`              // of the directory with keys, release and payloads; https, or http
	Number uint64 `json:"number,omitempty"` // which release it shall be; 0 is any
	Now    bool   `json:"now,omitempty"`    // also outside the hours for updates
	Who    string `json:"who"`
	// Until is when the centre's hours for it end: a release that is not handed over
	// by then waits for the next order. Without a clock it says nothing.
	Until *time.Time `json:"until,omitempty"`
}

// Firmware is what a device says of its versions at each connection.
type Firmware struct {
	Number uint64     `json:"number"` // of the running version; 0 where it came from no release
	Issued *time.Time `json:"issued,omitempty"`
	Keys   uint64     `json:"keys"`            // version of the key list that it believes
	Trial  string     `json:"trial,omitempty"` // trying, committed, went-back
}
