package ingest

import (
	"fmt"
	"net/url"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// readApp reads a retained state of an application.
func (i *Ingest) readApp(a *store.Arrival, name string, payload []byte) (*store.Arrival, error) {
	if len(payload) == 0 {
		a.AppGone = name
		return a, nil
	}
	a.App = new(report.AppState)
	return i.readState(a, payload, a.App, func() error { return checkAppState(a.App, name) })
}

func checkAppState(st *report.AppState, name string) error {
	if st.Name != name {
		return fmt.Errorf("application %q on the topic of %q", st.Name, name)
	}
	if u, err := url.Parse(st.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" {
		st.URL = "" // it is shown as a link
	} else {
		u.User = nil
		st.URL = u.String()
	}
	return nil
}
