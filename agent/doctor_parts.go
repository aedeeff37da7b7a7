package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/doctor"
	"kentongan/agent/sensor"
	"kentongan/agent/stream"
	"kentongan/firmware"
	"kentongan/hal"
)

// named is a line and what it is for.
type named struct {
	name string
	hal.LineConfig
}

// wanted are all lines of the configuration.
func (v *visit) wanted() (all []named) {
	add := func(name string, c hal.LineConfig) {
		if c.Line != "" || c.LED != "" {
			all = append(all, named{name, c})
		}
	}
	k := kioskConfig(v.cfg.Kiosk)
	for _, b := range k.Buttons {
		add(b.Name, b.Line)
	}
	for _, l := range []struct {
		name string
		lamp config.Lamp
	}{
		{"saved", v.cfg.Kiosk.Lamps.Saved}, {"received", v.cfg.Kiosk.Lamps.Received}, {"fault", v.cfg.Kiosk.Lamps.Fault},
		{"alive", v.cfg.Kiosk.Lamps.Alive}, {"buzzer", v.cfg.Kiosk.Buzzer},
	} {
		if made := lamp(l.name, l.lamp); made != nil {
			add(l.name, made.LineConfig)
		}
	}
	for _, l := range sensorConfig(v.cfg).Lines {
		add(l.Name, l.LineConfig)
	}
	for _, s := range v.cfg.Streams {
		if p := s.Recovery.Power; p.Line != "" {
			add(s.Name+" power", hal.LineConfig{Name: s.Name + " power", Chip: p.Chip, Line: p.Line})
		}
	}
	return all
}

func (v *visit) board(context.Context) doctor.Verdict {
	switch v.cfg.Board.Driver {
	case config.DriverSim:
		return doctor.Say("board.ok", "board", "sim "+v.cfg.Board.Socket)
	case config.DriverNone:
		return doctor.Say("board.ok", "board", "-")
	}
	for _, l := range v.wanted() {
		_, err := v.o.lines.Look(l.LineConfig)
		problem, _ := errors.AsType[*hal.LineError](err)
		switch {
		case problem == nil || l.LED != "":
		case problem.Detail == hal.NoChip:
			return doctor.Say("board.no_chip", "dir", "/dev")
		case problem.Problem == hal.Refused:
			return doctor.Say("board.forbidden", "detail", err.Error())
		}
	}
	return doctor.Say("board.ok", "board", v.o.lines.Name())
}

func (v *visit) lines() (all []doctor.Check) {
	for _, l := range v.wanted() {
		all = append(all, doctor.Check{ID: "line", Subject: l.name, Needs: []string{"board"}, Run: func(context.Context) doctor.Verdict {
			return v.line(l.LineConfig)
		}})
	}
	return all
}

// detailMost bounds what is shown of an error that lists all lines of a board.
const detailMost = 200

func (v *visit) line(c hal.LineConfig) doctor.Verdict {
	if v.cfg.Board.Driver == config.DriverSim {
		return doctor.Say("line.played")
	}
	who, err := v.o.lines.Look(c)
	problem, _ := errors.AsType[*hal.LineError](err)
	switch {
	case problem != nil:
		detail := problem.Error()
		if len(detail) > detailMost {
			detail = strings.ToValidUTF8(detail[:detailMost], "") + "…"
		}
		return doctor.Say("line."+problem.Problem, "detail", detail, "who", problem.Detail)
	case err != nil:
		return doctor.Say("line.refused", "detail", err.Error())
	case who == "kentongan" || strings.HasPrefix(who, "kentongan "):
		return doctor.Say("line.held")
	case who != "":
		return doctor.Say("line.busy", "who", who)
	}
	return doctor.Say("line.ok")
}

func (v *visit) sensors() (all []doctor.Check) {
	for _, s := range sensorConfig(v.cfg).Sensors {
		all = append(all, doctor.Check{ID: "sensor", Subject: s.Name, Run: func(ctx context.Context) doctor.Verdict {
			return v.sensor(ctx, s)
		}})
	}
	return all
}

