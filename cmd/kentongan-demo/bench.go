package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"time"
)

//go:embed bench.html
var benchHTML string

var benchPage = template.Must(template.New("bench").Parse(benchHTML))

// serveBench serves the bench until ctx ends. ready gets its URL.
func serveBench(ctx context.Context, s *site, addr string, ready func(url string)) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("serve the bench: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = benchPage.Execute(w, map[string]any{
			"Buttons": buttons, "Cameras": s.cameras, "Centre": s.centre.page, "Screen": s.screen, "Device": demoDevice,
			"Saved": lampSaved, "Received": lampReceived, "Fault": lampFault,
		})
	})
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.benchState(r.Context()))
	})
	mux.HandleFunc("POST /do/{what}/{on}", func(w http.ResponseWriter, r *http.Request) {
		if err := s.act(r.Context(), r.PathValue("what"), r.PathValue("on")); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	// Another site's page must not press buttons here.
	srv := &http.Server{Handler: http.NewCrossOriginProtection().Handler(mux), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	go func() {
		defer close(ended)
		ready("http://" + l.Addr().String())
	}()
	err = srv.Serve(l)
	<-ended
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve the bench: %w", err)
}

// benchState is what the bench shows.
type benchState struct {
	Power   bool            `json:"power"`
	Centre  bool            `json:"centre"`
	Cut     bool            `json:"cut"`
	Lamps   map[string]bool `json:"lamps"`
	Tickets []string        `json:"tickets"` // newest first
	Tally   *tally          `json:"tally"`   // nil while the centre does not answer
	Streams []streamState   `json:"streams"`
	Alarms  []alarmState    `json:"alarms"` // that stand, at the centre
	Log     []string        `json:"log"`
	Slips   int             `json:"slips"` // printed
	Around  []aroundState   `json:"around"`
}

func (s *site) benchState(ctx context.Context) benchState {
	b := benchState{
		Power: s.device.running(), Centre: s.centre.running(), Cut: s.network.isCut(),
		Lamps: s.device.readLamps(), Log: s.device.log.last(12), Tickets: []string{}, Streams: []streamState{}, Alarms: []alarmState{}, Around: []aroundState{},
	}
	if s.paper != nil {
		b.Slips = len(s.paper.Slips())
	}
	tickets := s.device.tickets()
	for i := len(tickets) - 1; i >= max(0, len(tickets)-5); i-- {
		b.Tickets = append(b.Tickets, tickets[i])
	}
	if t, err := s.tally(ctx); err == nil {
		b.Tally = &t
		if streams, err := s.centre.streams(ctx); err == nil {
			b.Streams = streams
		}
		if alarms, err := s.centre.alarms(ctx, false); err == nil {
			b.Alarms = alarms
		}
		if around, err := s.centre.surroundings(ctx, demoDevice); err == nil {
			b.Around = around
		}
	}
	return b
}
