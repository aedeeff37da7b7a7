package web

import (
	"fmt"
	"net/http"
	"time"
)

const writeLimit = 5 * time.Second

// Seats are the pages that may be open at a time.
type Seats chan struct{}

// Events sends events (server-sent ones) for as long as talk wants; send is false
// once the client has gone. Where every seat is taken the client is told to come
// again.
func (s Seats) Events(w http.ResponseWriter, r *http.Request, talk func(send func(data []byte) bool)) {
	select {
	case s <- struct{}{}:
		defer func() { <-s }()
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many open pages", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // its end is found by writing
	if _, err := fmt.Fprint(w, "retry: 1000\n"); err != nil {
		return
	}
	talk(func(data []byte) bool {
		if out.SetWriteDeadline(time.Now().Add(writeLimit)) != nil {
			return false
		}
		if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
			return false
		}
		return out.Flush() == nil
	})
}
