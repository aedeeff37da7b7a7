package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"

	"kentongan/agent/alarm"
	"kentongan/agent/config"
	"kentongan/agent/kiosk"
	"kentongan/agent/kiosk/printer"
	"kentongan/agent/kiosk/screen"
	"kentongan/agent/report"
	"kentongan/agent/watchdog"
	"kentongan/hal"
)

// The kiosk, joined with the parts that it needs.

// tryKiosk tells whether the kiosk can be made, without its memory.
func (a *Agent) tryKiosk(c *config.Config) func() error {
	return func() error {
		_, err := kiosk.New(kioskConfig(c.Kiosk), a.board, a.spool, a.o.Log)
		return err
	}
}

// makeKiosk makes the kiosk and what belongs to it. The one before has ended: the
// numbers of tickets are read here.
func (a *Agent) makeKiosk(c *config.Config) func() (*unit, error) {
	return func() (*unit, error) { return a.newKiosk(c.Kiosk) }
}

func (a *Agent) newKiosk(c config.Kiosk) (*unit, error) {
	u := &unit{}
	cfg := kioskConfig(c)
	cfg.Dir, cfg.Save = filepath.Join(a.cfg.Data, "kiosk"), saveFile
	cfg.Epoch = a.spool.Epoch()
	cfg.Head = func() report.Head { return a.spool.Head(report.Complaint) }
	if q := c.Quiet; q.From != "" {
		from, _ := q.From.Since() // checked
		to, _ := q.To.Since()
		cfg.Quiet = &kiosk.QuietHours{From: from, To: to, Now: a.localTime}
	}
	print := a.newPrinter(c.Printer, u)
	if print != nil {
		cfg.OnKept = a.printSlip(print)
	}
	if at, ok := c.SelfTest.Since(); ok {
		cfg.SelfTest = &kiosk.SelfTest{At: at, Now: a.localTime, Centre: a.reachesCentre, Found: func(ok bool, why string) {
			a.journal.kioskFound("self_test", !ok, why)
		}}
		if print != nil {
			cfg.SelfTest.Printer = func() (bool, string) {
				s := print.Status()
				return printer.Prints(s.State), strings.TrimSpace(s.State + " " + s.Detail)
			}
		}
	}
	k, err := kiosk.New(cfg, a.board, a.spool, a.o.Log)
	if err != nil {
		return nil, err
	}
	u.beats = append(u.beats, k)
	u.parts = append(u.parts, part{"kiosk", k.Run}, part{"kiosk alarms", func(ctx context.Context) error { return a.watchKiosk(ctx, k) }})
	page := a.newScreen(c, k, u)
	u.begin = func() {
		k.Succeed(a.estate.Swap(nil))
		if h := a.spool.Head(report.Complaint); h.First > 0 {
			k.Acked(h.First - 1) // also what came while none was there to be told
		}
		a.kiosk.Store(k)
		a.screen.Store(page)
	}
	u.end = func() {
		a.kiosk.Store(nil)
		a.screen.Store(nil)
		a.estate.Store(k.Estate())
	}
	return u, nil
}

// newScreen makes the page for citizens; nil where there is none.
func (a *Agent) newScreen(c config.Kiosk, k *kiosk.Kiosk, u *unit) *screen.Screen {
	if c.Screen.Listen == "" {
		return nil
	}
	languages, err := screen.Languages(c.Screen.Languages)
	if err != nil { // the others do, and a press needs none
		a.o.Log.Error("language not used", "part", "agent", "err", err)
	}
	cfg := screen.Config{
		Listen: c.Screen.Listen, Title: c.Screen.Title, Help: c.Screen.Help, CanCancel: c.Cancel.Within > 0,
		ShowFor: c.Screen.ShowFor, Languages: languages, Log: a.o.Log,
	}
	for _, b := range c.Buttons {
		cfg.Buttons = append(cfg.Buttons, screen.Choice{Name: b.Name, Label: report.Text{ID: b.Label.ID, EN: b.Label.EN}})
	}
	if c.Screen.Touch {
		cfg.Touch = cfg.Buttons
	}
	page := screen.New(cfg, k)
	u.parts = append(u.parts, part{"screen", page.Run})
	u.checks = append(u.checks, watchdog.Check{Name: "screen", Patience: screenPatience, Run: func(context.Context) error { return page.Answers() }})
	return page
}

// CheckLanguages looks at the files of the kiosk's further languages, which only
// the screen can judge.
func CheckLanguages(c *config.Config) error {
	_, err := screen.Languages(c.Kiosk.Screen.Languages)
	return err
}

// newPrinter makes the printer; nil where there is none.
func (a *Agent) newPrinter(c config.Printer, u *unit) *printer.Printer {
	if c.Device == "" {
		return nil
	}
	p := printer.New(printer.Config{
		Device: c.Device, Baud: int(c.Baud), Width: int(c.Width), Title: c.Title, URL: c.URL, Log: a.o.Log,
		OnState: func(s report.PrinterState) {
			a.journal.add(report.Event, report.KindPrinter, s)
			a.journal.kioskFound("printer", !printer.Prints(s.State), strings.TrimSpace(s.State+" "+s.Detail))
		},
	})
	u.parts = append(u.parts, part{"printer", p.Run})
	u.beats = append(u.beats, p)
	return p
}