func (v *visit) sensor(ctx context.Context, s sensor.Sensor) doctor.Verdict {
	if v.cfg.Board.Driver == config.DriverSim {
		return doctor.Say("sensor.played")
	}
	ctx, cancel := v.before(ctx, 500*time.Millisecond)
	defer cancel()
	opened, err := v.o.sensors.OpenSensor(s.SensorConfig)
	var r hal.Reading
	if err == nil {
		r, err = opened.Read(ctx)
	}
	problem, _ := errors.AsType[*hal.SensorError](err)
	switch {
	case err == nil:
		return doctor.Say("sensor.ok", "reading", readingText(r))
	case errors.Is(err, hal.ErrPowerOn):
		return doctor.Say("sensor.power")
	case problem == nil:
		return doctor.Say("sensor.refused", "detail", err.Error())
	}
	causes := map[string]string{hal.Missing: "sensor.missing", hal.Busy: "sensor.busy", hal.Hung: "sensor.hung", hal.Invalid: "sensor.wiring"}
	cause := causes[problem.Problem]
	if cause == "" {
		cause = "sensor.refused"
	}
	return doctor.Say(cause, "detail", problem.Error())
}

func readingText(r hal.Reading) string {
	var parts []string
	add := func(there bool, s fmt.Stringer) {
		if there {
			parts = append(parts, s.String())
		}
	}
	add(r.Temperature != nil, r.Temperature)
	add(r.Humidity != nil, r.Humidity)
	add(r.Pressure != nil, r.Pressure)
	add(r.Voltage != nil, r.Voltage)
	add(r.Current != nil, r.Current)
	return strings.Join(parts, ", ")
}

func (v *visit) cameras() (all []doctor.Check) {
	for _, c := range v.cfg.Streams {
		check := doctor.Check{ID: "camera", Subject: c.Name, Run: func(ctx context.Context) doctor.Verdict { return v.camera(ctx, c) }}
		if u, err := url.Parse(c.URL); err != nil || !isHere(u.Hostname()) {
			check.Needs = []string{"network"}
		}
		all = append(all, check)
	}
	return all
}

func (v *visit) camera(ctx context.Context, c config.Stream) doctor.Verdict {
	cfg, sub, err := baseStreams(c)
	if err != nil {
		return doctor.Say("camera.secret", "detail", err.Error())
	}
	if c.Watch == config.WatchSub {
		cfg = sub
	}
	cfg.SilentAfter, cfg.Expect = 0, stream.Expect{} // whether there is a picture is asked, not of which kind
	// Cameras send a keyframe when they begin, and each 1 to 4 s.
	const end = 500 * time.Millisecond
	ctx, cancel := v.before(ctx, end)
	defer cancel()
	e, err := stream.Examine(ctx, cfg)
	if err != nil {
		return doctor.Say("camera.tls", "detail", err.Error()) // its files; the rest config has checked
	}
	u, _ := url.Parse(cfg.URL) // config has read it
	port := u.Port()
	if port == "" {
		port = map[string]string{"rtsp": "554", "rtsps": "322"}[u.Scheme]
	}
	networks, device := ownNetworks()
	with := []string{
		"host", e.Host, "addr", net.JoinHostPort(e.Host, port), "path", u.Path, "detail", e.Detail, "codec", string(e.Codec),
		"size", fmt.Sprintf("%d×%d", e.Size.Width, e.Size.Height), "wait", (v.o.limit - end).Round(time.Second).String(), "networks", networks, "interface", device,
	}
	return doctor.Say(cameraCause(e, net.JoinHostPort(e.Host, port)), with...)
}

