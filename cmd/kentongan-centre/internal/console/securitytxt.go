package console

import (
	"fmt"
	"net/http"
	"time"
)

// securityGood is how long the answer says that it holds. It is made anew for each
// who asks, so it is over so long after nobody runs this centre any more.
const securityGood = 90 * 24 * time.Hour

// securityText says whom to tell of a fault (RFC 9116).
func (c *Console) securityText(w http.ResponseWriter, r *http.Request) {
	if c.cfg.Security == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Contact: %s\nExpires: %s\nPreferred-Languages: id, en\n", c.cfg.Security, c.cfg.Now().UTC().Add(securityGood).Format(time.RFC3339))
}
