package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"kentongan/agent/config"
	"kentongan/agent/doctor"
	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/hal"
	hgpio "kentongan/hal/gpio"
)

// DoctorOptions say what the doctor can't read from the configuration.
type DoctorOptions struct {
	File    string // the configuration's
	Problem error  // why it can't be used; then there is none
	// Service looks at the service; nil says that this very process is it.
	Service func(ctx context.Context) doctor.Verdict
	// Only are the checks to run; nil is all.
	Only []string

	// Tests put others in the place of the machine's own.
	machine doctor.Machine
	network doctor.Network
	clock   func() time.Time
	quality func(time.Time) report.Clock
	lines   lineLooker
	sensors hal.Sensors
	portal  string // port of a network's login page, "80"
	isAgent func(pid int, name string) bool
	find    func(program string) (string, error) // exec.LookPath
	hasty   bool                                 // the centre's first word is enough
	limit   time.Duration                        // of each check; 0 is doctor.Limit
}

// BrokerChecks are those from the network to the centre's answer.
var BrokerChecks = []string{"network", "route", "dns", "broker.tcp", "mtu", "identity", "broker.tls", "broker.login", "broker.acl", "centre"}

// lineLooker looks at lines without taking them.
type lineLooker interface {
	Look(hal.LineConfig) (consumer string, err error)
	Name() string
}

// NewDoctor makes the doctor of a device. cfg is nil where the configuration
// can't be used; then only the machine is looked at. It changes nothing on the
// device, so the agent may run: then its connection is left alone, and what it
// says of the broker and the centre itself is believed.
func NewDoctor(cfg *config.Config, o DoctorOptions) *doctor.Doctor {
	if o.clock == nil {
		o.clock = time.Now
	}
	if o.quality == nil {
		o.quality = quality
	}
	if o.lines == nil {
		o.lines = hgpio.New(hgpio.Options{})
	}
	if o.sensors == nil {
		o.sensors = kernels{}
	}
	if o.portal == "" {
		o.portal = "80"
	}
	if o.find == nil {
		o.find = exec.LookPath
	}
	if o.isAgent == nil {
		o.isAgent = isAgent
	}
	if o.limit == 0 {
		o.limit = doctor.Limit
	}
	return doctor.New(func() []doctor.Check {
		v := &visit{o: o, cfg: cfg}
		all := v.checks()
		if o.Only == nil {
			return all
		}
		return slices.DeleteFunc(all, func(c doctor.Check) bool { return !slices.Contains(o.Only, c.ID) })
	}).Within(o.limit)
}

// isAgent tells whether a process that holds the spool is an agent: this one, or
// one of our program.
func isAgent(pid int, name string) bool {
	return pid == os.Getpid() || strings.HasPrefix(name, "kentongan")
}

// visit is one run of the doctor: what its checks share.
type visit struct {
	o   DoctorOptions
	cfg *config.Config

	store  once[*store]
	holder once[holder]
}

// holder is who has the spool open.
type holder struct {
	pid   int // 0 is nobody; -1 one whose number is not known here
	name  string
	agent bool
}

// checks are all of this device, in the order in which they depend on one
// another.
func (v *visit) checks() []doctor.Check {
	m := v.o.machine
	data := DefaultData
	if v.cfg != nil {
		data = v.cfg.Data
	}
	all := []doctor.Check{{ID: "config", Run: v.configuration}}
	if v.cfg != nil {
		all = append(all, doctor.Check{ID: "files", Run: v.files}, doctor.Check{ID: "board", Run: v.board})
	}
	all = append(all,
		doctor.Check{ID: "power", Run: m.Power},
		doctor.Check{ID: "memory", Run: m.Memory},
		doctor.Check{ID: "time", Run: v.clockFor(data).Check},
		doctor.Check{ID: "disk", Run: m.Disk(data)},
		doctor.Check{ID: "wear", Run: m.Wear(data)},
	)
	if v.cfg != nil {
		all = append(all, doctor.Check{ID: "spool", Needs: []string{"disk"}, Run: v.spool})
		all = append(all, v.lines()...)
		all = append(all, v.sensors()...)
		all = append(all, v.uplink()...)
		all = append(all, v.cameras()...)
		all = append(all, v.ffmpeg()...)
	}
	all = append(all, doctor.Check{ID: "service", Run: v.service})
	if v.cfg != nil && v.cfg.Update.Dir != "" {
		all = append(all, doctor.Check{ID: "update", Run: v.update})
	}
	return all
}

// configuration tells why it can't be used, or that it can.
func (v *visit) configuration(context.Context) doctor.Verdict {
	err := v.o.Problem
	problems, _ := errors.AsType[config.Problems](err)
	switch {
	case err == nil:
		return doctor.Say("config.ok", "file", v.o.File, "device", v.cfg.Device)
	case errors.Is(err, fs.ErrNotExist):
		return doctor.Say("config.missing", "file", v.o.File)
	case errors.Is(err, fs.ErrPermission):
		return doctor.Say("config.unreadable", "detail", err.Error())
	}
	first := err.Error()
	if len(problems) > 0 {
		first = problems[0].Error()
	}
	return doctor.Say("config.invalid", "file", v.o.File, "count", strconv.Itoa(max(len(problems), 1)), "problem", first)
}

// files looks at those that the configuration names. The broker's are looked at
// when their turn comes.
func (v *visit) files(context.Context) doctor.Verdict {
	problems, _ := errors.AsType[config.Problems](v.cfg.CheckFiles())
	for _, p := range problems {
		if !strings.HasPrefix(p.Path, "uplink.brokers") && !strings.HasPrefix(p.Path, "streams[") {
			return doctor.Say("files.unusable", "problem", p.Error(), "file", v.o.File)
		}
	}
	return doctor.Say("files.ok")
}

