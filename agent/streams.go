package agent

import (
	"fmt"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/stream"
)

// buildStreams makes a watcher for each stream that the configuration wants
// watched. They share what one device can know of all of them.
func (a *Agent) buildStreams() error {
	site := stream.NewSite()
	for _, c := range a.cfg.Streams {
		all, err := a.streamConfigs(c)
		if err != nil {
			return err
		}
		for _, cfg := range all {
			cfg.Site = site
			w, err := stream.New(cfg, a.o.Log, a.journal)
			if err != nil {
				return err
			}
			a.watchers[cfg.Name] = w
			a.parts = append(a.parts, part{"stream " + cfg.Name, w.Run})
		}
	}
	return nil
}

// streamConfigs are one or two of a camera: of its main stream, its sub-stream,
// or both.
func (a *Agent) streamConfigs(c config.Stream) ([]stream.Config, error) {
	password, err := c.Password.Value()
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", c.Name, err)
	}
	main := stream.Config{
		Name: c.Name, URL: c.URL, Username: c.Username, Password: password,
		Transport: c.Transport, CAFile: c.CA, Fingerprint: c.Fingerprint,
		SilentAfter: c.SilentAfter, StatsEvery: a.cfg.StatsEvery,
		Group: c.Group, Expect: expected(c.Expect), ClockKnown: clockKnown,
	}
	sub := main
	sub.URL, sub.Expect, sub.Sub = c.SubURL, expected(c.SubExpect), true
	switch c.Watch {
	case config.WatchSub:
		return []stream.Config{sub}, nil
	case config.WatchBoth:
		sub.Name += config.SubSuffix
		return []stream.Config{main, sub}, nil
	}
	return []stream.Config{main}, nil
}

func expected(e config.Expect) stream.Expect {
	return stream.Expect{
		Codec: stream.Codec(e.Codec), Profile: e.Profile, Width: int(e.Width), Height: int(e.Height),
		FPS: e.FPS, Bitrate: e.Bitrate * 1000, GOP: int(e.GOP),
	}
}

// clockKnown tells whether this board's clock can judge a camera's.
func clockKnown() bool { return quality(time.Now()) != report.ClockUnset }
