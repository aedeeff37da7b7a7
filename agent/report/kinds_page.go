package report

// KindPage tells that somebody used the device's own page for technicians.
const KindPage = "page" // event: PageUse

// What was done there.
const (
	PageEntered    = "entered"    // with the code that the device prints
	PageRefused    = "refused"    // a wrong code; three at once, then one a minute is told
	PagePicture    = "picture"    // looked at a camera's picture; Detail is the stream
	PageIdentify   = "identify"   // let the device blink
	PageConfigured = "configured" // put another configuration on trial
	PageKept       = "kept"       // ended a trial: it stays
)

// PageUse is what somebody did on the device's own page. Nobody is named there:
// who has the code stands before the device.
type PageUse struct {
	Did    string `json:"did"`
	From   string `json:"from"` // address
	Detail string `json:"detail,omitempty"`
}
