package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
)

// parts stands for what the agent hands to the handlers: the real ones are joined
// in package agent. It counts what was done.
type parts struct {
	did     []string
	verdict map[string]string // id: state of a configuration that was tried
}

func (p *parts) Acknowledge(context.Context, string, string, string, bool) error {
	p.did = append(p.did, report.OrderAckAlarm)
	return nil
}

func (p *parts) Snapshot(context.Context, string) (Picture, error) {
	p.did = append(p.did, report.OrderSnapshot)
	return Picture{Format: "jpeg", Bytes: []byte("x")}, nil
}

func (p *parts) Append(context.Context, report.Lane, string, any) (uint64, error) { return 1, nil }

func (p *parts) SetTicket(report.TicketStatus) error {
	p.did = append(p.did, report.OrderTicket)
	return nil
}

func (p *parts) Identify(time.Duration) (string, error) {
	p.did = append(p.did, report.OrderIdentify)
	return "lamps", nil
}

func (p *parts) Bundle(int) ([]byte, error) {
	p.did = append(p.did, report.OrderLogs)
	return []byte("x"), nil
}

func (p *parts) Profile(context.Context, string, time.Duration) ([]byte, error) {
	p.did = append(p.did, report.OrderProfile)
	return []byte("x"), nil
}

func (p *parts) Try(string, uint64, []byte) error {
	p.did = append(p.did, report.OrderConfig)
	return nil
}

func (p *parts) Tried(id string) (string, string, bool) {
	state, ok := p.verdict[id]
	return state, "", ok
}

func (p *parts) Change(string, []string, []string) error {
	p.did = append(p.did, report.OrderKeys)
	return nil
}

func (p *parts) handlers() []Handler {
	return []Handler{
		AckAlarm(p), Snapshot(p, p), Ticket(p), Identify(p), Logs(p, p), Profile(p, p), Configure(p), Keys(p),
		Restart(func() { p.did = append(p.did, report.OrderRestart) }),
	}
}

// good are arguments that each command takes.
var good = map[string]any{
	report.OrderAckAlarm: report.AckAlarmArgs{Alarm: "a", Who: "Sari"},
	report.OrderSnapshot: report.SnapshotArgs{Stream: "gate", Who: "Sari", Reason: "r"},
	report.OrderTicket:   report.TicketStatus{Ticket: report.NewTicket(7, 1).String(), State: report.TicketStates()[0], At: time.Unix(1795000000, 0)},
	report.OrderIdentify: report.IdentifyArgs{Seconds: 30, Who: "Sari"},
	report.OrderLogs:     report.LogsArgs{Who: "Sari", Reason: "r"},
	report.OrderProfile:  report.ProfileArgs{What: report.ProfileCPU, Seconds: 5, Who: "Sari", Reason: "r"},
	report.OrderConfig:   report.ConfigArgs{Version: 2, Text: "device: kiosk-7\n", Who: "Sari", Reason: "r"},
	report.OrderKeys:     report.KeysArgs{Trust: []string{"k"}},
	report.OrderRestart:  report.RestartArgs{Who: "Sari", Reason: "r"},
}

// later are the commands whose result comes after the agent is back.
var later = []string{report.OrderRestart, report.OrderConfig}

func (g *rig) every(name string) report.Order {
	g.t.Helper()
	raw, err := json.Marshal(good[name])
	if err != nil {
		g.t.Fatal(err)
	}
	o := g.order(name)
	o.Arguments = raw
	return o
}

// A broker that was taken over has every message that ever came by, and may invent
// others. Whatever it delivers of any command, nothing is done, and what the
// centre did sign has one result at most.
func TestBrokerCanOnlyHoldBack(t *testing.T) {
	attacks := map[string]struct {
		message func(g *rig, o report.Order) (name string, msg []byte)
		reason  string
	}{
		"forged": {func(g *rig, o report.Order) (string, []byte) {
			return o.Name, bytes.Replace(g.sign(o), []byte("id "), []byte("id 0"), 1)
		}, report.RejectForged},
		"unknown key": {func(g *rig, o report.Order) (string, []byte) {
			skey, _, err := note.GenerateKey(nil, "centre")
			if err != nil {
				g.t.Fatal(err)
			}
			s, err := note.NewSigner(skey)
			if err != nil {
				g.t.Fatal(err)
			}
			msg, err := o.Sign(s)
			if err != nil {
				g.t.Fatal(err)
			}
			return o.Name, msg
		}, report.RejectKey},
		"for another device": {func(g *rig, o report.Order) (string, []byte) {
			o.Device = "kiosk-8"
			return o.Name, g.sign(o)
		}, report.RejectDevice},
		"as another command": {func(g *rig, o report.Order) (string, []byte) {
			if o.Name == report.OrderSnapshot {
				return report.OrderLogs, g.sign(o)
			}
			return report.OrderSnapshot, g.sign(o)
		}, report.RejectDevice},
		"held back until it is over": {func(g *rig, o report.Order) (string, []byte) {
			g.offset = 11 * time.Minute
			return o.Name, g.sign(o)
		}, report.RejectExpired},
		"before its time": {func(g *rig, o report.Order) (string, []byte) {
			o.NotBefore, o.Expires = o.NotBefore.Add(time.Hour), o.Expires.Add(time.Hour)
			return o.Name, g.sign(o)
		}, report.RejectEarly},
		"with a word more": {func(g *rig, o report.Order) (string, []byte) {
			o.Arguments = append([]byte(`{"sudo":true,`), o.Arguments[1:]...)
			return o.Name, g.sign(o)
		}, report.RejectArguments},
		"without arguments": {func(g *rig, o report.Order) (string, []byte) {
			o.Arguments = []byte("{}")
			return o.Name, g.sign(o)
		}, report.RejectArguments},
	}
	for name := range good {
		for what, attack := range attacks {
			t.Run(name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g, p := newRig(t), &parts{}
					g.handlers = p.handlers()
					g.start()
					defer g.stop()
					topic, msg := attack.message(g, g.every(name))
					for range 3 {
						g.deliver(topic, msg)
					}
					if len(p.did) > 0 {
						t.Errorf("it was done: %v", p.did)
					}
					if len(g.results) == 0 || g.results[0].State != report.CommandRejected || g.results[0].Reason != attack.reason {
						t.Fatalf("results %+v, want rejected, %s", g.results, attack.reason)
					}
					if signed := g.results[0].ID != ""; signed && len(g.results) != 1 {
						t.Errorf("%d results of one order", len(g.results))
					}
				})
			})
		}
	}
}

