package statuspage

import (
	"encoding/json"
	"net/http"
	"time"
)

const (
	lineEvery  = 200 * time.Millisecond // somebody waits before a button
	stateEvery = time.Second
	beatEvery  = 2 * time.Second // the page calls itself stale after ten
)

// news is what has changed on the page: HTML by the id of the element.
type news struct {
	Layout string            `json:"layout"` // names what elements there are; another one is another page
	Parts  map[string]string `json:"parts,omitempty"`
}

// live sends what changes, until the client goes or its session is over.
func (p *Page) live(w http.ResponseWriter, r *http.Request) {
	l := language(r)
	p.seats.Events(w, r, func(send func([]byte) bool) {
		tick := time.NewTicker(lineEvery)
		defer tick.Stop()
		shown := map[string]string{}
		layout := ""
		var looked, said time.Time
		for {
			now := time.Now()
			parts := map[string]string{}
			if now.Sub(looked) >= stateEvery {
				looked = now
				if !p.sessions.has(r) {
					return
				}
				st := p.device.Status()
				layout = st.layout()
				l.stateParts(st, parts)
			} else {
				l.lineParts(p.device.Lines(), parts)
			}
			for id, html := range parts {
				if was, ok := shown[id]; ok && was == html {
					delete(parts, id)
				} else {
					shown[id] = html
				}
			}
			if len(parts) > 0 || now.Sub(said) >= beatEvery {
				said = now
				data, err := json.Marshal(news{layout, parts})
				if err != nil || !send(data) {
					return
				}
			}
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	})
}
