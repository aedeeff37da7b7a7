package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"kentongan/agent/alarm"
	"kentongan/agent/command"
	"kentongan/agent/report"
	"kentongan/agent/spool"
)

// How orders of the centre are done.

// maxOrdersFile is the most that is read of what was saved.
const maxOrdersFile = 1 << 20

// newCommands makes the part that does orders; nil where no centre's key is
// known, and so nobody can order anything. A damaged memory of the orders is set
// aside and told: it is no reason to take no presses.
func (a *Agent) newCommands() (*command.Runner, error) {
	if a.cfg.Uplink.CentreKey == "" {
		return nil, nil
	}
	file := filepath.Join(a.cfg.Data, "orders.json")
	saved, err := loadFile(file, maxOrdersFile)
	c := a.commandConfig(file, saved)
	if err == nil {
		var r *command.Runner
		if r, err = command.New(c, a.o.Log); err == nil {
			return r, nil
		}
	}
	a.setAside(file, err)
	c.Saved, c.Forgotten = nil, true
	return command.New(c, a.o.Log)
}

// setAside puts a file that can't be read out of the way, and tells it.
func (a *Agent) setAside(file string, why error) {
	saved, err := putAside(file)
	a.o.Log.Error("saved file damaged", "part", "agent", "file", file, "err", errors.Join(why, err))
	d := report.Damage{Lane: report.Event, Segment: filepath.Base(file), Detail: why.Error(), Saved: saved}
	a.journal.add(report.Event, report.KindDamage, d)
}

func (a *Agent) commandConfig(file string, saved []byte) command.Config {
	c := command.Config{
		Device: a.cfg.Device, Keys: a.keys, Keeper: results{a.spool}, Saved: saved,
		Save: func(text []byte) error { return saveFile(file, text) },
		Now: func() (time.Time, report.Clock) {
			s := a.clock.stamp()
			return s.Time, s.Clock
		},
		Handlers: []command.Handler{
			command.AckAlarm(operators{a.journal.alarms}),
			command.Snapshot(cameras{a}, a.spool),
			command.Update(versions{a}),
			command.Restart(a.restart),
			command.Identify(blinker{a}),
			command.Keys(a.keys),
			command.Configure(a.ordered),
			command.Profile(profiler{a}, a.spool),
		},
	}
	if a.o.Ring != nil {
		c.Handlers = append(c.Handlers, command.Logs(a.o.Ring, a.spool))
	}
	if len(a.cfg.Kiosk.Buttons) > 0 {
		c.Handlers = append(c.Handlers, command.Ticket(tickets{a}))
	}
	return c
}

// results keeps the answers to orders in the event lane.
type results struct{ spool *spool.Spool }

func (r results) Keep(ctx context.Context, res report.CommandResult) error {
	// What was done is kept, also while the agent ends.
	_, err := r.spool.Append(context.WithoutCancel(ctx), report.Event, report.KindCommand, res)
	return err
}

func (r results) Mark() uint64 { return r.spool.Head(report.Event).Next }

// Kept reads the event lane from the mark on. A result that the centre has
// acknowledged is not there any more; but orders that were cut off are asked for
// before the uplink begins, so that takes an agent that was killed in the instant
// between the acknowledgement and its own note.
func (r results) Kept(id string, since uint64) bool {
	for {
		list, err := r.spool.Read(report.Event, since, 256, 256<<10)
		if err != nil || len(list) == 0 {
			return false
		}
		for _, e := range list {
			var res report.CommandResult
			rec, err := report.DecodeRecord(e.Line)
			if err == nil && rec.Kind == report.KindCommand && json.Unmarshal(rec.Body, &res) == nil && res.ID == id {
				return true
			}
			since = e.Seq + 1
		}
	}
}

// operators brings what operators say to the alarms.
type operators struct{ alarms *alarm.Engine }

func (o operators) Acknowledge(ctx context.Context, id, who, note string, isFalse bool) error {
	return o.alarms.Act(ctx, alarm.Action{ID: id, By: who, Note: note, False: isFalse})
}

// cameras takes pictures of the streams.
type cameras struct{ agent *Agent }

func (c cameras) Snapshot(ctx context.Context, name string) (command.Picture, error) {
	w := c.agent.watcher(name)
	if w == nil {
		return command.Picture{}, fmt.Errorf("no stream %q on this device", name)
	}
	s, err := w.Snapshot(ctx)
	return command.Picture{Format: s.Format, Bytes: s.Bytes, Width: s.Width, Height: s.Height, TakenAt: s.TakenAt}, err
}
