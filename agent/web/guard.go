package web

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Guard refuses names that are not ours, so that a page of somebody else can't
// make its own name point here, and requests that other pages send; and says what
// the browser may do. An address is nobody's name; names are those of this machine.
func Guard(next http.Handler, policy string, names ...string) http.Handler {
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		_, err = netip.ParseAddr(host)
		if host = strings.ToLower(host); err != nil && host != "localhost" && !slices.Contains(names, host) {
			http.Error(w, "open this page by its address, as 127.0.0.1:PORT or localhost:PORT", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy+"; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// Answer sends v as JSON, whole once it returns.
func Answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "answer not made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the client may have gone
	_ = http.NewResponseController(w).Flush()
}

// Read reads a request of at most so many bytes into v.
func Read(w http.ResponseWriter, r *http.Request, most int64, v any) error {
	return json.NewDecoder(http.MaxBytesReader(w, r.Body, most)).Decode(v)
}
