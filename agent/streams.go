package agent

import (
	"maps"
	"net/url"
	"path/filepath"
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/stream"
	"kentongan/hal"
)

// makeStream makes the watchers of one camera. All share what one device can know
// of all of them.
//
// A camera whose password or certificate can't be read from the disk fails
// alone, and says why: it is no reason to take no presses.
func (a *Agent) makeStream(c *config.Config, s config.Stream) func() (*unit, error) {
	return func() (*unit, error) {
		u, watchers := &unit{}, map[string]*stream.Watcher{}
		all, err := a.streamConfigs(c, s)
		for _, cfg := range all {
			if err != nil {
				a.unwatched(cfg, stream.ClassAuth, stream.CauseCredentials, err)
				continue
			}
			cfg.Site, cfg.Picture = a.site, a.pictureConfig(c, s, cfg)
			w, err := stream.New(cfg, a.o.Log, a.journal)
			if err != nil {
				a.unwatched(cfg, stream.ClassTLS, stream.CauseBoard, err)
				continue
			}
			watchers[cfg.Name] = w
			u.beats = append(u.beats, w)
			u.parts = append(u.parts, part{"stream " + cfg.Name, w.Run})
		}
		u.begin = func() { a.setWatchers(watchers, true) }
		u.end = func() { a.setWatchers(watchers, false) }
		return u, nil
	}
}

// setWatchers makes watchers known to the other parts, or unknown.
func (a *Agent) setWatchers(these map[string]*stream.Watcher, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, w := range these {
		if known {
			a.watchers[name] = w
			continue
		}
		delete(a.watchers, name)
		a.site.Remove(name)
	}
}

// watcher returns the watcher of a stream, or nil.
func (a *Agent) watcher(name string) *stream.Watcher {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.watchers[name]
}

// allWatchers are those that run, by the stream's name.
func (a *Agent) allWatchers() map[string]*stream.Watcher {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return maps.Clone(a.watchers)
}

// unwatched tells that a stream can't be watched until its configuration, or what
// it names, is another, and why.
func (a *Agent) unwatched(c stream.Config, class, cause string, why error) {
	a.o.Log.Error("stream not watched", "part", "agent", "stream", c.Name, "err", why)
	a.journal.StreamChanged(report.StreamState{
		Name: c.Name, URL: stream.Redact(c.URL), State: stream.StateFailed, Class: class, Since: time.Now().UTC(),
		Detail: why.Error() + "; it is not watched until that is mended", Sub: c.Sub, Shared: c.Shared,
	})
	a.journal.StreamFound(c.Name, stream.Finding{Condition: stream.CondDown, Present: true, Confidence: 1, Cause: cause, Detail: class + ": " + why.Error()})
}

// streamConfigs are one or two of a camera: of its main stream, its sub-stream,
// or both. With an error, which is of its password, they can't be used.
func (a *Agent) streamConfigs(whole *config.Config, c config.Stream) ([]stream.Config, error) {
	main, sub, err := baseStreams(c)
	for _, each := range []*stream.Config{&main, &sub} {
		each.StatsEvery, each.ClockKnown, each.Dial = whole.StatsEvery, a.knowsClock, a.o.Bench.Dial
	}
	main.Recovery = a.recovery(c) // of the camera, so one of its streams is enough
	return watchedOf(c, main, sub), err
}

// watchedOf are those of a camera's two streams that its configuration has watched.
func watchedOf(c config.Stream, main, sub stream.Config) []stream.Config {
	switch c.Watch {
	case config.WatchSub:
		sub.Recovery = main.Recovery
		return []stream.Config{sub}
	case config.WatchBoth:
		sub.Name += config.SubSuffix
		return []stream.Config{main, sub}
	}
	return []stream.Config{main}
}

// baseStreams are what the configuration says of a camera's two streams. With an
// error, which is of its password, they can't be used.
func baseStreams(c config.Stream) (main, sub stream.Config, err error) {
	password, err := c.Password.Value()
	main = stream.Config{
		Name: c.Name, URL: c.URL, Username: c.Username, Password: password,
		Transport: c.Transport, CAFile: c.CA, Fingerprint: c.Fingerprint,
		SilentAfter: c.SilentAfter,
		Group:       c.Group, Shared: c.Shared, Expect: expected(c.Expect), ClockKnown: clockKnown,
	}
	sub = main
	sub.URL, sub.Expect, sub.Sub = c.SubURL, expected(c.SubExpect), true
	return main, sub, err
}

func expected(e config.Expect) stream.Expect {
	return stream.Expect{
		Codec: stream.Codec(e.Codec), Profile: e.Profile, Width: int(e.Width), Height: int(e.Height),
		FPS: e.FPS, Bitrate: e.Bitrate * 1000, GOP: int(e.GOP),
	}
}

// knowsClock tells whether this board's clock can judge a camera's.
func (a *Agent) knowsClock() bool { return a.clock.stamp().Clock != report.ClockUnset }

// clockKnown is the same of a board whose agent does not run.
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
		r.Power = a.relay(hal.LineConfig{Name: c.Name + " power", Chip: p.Chip, Line: p.Line, ActiveLow: p.ActiveLow, Bias: gpio.PullNoChange}, p.Off)
	}
	return r
}