func (a *Agent) printSlip(p *printer.Printer) func(kiosk.Kept) {
	return func(k kiosk.Kept) {
		now, set := a.localTime()
		p.Print(printer.Slip{Ticket: k.Ticket, PIN: k.PIN, Label: k.Label, At: now, Set: set})
	}
}

// kioskSource is the source of findings about the kiosk.
const kioskSource = "kiosk"

func kioskSources(c *config.Config) []string {
	if len(c.Kiosk.Buttons) == 0 {
		return nil
	}
	return []string{kioskSource}
}

func (j *journal) kioskFound(condition string, present bool, detail string) {
	if j.alarms != nil {
		j.alarms.Found(alarm.Finding{Source: kioskSource, Condition: condition, Present: present, Confidence: 1, Detail: detail})
	}
}

// watchKiosk tells the alarms whether the kiosk serves. Until its lines are open
// it does not; the alarm's delay is for that.
func (a *Agent) watchKiosk(ctx context.Context, k *kiosk.Kiosk) error {
	for {
		changed := k.Changed()
		s := k.Show()
		a.journal.kioskFound("out_of_service", s.Out, k.Troubles())
		a.journal.kioskFound("button", len(s.Dead) > 0 && !s.Out, k.Troubles())
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// tickets brings the centre's word on complaints to the kiosk, which is built
// after the orders.
type tickets struct{ agent *Agent }

func (t tickets) SetTicket(s report.TicketStatus) error {
	k := t.agent.kiosk.Load()
	if k == nil {
		return errors.New("the kiosk is being changed; order it again")
	}
	return k.SetTicket(s)
}

// localTime is the time of day here, and whether the clock was ever set.
func (a *Agent) localTime() (time.Time, bool) {
	s := a.clock.stamp()
	return s.Time, s.Clock != report.ClockUnset
}

// reachesCentre tells whether records arrive, and how that is known.
func (a *Agent) reachesCentre() (bool, string) {
	up := a.uplink.Status()
	waits := a.spool.Head(report.Complaint).Backlog()
	if !up.Connected {
		return false, fmt.Sprintf("not connected: %s; %d complaints wait", up.LastError, waits)
	}
	return true, fmt.Sprintf("connected to %s; %d complaints wait", up.Broker, waits)
}

// acked passes the centre's receipt on to the kiosk's lamps.
func (a *Agent) acked(lane report.Lane, seq uint64) {
	if lane.Chained() {
		a.reached.Store(true)
	}
	if k := a.kiosk.Load(); lane == report.Complaint && k != nil {
		k.Acked(seq)
	}
}

// bias is the configuration's word in periph's.
var bias = map[string]gpio.Pull{
	"up": gpio.PullUp, "down": gpio.PullDown, "off": gpio.Float, "as_is": gpio.PullNoChange,
}

// none is 0s of the configuration, where its defaults are filled in already; the
// kiosk takes 0 for its own default.
const none = time.Nanosecond

func kioskConfig(c config.Kiosk) kiosk.Config {
	k := kiosk.Config{
		Number:       c.Number,
		Cooldown:     max(c.Cooldown, none),
		CancelWithin: c.Cancel.Within,
		Debounce:     none, // each line has its own
		Lamps: kiosk.Lamps{
			Saved:    lamp("saved", c.Lamps.Saved),
			Received: lamp("received", c.Lamps.Received),
			Fault:    lamp("fault", c.Lamps.Fault),
			Alive:    lamp("alive", c.Lamps.Alive),
			Buzzer:   lamp("buzzer", c.Buzzer),
		},
	}
	for _, b := range c.Buttons {
		k.Buttons = append(k.Buttons, button(b))
	}
	if c.Cancel.Wire.Line != "" && c.Cancel.Within > 0 {
		k.Buttons = append(k.Buttons, kiosk.Button{Name: "cancel", Line: wire("cancel", c.Cancel.Wire), Cancel: true})
	}
	for _, p := range c.Combinations {
		k.Pairs = append(k.Pairs, kiosk.Pair(p))
	}
	return k
}

func button(b config.Button) kiosk.Button {
	k := kiosk.Button{
		Name:        b.Name,
		Line:        wire(b.Name, b.Wire),
		Hold:        b.Hold,
		ServiceCode: b.ServiceCode,
		Category:    b.Category,
		Label:       report.Text{ID: b.Label.ID, EN: b.Label.EN},
	}
	if b.Long.Means != "" {
		k.Long, k.LongAfter = b.Long.Means, b.Long.After
	}
	return k
}

func wire(name string, w config.Wire) hal.LineConfig {
	return hal.LineConfig{
		Name: name, Chip: w.Chip, Line: w.Line, ActiveLow: w.ActiveLow,
		Bias: bias[w.Bias], Debounce: w.Debounce,
	}
}

func lamp(name string, l config.Lamp) *kiosk.Lamp {
	if l.Line == "" {
		return nil
	}
	k := &kiosk.Lamp{LineConfig: hal.LineConfig{Name: name, Chip: l.Chip, Line: l.Line, ActiveLow: l.ActiveLow, Bias: gpio.PullNoChange}}
	if led, ok := strings.CutPrefix(l.Line, "led:"); ok {
		k.LineConfig = hal.LineConfig{Name: name, LED: led}
	}
	if l.Sense != "" {
		k.Sense = &hal.LineConfig{Chip: l.Chip, Line: l.Sense, Bias: gpio.PullNoChange}
	}
	return k
}
