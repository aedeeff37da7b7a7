package camera

import (
	"context"
	"fmt"

	"kentongan/agent/stream/streamtest"
)

// Relay is an RTSP server that takes what a publisher sends (ffmpeg -f rtsp
// URL) and passes it on to readers, at as many paths as are published.
type Relay struct {
	server *streamtest.Server
	stop   func() bool
}

// StartRelay starts a relay on host:port; port 0 is any. It ends with ctx or
// Close.
func StartRelay(ctx context.Context, listen string) (*Relay, error) {
	s, err := streamtest.Start(streamtest.Options{Listen: listen})
	if err != nil {
		return nil, fmt.Errorf("start relay: %w", err)
	}
	return &Relay{server: s, stop: context.AfterFunc(ctx, s.Close)}, nil
}

// URL is the relay's address, to which the path of a stream is added.
func (r *Relay) URL() string { return r.server.Root() }

// Publishing tells whether somebody publishes at path, such as "/gate".
func (r *Relay) Publishing(path string) bool { return r.server.Publishing(path) }

// Changed returns a channel that is closed when a publisher or reader comes or
// goes. Take it before looking at Publishing.
func (r *Relay) Changed() <-chan struct{} { return r.server.Changed() }

// Close ends the relay and all its connections.
func (r *Relay) Close() {
	r.stop()
	r.server.Close()
}
