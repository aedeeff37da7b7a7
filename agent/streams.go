package agent

import (
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/stream"
	"kentongan/hal"
)

// buildStreams makes a watcher for each stream that the configuration wants
// watched. They share what one device can know of all of them.
func (a *Agent) buildStreams() error {
	site, eye := stream.NewSite(), a.newEye()
	for _, c := range a.cfg.Streams {
		all, err := a.streamConfigs(c)
		if err != nil {
			return err
		}
		for _, cfg := range all {
			cfg.Site, cfg.Picture = site, a.pictureConfig(c, cfg, eye)
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
	main.Recovery = a.recovery(c) // of the camera, so one of its streams is enough
	sub.URL, sub.Expect, sub.Sub = c.SubURL, expected(c.SubExpect), true
	switch c.Watch {
	case config.WatchSub:
		sub.Recovery = main.Recovery
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

// recovery is what may be done about a camera.
func (a *Agent) recovery(c config.Stream) stream.Recovery {
	r := stream.Recovery{
		After: c.Recovery.After, Every: c.Recovery.Every,
		Memory: savedFile(filepath.Join(a.cfg.Data, "recovery-"+c.Name+".json")), Stamp: a.clock.stamp,
		Tell: func(r report.Recovery) { a.journal.add(report.Event, report.KindRecovery, r) },
	}
	r.Reboot = rebooter(c)
	if u, err := url.Parse(c.ONVIF.URL); err == nil {
		r.Device = u.Hostname()
	}
	if p := c.Recovery.Power; p.Line != "" {
		r.Power = &relay{
			board: a.board, off: p.Off,
			line: hal.LineConfig{Name: c.Name + " power", Chip: p.Chip, Line: p.Line, ActiveLow: p.ActiveLow, Bias: gpio.PullNoChange},
		}
	}
	return r
}