// clockFor is what is known of the time on this device.
func (v *visit) clockFor(data string) doctor.Clock {
	c := doctor.Clock{Now: v.o.clock, Quality: v.o.quality}
	if text, err := loadFile(filepath.Join(data, "time"), maxKnownFile); err == nil {
		c.Known, _ = time.Parse(time.RFC3339, strings.TrimSpace(string(text))) // none is as an unreadable one
	}
	if v.cfg != nil {
		for _, a := range v.cfg.Apps {
			c.Ask = append(c.Ask, a.URL)
		}
		if v.cfg.Update.URL != "" {
			c.Ask = append(c.Ask, v.cfg.Update.URL)
		}
	}
	return c
}

func (v *visit) spoolDir() string { return filepath.Join(v.cfg.Data, "spool") }

// store is what the spool tells, read at once: a View is for one goroutine.
type store struct {
	view    *spool.View // used by the check of the spool alone
	waiting uint64      // records of all lanes
	owed    uint64      // of these, those that want the centre's receipt
	oldest  time.Time   // of owed
	event   report.Head
	uplink  *report.UplinkState // what the agent said last; nil is nothing
}

// look reads the spool, once in a visit.
func (v *visit) look() (*store, error) {
	return v.store.get(func() (*store, error) {
		view, err := spool.OpenView(v.spoolDir())
		if err != nil {
			return nil, err
		}
		return readStore(view), nil
	})
}

// recent is how many events are looked through for what the agent said of its
// uplink.
const recent = 500

func readStore(view *spool.View) *store {
	s := &store{view: view, event: view.Head(report.Event)}
	for _, lane := range report.Lanes() {
		h := view.Head(lane)
		s.waiting += h.Backlog()
		if !lane.Chained() || h.Backlog() == 0 {
			continue
		}
		s.owed += h.Backlog()
		_ = view.Records(lane, h.First, func(e report.Entry) error {
			if r, err := report.DecodeRecord(e.Line); err == nil && (s.oldest.IsZero() || r.Time.Before(s.oldest)) {
				s.oldest = r.Time
			}
			return fs.SkipAll // the first is the oldest
		})
	}
	from := uint64(1)
	if s.event.Next > recent {
		from = s.event.Next - recent
	}
	_ = view.Records(report.Event, from, func(e report.Entry) error { // what can't be read says nothing
		if r, err := report.DecodeRecord(e.Line); err == nil && r.Kind == report.KindUplink {
			said := new(report.UplinkState)
			if json.Unmarshal(r.Body, said) == nil {
				s.uplink = said
			}
		}
		return nil
	})
	return s
}

// held tells who has the spool open.
func (v *visit) held() holder {
	h, _ := v.holder.get(func() (h holder, err error) {
		h.pid, h.name, err = v.o.machine.Locker(v.spoolDir())
		h.agent = h.pid != 0 && v.o.isAgent(h.pid, h.name)
		return h, err
	})
	return h
}

// before is a context that ends so long before the check's own, so that there is
// time to say what came.
func (v *visit) before(ctx context.Context, end time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, v.o.limit-end)
}

func (v *visit) spool(ctx context.Context) doctor.Verdict {
	dir := v.spoolDir()
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return doctor.Say("spool.new")
	} else if err != nil {
		return doctor.Say("spool.unreadable", "detail", err.Error())
	}
	if _, err := os.ReadDir(dir); errors.Is(err, fs.ErrPermission) {
		return doctor.Say("spool.unreadable", "detail", err.Error())
	}
	h := v.held()
	if h.pid != 0 && !h.agent {
		who := h.name
		if who == "" {
			who = "?"
		}
		return doctor.Say("spool.stranger", "pid", strconv.Itoa(h.pid), "who", who)
	}
	if file, owner, same := doctor.Owner(dir); !same {
		return doctor.Say("spool.owner", "file", file, "user", strconv.FormatUint(uint64(owner), 10), "dir", dir)
	}
	store, err := v.look()
	if err != nil {
		return doctor.Say("spool.damaged", "count", "1", "fault", err.Error(), "dir", v.cfg.Data)
	}
	ctx, cancel := v.before(ctx, 500*time.Millisecond)
	defer cancel()
	faults, whole := store.view.VerifyWithin(ctx)
	waiting := strconv.FormatUint(store.waiting, 10)
	switch {
	case len(faults) > 0:
		return doctor.Say("spool.damaged", "count", strconv.Itoa(len(faults)), "fault", faults[0].String(), "dir", v.cfg.Data)
	case !whole:
		return doctor.Say("spool.large", "waiting", waiting)
	case h.agent:
		return doctor.Say("spool.held", "waiting", waiting, "pid", strconv.Itoa(h.pid))
	}
	return doctor.Say("spool.ok", "waiting", waiting)
}

func (v *visit) service(ctx context.Context) doctor.Verdict {
	if v.o.Service == nil {
		return doctor.Say("service.self")
	}
	got := v.o.Service(ctx)
	if got.Cause == "service.missing" && v.cfg != nil && v.held().agent {
		return doctor.Say("service.by_hand")
	}
	return got
}

// once makes a value at its first use. The zero value is ready; get may be called
// from any goroutine.
type once[T any] struct {
	sync.Once
	value T
	err   error
}

func (o *once[T]) get(make func() (T, error)) (T, error) {
	o.Do(func() { o.value, o.err = make() })
	return o.value, o.err
}