// cameraCause puts the watcher's class and how far it got into one of ours.
func cameraCause(e stream.Examination, addr string) string {
	switch {
	case e.Keyframe:
		return "camera.ok"
	case e.Class == "" && e.State == stream.StatePlaying:
		return "camera.no_keyframe"
	case e.Class == stream.ClassNoMedia, e.Opened && (e.Class == "" || e.Class == stream.ClassTimeout):
		return "camera.no_picture"
	}
	away := e.Class == stream.ClassUnreachable || (e.Class == stream.ClassTimeout || e.Class == "") &&
		(e.State == stream.StateConnecting || e.State == stream.StateFailed) && !answers(addr)
	switch {
	case away && e.Addr.IsPrivate() && !e.Path.OnLink && !e.Path.Here:
		return "camera.subnet"
	case away:
		return "camera.gone"
	}
	switch e.Class {
	case stream.ClassDNS:
		return "camera.dns"
	case stream.ClassRefused:
		if answers(addr) {
			return "camera.busy"
		}
		return "camera.refused"
	case stream.ClassAuth:
		return "camera.password"
	case stream.ClassNotFound:
		return "camera.path"
	case stream.ClassTLS:
		return "camera.tls"
	case stream.ClassCodec:
		return "camera.codec"
	case stream.ClassTimeout, "":
		if e.State == stream.StateResolving {
			return "camera.dns"
		}
		return "camera.mute"
	}
	return "camera.protocol"
}

// answers tells whether an address takes connections, now.
func answers(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, 300*time.Millisecond)
	if err != nil {
		return errors.Is(err, syscall.EMFILE) // of ours, and tells nothing
	}
	_ = c.Close()
	return true
}

// ownNetworks are this board's networks, and the first interface of them.
func ownNetworks() (list, device string) {
	device = "eth0"
	var all []string
	interfaces, _ := net.Interfaces() // without them there is none to show
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() {
				continue
			}
			if len(all) == 0 {
				device = i.Name
			}
			all = append(all, p.Masked().String())
		}
	}
	if len(all) == 0 {
		return "-", device
	}
	return strings.Join(slices.Compact(all), ", "), device
}

// ffmpeg is needed where pictures of H.264 or H.265 are looked at.
func (v *visit) ffmpeg() []doctor.Check {
	needed := slices.ContainsFunc(v.cfg.Streams, func(s config.Stream) bool {
		return s.Picture.Check && s.Expect.Codec != string(stream.MJPEG)
	})
	if !needed || v.cfg.Pictures.FFmpeg == config.FFmpegOff {
		return nil
	}
	return []doctor.Check{{ID: "ffmpeg", Run: func(ctx context.Context) doctor.Verdict {
		program := v.cfg.Pictures.FFmpeg
		if program == config.FFmpegAuto {
			program = "ffmpeg"
		}
		file, err := v.o.find(program)
		if err != nil {
			return doctor.Say("ffmpeg.missing", "file", program)
		}
		if out, err := exec.CommandContext(ctx, file, "-hide_banner", "-version").CombinedOutput(); err != nil {
			first, _, _ := strings.Cut(string(out), "\n")
			return doctor.Say("ffmpeg.broken", "file", file, "detail", strings.TrimSpace(err.Error()+" "+first))
		}
		return doctor.Say("ffmpeg.ok", "file", file)
	}}}
}

func (v *visit) update(context.Context) doctor.Verdict {
	dir := v.cfg.Update.Dir
	disk, err := firmware.OpenDisk(dir)
	if err != nil {
		return doctor.Say("update.broken", "detail", err.Error())
	}
	defer disk.Close()
	d := firmware.NewDir(disk)
	s, err := d.Status()
	if err != nil {
		return doctor.Say("update.broken", "detail", filepath.Clean(dir)+": "+err.Error())
	}
	if t := s.Trial; t != nil {
		version := t.Version
		if version == "" {
			version = fmt.Sprintf("#%d", t.Number)
		}
		switch t.State {
		case firmware.Trying:
			return doctor.Say("update.trial", "version", version)
		case firmware.GoingBack, firmware.WentBack:
			return doctor.Say("update.went_back", "version", version, "detail", t.Reason)
		}
	}
	if r, err := d.Result(); err == nil && r.Code != "" {
		return doctor.Say("update.refused", "detail", strings.TrimSpace(string(r.Code)+" "+r.Detail))
	}
	version := s.Version
	if version == "" {
		version = fmt.Sprintf("#%d", s.Running)
	}
	return doctor.Say("update.ok", "version", version, "slot", s.Slot)
}
