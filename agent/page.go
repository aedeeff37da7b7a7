package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/statuspage"
	"kentongan/agent/stream"
)

// The technician's page, joined with the parts that it shows.

// pageFile is one of the page's own files.
func pageFile(data, name string) string { return filepath.Join(data, "page-"+name) }

// Remove implements statuspage.Disk.
func (smallFiles) Remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// makePage makes the page that the configuration wants.
func (a *Agent) makePage(c *config.Config) func() (*unit, error) {
	return func() (*unit, error) {
		names := ownNames()
		cert, err := statuspage.Certificate(smallFiles{}, pageFile(a.cfg.Data, "certificate.pem"), a.cfg.Device, names, a.known.now())
		if err != nil { // no reason to take no presses
			a.o.Log.Error("page not served", "part", "page", "err", err)
			return &unit{}, nil
		}
		p := statuspage.New(statuspage.Config{
			Listen: c.Page.Listen, Device: a.cfg.Device, Names: names, Certificate: cert, Disk: smallFiles{}, Now: a.clock.stamp, Log: a.o.Log,
			CodeFile: pageFile(a.cfg.Data, "code.json"), Sessions: pageFile(a.cfg.Data, "sessions.json"), Doctor: examiner{a},
		}, onPage{a})
		return &unit{beats: []beating{p}, parts: []part{{"page", p.Run}}}, nil
	}
}

// ownNames are what this machine is called on the local network.
func ownNames() []string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return nil // it is reached by its address
	}
	host = strings.ToLower(host)
	return []string{host, host + ".local"}
}

// Pairing is what lets a technician in.
type Pairing struct {
	Code        string        `json:"code"`
	For         time.Duration `json:"-"`
	Seconds     int           `json:"valid_for_s"`
	Fingerprint string        `json:"certificate_sha256"`
	URLs        []string      `json:"urls"`
}

// ErrNoPage is a configuration without a page.
var ErrNoPage = errors.New("this device has no page; write page: {listen: \"0.0.0.0:8443\"} into the configuration and start the agent anew")

// Pair makes the code for the page of a device, whose agent need not run in this
// process.
func Pair(cfg *config.Config) (*Pairing, error) {
	if cfg.Page.Listen == "" {
		return nil, ErrNoPage
	}
	c, err := newClock()
	if err != nil {
		return nil, err
	}
	p := &Pairing{URLs: pageURLs(cfg.Page.Listen)}
	if p.Fingerprint, err = statuspage.Printed(smallFiles{}, pageFile(cfg.Data, "certificate.pem")); err != nil {
		return nil, err
	}
	p.Code, p.For, err = statuspage.NewCode(smallFiles{}, pageFile(cfg.Data, "code.json"), c.stamp())
	p.Seconds = int(p.For / time.Second)
	return p, err
}

// pageURLs are where a listener is reached.
func pageURLs(listen string) (all []string) {
	at, err := netip.ParseAddrPort(listen)
	if err != nil {
		return []string{"https://" + listen + "/"}
	}
	if !at.Addr().IsUnspecified() {
		return []string{"https://" + at.String() + "/"}
	}
	addrs, _ := net.InterfaceAddrs() // none to show
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if ip := p.Addr(); err == nil && ip.IsGlobalUnicast() && (at.Addr().Is6() || ip.Is4()) {
			all = append(all, "https://"+netip.AddrPortFrom(ip, at.Port()).String()+"/")
		}
	}
	return append(all, fmt.Sprintf("https://127.0.0.1:%d/", at.Port()))
}

// onPage is the agent as its page sees it.
type onPage struct{ agent *Agent }

