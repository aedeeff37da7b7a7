package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kentongan/agent/config"
	"kentongan/agent/report"
	"kentongan/agent/spool"
	"kentongan/agent/uplink"
	"kentongan/hal"
	hgpio "kentongan/hal/gpio"
	"kentongan/hal/sim"
	"kentongan/hal/tpm"
)

// What the configuration says, as each part wants it.

func (a *Agent) spoolOptions() spool.Options {
	c := a.cfg.Spool
	return spool.Options{
		Device: a.cfg.Device,
		Stamp:  a.clock.stamp,
		Mirror: c.Mirror,
		Quota: map[report.Lane]int64{
			report.Complaint: c.Complaint,
			report.Event:     c.Event,
			report.Telemetry: c.Telemetry,
		},
		TelemetryDelay: c.TelemetryDelay,
		Log:            a.o.Log,
		FS:             a.o.Bench.Disk,
	}
}

// uplinkConfig takes what a running uplink can change from c, and all else from
// what the agent started with.
func (a *Agent) uplinkConfig(whole *config.Config) (uplink.Config, error) {
	c, first := whole.Uplink, a.cfg.Uplink
	up := uplink.Config{
		Device:         a.cfg.Device,
		Boot:           a.clock.boot,
		Acknowledge:    first.Acknowledge,
		CentreKeys:     a.keys,
		KeepAlive:      c.KeepAlive,
		BytesPerSecond: c.BytesPerSecond,
		BytesPerDay:    c.MegabytesPerDay * 1_000_000,
		Usage:          a.loadUsage(),
		OnUsage:        a.saveUsage,
		Birth:          a.birth,
		OnAck:          a.acked,
		OnChange:       func(s report.UplinkState) { a.journal.add(report.Event, report.KindUplink, s) },
		OnAckRefused:   a.ackRefused,
		OnLeave:        a.leaving,
		Now:            a.known.now,
		Dial:           a.o.Bench.Dial,
	}
	if first.CentreKey != "" {
		up.OnCommand = func(name string, body []byte) { a.orders.Deliver(name, body) }
	}
	var err error
	up.Brokers, err = brokers(c)
	return up, err
}

// brokers are those of the configuration, with their passwords.
func brokers(c config.Uplink) (all []uplink.Broker, err error) {
	for _, b := range c.Brokers {
		broker := uplink.Broker{
			URL: b.URL, CA: b.CA, Cert: b.Cert, Key: b.Key, Pair: tpm.At(c.TPM).X509KeyPair, ServerName: b.ServerName,
			Username: b.Username, PasswordFile: b.Password.File(),
			Interface: b.Interface, Metered: b.Metered,
		}
		if broker.PasswordFile == "" {
			if broker.Password, err = b.Password.Value(); err != nil {
				return nil, fmt.Errorf("broker %s: %w", b.URL, err)
			}
		}
		all = append(all, broker)
	}
	return all, nil
}

// ackRefused keeps that a receipt was signed and does not fit: a restored
// database at the centre, or somebody with its key.
func (a *Agent) ackRefused(r uplink.AckRefused) {
	if !r.Quiet {
		a.journal.add(report.Event, report.KindReceipt, report.ReceiptRefused{
			Lane: r.Lane, Reason: r.Reason, Epoch: r.Ack.Epoch, Seq: r.Ack.Seq, Detail: r.Detail,
		})
	}
	a.forked(r)
}

// usageFile holds what metered links carried today. It is a hint: losing it
// costs at most one more day's budget.
func (a *Agent) usageFile() string { return filepath.Join(a.cfg.Data, "usage.json") }

func (a *Agent) loadUsage() (u uplink.Usage) {
	text, err := os.ReadFile(a.usageFile())
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.o.Log.Warn("usage not read", "part", "agent", "err", err)
		return uplink.Usage{}
	}
	return u
}

func (a *Agent) saveUsage(u uplink.Usage) {
	text, err := json.Marshal(u)
	if err == nil {
		err = os.WriteFile(a.usageFile()+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(a.usageFile()+".new", a.usageFile())
	}
	if err != nil {
		a.o.Log.Warn("usage not saved", "part", "agent", "err", err)
	}
}

func (a *Agent) openBoard() (hal.Board, error) {
	if a.o.Bench.Board != nil {
		return a.o.Bench.Board()
	}
	return openBoard(a.cfg.Board)
}

func openBoard(c config.Board) (hal.Board, error) {
	switch c.Driver {
	case config.DriverGPIO:
		return hgpio.New(hgpio.Options{}), nil
	case config.DriverSim:
		return sim.Open(sim.Options{Socket: c.Socket})
	default:
		return noBoard{}, nil
	}
}

// noBoard is a machine whose lines nobody uses, such as a camera gateway.
type noBoard struct{}

func (noBoard) Name() string { return "none" }
func (noBoard) Close() error { return nil }

func (noBoard) OpenInput(c hal.LineConfig) (hal.Input, error) {
	return nil, &hal.LineError{Line: c, Problem: hal.Missing, Detail: "board.driver is none"}
}

func (noBoard) OpenOutput(c hal.LineConfig) (hal.Output, error) {
	return nil, &hal.LineError{Line: c, Problem: hal.Missing, Detail: "board.driver is none"}
}
