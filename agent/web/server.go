// Package web is what the pages that a device serves have in common: the kiosk's
// screen for citizens and the technician's page.
//
//	bounded (connections) ─► Guard (names, headers) ─► the page's own handlers
//	                                                       ├─ Seats (events), Answer, Read
//	                                                       └─ Guesses (secrets that can be guessed)
//
// Nothing here knows what a page shows.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	relisten     = 5 * time.Second // when the address is taken
	requestLimit = 15 * time.Second
)

// Server serves one page at one address.
type Server struct {
	Listen  string // HOST:PORT
	Handler http.Handler
	Log     *slog.Logger // with the part that the page is

	TLS     *tls.Config                                   // nil is none
	Bounds  Bounds                                        // of connections
	Serving func(ctx context.Context, at net.Addr) func() // called once it listens; what it returns, once it does not any more. nil is nothing
}

// Run serves until ctx ends. An address that is taken is tried again, and told
// once.
func (s Server) Run(ctx context.Context) error {
	said := ""
	for {
		err := s.serve(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err.Error() != said {
			said = err.Error()
			s.Log.Error("page not served", "err", err, "retry_in", relisten)
		}
		select {
		case <-time.After(relisten):
		case <-ctx.Done():
			return nil
		}
	}
}

func (s Server) serve(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	scheme := "http://"
	if s.Bounds != (Bounds{}) {
		l = s.Bounds.around(l)
	}
	if s.TLS != nil {
		l, scheme = tls.NewListener(l, s.TLS), "https://"
	}
	s.Log.Info("page served", "url", scheme+l.Addr().String()+"/")
	srv := &http.Server{
		Handler: s.Handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: requestLimit, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:     slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 alone: a connection is bounded by one buffer each way
	}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if s.Serving != nil {
		defer s.Serving(ctx, l.Addr())()
	}
	err = srv.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return ctx.Err()
	}
	return err
}
