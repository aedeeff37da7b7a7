package report

import "time"

// Kinds of records about the public applications, as seen from the device.
const (
	KindApp      = "app"       // event: AppState
	KindAppStats = "app_stats" // telemetry: AppStats
)

// Values of AppState.State.
const (
	AppChecking    = "checking"    // not asked often enough to say
	AppOK          = "ok"          // the answer is right, and in time
	AppSlow        = "slow"        // the answer is right, and late
	AppWrong       = "wrong"       // an answer, and not the one that was wanted
	AppUnreachable = "unreachable" // no answer that a citizen's browser would show
)

// AppState is how an application does, asked from where the citizen stands: an
// event at each change, and the retained topic state/app/{name}.
type AppState struct {
	Name   string    `json:"name"`
	State  string    `json:"state"`           // checking, ok, slow, wrong, unreachable
	Class  string    `json:"class,omitempty"` // dns, refused, unreachable, timeout, tls, closed, protocol, redirect, status, text, slow
	Detail string    `json:"detail,omitempty"`
	Since  time.Time `json:"since"`
	URL    string    `json:"url"` // without a query
	Label  Text      `json:"label,omitzero"`
	Status int       `json:"status,omitempty"` // of the answer, where there was one

	// Of the certificate that expires first of those that the application shows.
	CertExpires time.Time `json:"cert_expires,omitzero"`
	CertDays    *int      `json:"cert_days,omitempty"` // left, negative when it has expired; nil when the clock can't tell
}

// AppStats is what was measured in one look at an application. A phase that
// was not reached is 0; those of redirects are added up.
type AppStats struct {
	Name        string  `json:"name"`
	Class       string  `json:"class,omitempty"` // of this look alone; "" is good
	Status      int     `json:"status,omitempty"`
	DNSMS       float64 `json:"dns_ms"`
	ConnectMS   float64 `json:"connect_ms"`
	TLSMS       float64 `json:"tls_ms"`
	FirstByteMS float64 `json:"first_byte_ms"` // from the request to the first byte of the answer
	TotalMS     float64 `json:"total_ms"`
	Hops        int     `json:"hops"` // connections: one, and one for each redirect
	Family      string  `json:"family,omitempty"`
	Method      string  `json:"method,omitempty"`
	Bytes       int64   `json:"bytes"`         // both ways, with the headers of TCP and IP; without DNS
	BytesPerDay int64   `json:"bytes_per_day"` // at the present rate
	CertDays    *int    `json:"cert_days,omitempty"`
}
