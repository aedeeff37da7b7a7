package enrol

import (
	"encoding/json"
	"net/http"
	"time"
)

// maxAPI is the most that one answer lists of anything.
const maxAPI = 1000

// API answers with what the book holds, for the console's programs: certificates
// that are good (?all=1: all), tokens without their secrets, and what happened,
// the refusals too (?what=refused: those alone).
func API(b *Book, now func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		certs, err := b.Certificates(r.Context(), "", r.URL.Query().Get("all") != "1")
		var tokens []Token
		if err == nil {
			tokens, err = b.Tokens(r.Context(), maxAPI)
		}
		var entries []Entry
		if err == nil {
			entries, err = b.Entries(r.Context(), r.URL.Query().Get("what"), maxAPI)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		var answer any = map[string]any{"certificates": certs, "tokens": tokens, "entries": entries, "now": now().UTC()}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			answer = map[string]string{"error": "the book of enrolment did not answer"}
		}
		_ = json.NewEncoder(w).Encode(answer) // the client has gone
	})
}