// Status implements statuspage.Device.
func (o onPage) Status() statuspage.Status {
	a := o.agent
	now, up, store := a.clock.stamp(), a.uplink.Status(), a.spool.Status()
	st := statuspage.Status{
		Device: a.cfg.Device, Site: a.current().Site.Name, Version: a.o.Version, Board: a.board.Name(),
		Time: now.Time, Clock: now.Clock, UptimeMS: now.Uptime.Milliseconds(),
		Link:   statuspage.Link{Connected: up.Connected, Broker: up.Broker, Since: up.Since, Error: up.LastError, NextTry: up.NextTry, Sent: up.SentBytes, Received: up.ReceivedBytes},
		Mirror: store.Mirror, Alarms: a.journal.alarms.Active(), Lines: o.Lines(),
		Machine: statuspage.Machine{RSS: residentBytes(), DiskFree: diskFree(a.cfg.Data), TempMilliC: hottest(), Load1: load1()},
		Config:  o.configState(),
	}
	for _, name := range report.Lanes() {
		l := store.Lanes[name]
		st.Lanes = append(st.Lanes, statuspage.Lane{Name: name, Waiting: l.Records, Used: l.Used, Quota: l.Quota, Error: l.Err})
	}
	if k := a.kiosk.Load(); k != nil {
		st.Kiosk = k.Troubles()
	}
	if w := a.sensors.Load(); w != nil {
		for _, s := range w.Status().Sensors {
			st.Sensors = append(st.Sensors, statuspage.Sensor{Name: s.Name, TempC: s.Reading.Temperature, Humidity: s.Reading.Humidity, Volts: s.Reading.Voltage, At: s.At, Error: s.Err})
		}
	}
	for _, s := range a.current().Streams {
		for _, name := range s.Watched() {
			if w := a.watcher(name); w != nil {
				st.Streams = append(st.Streams, o.stream(w.Status()))
			}
		}
	}
	return st
}

func (o onPage) stream(s stream.Status) statuspage.Stream {
	out := statuspage.Stream{StreamState: s.State, FPS: s.Measure.Short.FPS, BitsPerS: s.Measure.Short.BitsPerS, KeyMS: s.Measure.KeyframeTime.Milliseconds()}
	if out.Shows = o.agent.current().Page.Pictures; !out.Shows {
		out.Why = "masked"
	}
	return out
}

// Lines implements statuspage.Device.
func (o onPage) Lines() (all []statuspage.Line) {
	if k := o.agent.kiosk.Load(); k != nil {
		for _, b := range k.Status().Buttons {
			if b.Wired {
				all = append(all, statuspage.Line{Name: b.Name, Kind: "button", State: b.State, Detail: b.Detail, Active: b.Active, Changes: b.Changes})
			}
		}
	}
	if s := o.agent.sensors.Load(); s != nil {
		for _, l := range s.Status().Lines {
			all = append(all, statuspage.Line{Name: l.Name, Kind: l.Kind, State: l.State, Detail: l.Detail, Active: l.Level, Changes: l.Changes})
		}
	}
	return all
}

// maxTail is what is sent of the log at once, lines.
const maxTail = 200

// Log implements statuspage.Device.
func (o onPage) Log(after uint64) (all []statuspage.Entry, next uint64) {
	all = []statuspage.Entry{}
	if o.agent.o.Ring == nil {
		return all, after
	}
	lines, next := o.agent.o.Ring.Tail(after, maxTail)
	for _, l := range lines {
		all = append(all, logEntry(l))
	}
	return all, next
}

// logEntry reads a line of the ring.
func logEntry(line []byte) (e statuspage.Entry) {
	var attrs map[string]json.RawMessage
	if json.Unmarshal(line, &attrs) != nil {
		return statuspage.Entry{Text: string(line)}
	}
	take := func(key string, to any) {
		_ = json.Unmarshal(attrs[key], to) // as slog wrote it
		delete(attrs, key)
	}
	take("time", &e.Time)
	take("level", &e.Level)
	take("msg", &e.Text)
	keys := make([]string, 0, len(attrs))
	for k := range attrs {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		e.Text += " " + k + "=" + string(attrs[k])
	}
	return e
}

// Identify implements statuspage.Device.
func (o onPage) Identify(d time.Duration) (string, error) { return blinker(o).Identify(d) }

// Picture implements statuspage.Device.
func (o onPage) Picture(ctx context.Context, name string) (statuspage.Picture, error) {
	if !o.agent.current().Page.Pictures {
		return statuspage.Picture{}, errors.New("page.pictures is false in the configuration")
	}
	p, err := cameras(o).Snapshot(ctx, name)
	if err != nil {
		return statuspage.Picture{}, err
	}
	if p.Format != stream.SnapshotJPEG {
		return statuspage.Picture{}, errors.New("nothing on the device can decode this camera's picture; install ffmpeg")
	}
	return statuspage.Picture{Type: "image/jpeg", Bytes: p.Bytes, TakenAt: p.TakenAt}, nil
}

// Used implements statuspage.Device.
func (o onPage) Used(u report.PageUse) { o.agent.journal.add(report.Event, report.KindPage, u) }
