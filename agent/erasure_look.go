package agent

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"kentongan/agent/config"
	"kentongan/agent/erase"
	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// What there is of a device, and what the centre lacks of it.

// dataGroups is all that is kept in a data directory, in the order in which it goes.
// Keys are the first: they are small and gone at once, and who gets hold of a card
// that was cut off then can't speak as the device.
var dataGroups = []erase.Group{
	{Name: "keys", Files: []string{"identity/*", "record.key", "kiosk/pin.key", "page-certificate.pem", "page-code.json", "page-sessions.json"}},
	{Name: "records", Files: []string{"spool/complaint/*", "spool/event/*", "spool/telemetry/*", "spool/quarantine/*", "spool/cursor"}},
	{Name: "kiosk", Files: []string{"kiosk/states.json", "kiosk/tickets.json.new", "kiosk/tickets.json.damaged"}},
	{Name: "cameras", Files: []string{"picture-*.learned", "recovery-*.json"}},
	{Name: "updates", Files: []string{"incoming/*", "update.json", "update-before.json"}},
	{Name: "state", Files: []string{"spool/pid", "alarms.json", "orders.json", "usage.json", "time", "centre-keys.json", "*.sock", "config-running.json", "config-order.json", "erasing.new"}},
}

// ticketsFile says which tickets were given out. It stays: it names nobody, and
// without it a kiosk of the same number would give the same tickets again.
const ticketsFile = "kiosk/tickets.json"

// mirrorGroups is what is kept in a mirror.
var mirrorGroups = []erase.Group{{Name: "mirror", Files: []string{"complaint/*.seg", "cursor"}}}

// look finds the files: those of the data directory first, then those of the mirrors,
// then the configuration's; and counts what is owed.
func (e *Erasure) look() (err error) {
	data, err := e.lookData()
	if err != nil {
		return err
	}
	e.Begun = slices.Contains(data.Kept, erasingName)
	data.Kept = slices.DeleteFunc(data.Kept, func(name string) bool { return name == erasingName })
	if e.mark, err = loadErasing(e.Data); err != nil {
		return err
	}
	e.Settled, e.WithConfig = e.mark.Settled, len(e.mark.Config) > 0
	e.Places, e.Absent = []*erase.Found{data}, nil
	for _, m := range e.mirrors() {
		f, err := erase.Look(erase.Place{Dir: m, Groups: mirrorGroups, Shared: true})
		if err != nil {
			return err
		}
		e.Places = append(e.Places, f)
		if on, was := e.mark.Mirrors[m]; f.Files() == 0 && !(was && on == deviceOf(m)) {
			e.Absent = append(e.Absent, m)
		}
	}
	e.count()
	return e.configured()
}

func (e *Erasure) lookData() (*erase.Found, error) {
	return erase.Look(erase.Place{Dir: e.Data, Groups: dataGroups, Keep: []string{ticketsFile, erasingName}})
}

// mirrors are all that a configuration of this device names, or named.
func (e *Erasure) mirrors() (all []string) {
	add := func(m string) {
		if filepath.IsAbs(m) && !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	add(e.cfg.Spool.Mirror)
	if used, _, err := Running(e.Data); err == nil { // one that can't be used goes with the rest
		add(used.Spool.Mirror)
	}
	if o, err := loadOrdered(e.Data); err == nil {
		for _, v := range []*version{o.Now, o.Before} {
			if v == nil {
				continue
			}
			if c, err := config.Parse(e.cfg.File, []byte(v.Text)); err == nil {
				add(c.Spool.Mirror)
			}
		}
	}
	for _, m := range slices.Sorted(maps.Keys(e.mark.Mirrors)) { // the order that names one may be gone
		add(m)
	}
	return all
}

// deviceOf is the device that a directory is on; 0 where it is not there.
func deviceOf(dir string) uint64 {
	var s unix.Stat_t
	if unix.Stat(dir, &s) != nil {
		return 0
	}
	return uint64(s.Dev)
}

// count finds out what the centre has not confirmed. In doubt it says so.
func (e *Erasure) count() {
	e.Waiting, e.Unread = 0, nil
	if e.Settled {
		return
	}
	var head report.Head
	known := slices.ContainsFunc(e.Places[0].Counts, func(c erase.Count) bool { return c.Group == "records" && c.Files > 0 })
	if known {
		v, err := spool.OpenView(filepath.Join(e.Data, "spool"))
		if err == nil {
			head, err = v.Head(report.Complaint), v.Unsure(report.Complaint)
		}
		e.Unread = err
	}
	for _, p := range e.Places[1:] {
		v, err := spool.OpenView(p.Dir)
		if errors.Is(err, spool.ErrNoSegment) {
			continue
		}
		if err != nil {
			e.Unread = errors.Join(e.Unread, err)
			continue
		}
		switch h := v.Head(report.Complaint); {
		case !known:
			head, known = h, true
			e.Unread = errors.Join(e.Unread, v.Unsure(report.Complaint))
		case h.Epoch == head.Epoch:
			head.First, head.Next = max(head.First, h.First), max(head.Next, h.Next)
		case h.Backlog() > 0:
			e.Unread = errors.Join(e.Unread, fmt.Errorf("%s holds complaints of another store, of epoch %s", p.Dir, h.Epoch))
		}
	}
	if known {
		e.Waiting = head.Backlog()
	}
}