// Each command has one result: at once, or when the agent is back; and is done
// once, however often it comes, before and after a restart.
func TestEachCommandOnce(t *testing.T) {
	for name := range good {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, p := newRig(t), &parts{verdict: map[string]string{}}
				g.handlers = p.handlers()
				g.start()
				o := g.every(name)
				msg := g.sign(o)
				for range 3 {
					g.deliver(name, msg)
				}
				if slices.Contains(later, name) {
					if len(g.results) != 0 {
						t.Fatalf("a result before the agent is back: %+v", g.results)
					}
				}
				g.stop()
				g.start()
				for range 3 {
					g.deliver(name, msg)
				}
				if name == report.OrderConfig {
					if len(g.results) != 0 {
						t.Fatalf("a result while the trial goes on: %+v", g.results)
					}
					g.r.Finish(o.ID, report.CommandSucceeded, "version 2")
					g.r.Finish(o.ID, report.CommandFailed, "twice")
					synctest.Wait()
				}
				g.stop()
				g.start()
				g.deliver(name, msg)
				g.stop()
				if len(g.results) != 1 || g.results[0].ID != o.ID || g.results[0].Name != name || g.results[0].State != report.CommandSucceeded {
					t.Errorf("results %+v, want one that succeeded", g.results)
				}
				if len(p.did) != 1 || p.did[0] != name {
					t.Errorf("done %v, want once", p.did)
				}
			})
		})
	}
}

// A configuration whose trial ended while the agent was down is answered at the
// start, with what became of it.
func TestTrialThatEndedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := newRig(t), &parts{verdict: map[string]string{}}
		g.handlers = p.handlers()
		g.start()
		o := g.every(report.OrderConfig)
		g.deliver(o.Name, g.sign(o))
		g.stop()
		p.verdict[o.ID] = report.CommandFailed
		g.start()
		synctest.Wait()
		g.stop()
		if len(g.results) != 1 || g.results[0].State != report.CommandFailed {
			t.Errorf("results %+v", g.results)
		}
	})
}

// A power cut at any write of an order whose result comes later: one result.
func TestPowerCutsOfLaterResults(t *testing.T) {
	for cut := 1; cut < 12; cut++ {
		synctest.Test(t, func(t *testing.T) {
			g, p := newRig(t), &parts{}
			g.handlers = p.handlers()
			g.cutAt = cut
			g.start()
			o := g.every(report.OrderRestart)
			msg := g.sign(o)
			g.deliver(o.Name, msg)
			g.stop()
			for range 3 {
				g.cutAt = 0
				g.start()
				g.deliver(o.Name, msg)
				g.stop()
			}
			g.start()
			g.deliver(o.Name, msg)
			g.stop()
			if len(g.results) != 1 || g.results[0].State != report.CommandSucceeded {
				t.Errorf("cut %d: results %+v, want one", cut, g.results)
			}
		})
	}
}

var errNoBlink = errors.New("no lamp")

type dark struct{ parts }

func (dark) Identify(time.Duration) (string, error) { return "", errNoBlink }

func TestIdentifySaysWhatBlinks(t *testing.T) {
	o := report.Order{Arguments: []byte(`{"seconds":30,"who":"Sari"}`)}
	if what, err := Identify(&parts{}).Do(t.Context(), o); what != "lamps" || err != nil {
		t.Errorf("%q, %v", what, err)
	}
	if _, err := Identify(&dark{}).Do(t.Context(), o); !errors.Is(err, errNoBlink) {
		t.Errorf("%v", err)
	}
	o.Arguments = []byte(`{"seconds":601,"who":"Sari"}`)
	if _, err := Identify(&parts{}).Do(t.Context(), o); !errors.As(err, new(BadArguments)) {
		t.Errorf("601 s: %v", err)
	}
}
