// Package orders is the desk at which people of the centre order devices to do
// something. An order is signed with the centre's key and kept with the name of
// who gave it and why; the ingest sends it, again and again, until the device's
// result is there or its time is over.
//
// The name is the account's; whether it may is decided before it comes here.
package orders

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Lives of orders. A picture is wanted now or not at all; a word about an alarm
// waits for a device that is offline.
const (
	snapshotLife = 10 * time.Minute
	ackLife      = report.MaxOrderLife
)

// Config is what a Desk needs.
type Config struct {
	Store   *store.Store
	Signer  note.Signer
	Keys    []Key            // all of the centre's, the one that signs now first; nil where no key was ever changed
	Wake    func()           // called when there is an order to send
	Changed func()           // called when something ended
	Keep    time.Duration    // of pictures
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger
}

// Desk may be used from any goroutine.
type Desk struct{ cfg Config }

// New makes a Desk; Run does its upkeep.
func New(cfg Config) *Desk {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Desk{cfg}
}

// Errors of what people wrote.
var (
	ErrWho     = errors.New("no name: who orders it is recorded")
	ErrReason  = errors.New("no reason: why it is ordered is recorded")
	ErrState   = errors.New("no such state of a complaint")
	ErrConfig  = fmt.Errorf("no configuration, or one of more than %d bytes", report.MaxConfigBytes)
	ErrAddress = errors.New("no address of a release: https://HOST/PATH, without a name or password in it")
	ErrBlink   = fmt.Errorf("seconds: 1 to %d", report.MaxIdentifySeconds)
	ErrProfile = fmt.Errorf("what: one of %s; seconds, of cpu alone: 1 to %d", strings.Join(report.ProfileKinds(), ", "), report.MaxProfileSeconds)
)

// Bounds of what people write, in bytes.
const (
	MaxWho    = 80
	MaxReason = 200
)

// Snapshot orders a picture of a stream.
func (d *Desk) Snapshot(ctx context.Context, device, stream, who, reason string) (store.Order, error) {
	who, reason, err := texts(who, reason)
	if err == nil && reason == "" {
		err = ErrReason
	}
	if err != nil {
		return store.Order{}, err
	}
	o := store.Order{Device: device, Name: report.OrderSnapshot, Subject: stream, Who: who, Reason: reason}
	return d.give(ctx, o, snapshotLife, report.SnapshotArgs{Stream: stream, Who: who, Reason: reason})
}

// AckAlarm tells a device that somebody has taken an alarm, or that it is false.
func (d *Desk) AckAlarm(ctx context.Context, device, alarm, who, remark string, isFalse bool) (store.Order, error) {
	who, remark, err := texts(who, remark)
	if err != nil {
		return store.Order{}, err
	}
	o := store.Order{Device: device, Name: report.OrderAckAlarm, Subject: alarm, Who: who, Reason: remark}
	return d.give(ctx, o, ackLife, report.AckAlarmArgs{Alarm: alarm, Who: who, False: isFalse, Note: remark})
}

// TicketStatus says how a complaint stands: here, and to the kiosk that took it,
// where its citizen asks. A kiosk that is offline for longer than an order lives,
// or for which too many orders wait, hears of it once it is back: see retell.
func (d *Desk) TicketStatus(ctx context.Context, device, ticket, state, who, remark string) (store.Order, error) {
	who, remark, err := texts(who, remark)
	if err == nil && !slices.Contains(report.TicketStates(), state) {
		err = ErrState
	}
	if err != nil {
		return store.Order{}, err
	}
	now := d.cfg.Now().UTC().Truncate(time.Millisecond)
	note := report.Text{ID: remark}
	o := store.Order{Device: device, Name: report.OrderTicket, Subject: ticket, Who: who, Reason: state}
	word := store.TicketState{State: state, At: now, Who: who, Note: note}
	o, err = d.giveTicket(ctx, o, report.TicketStatus{Ticket: ticket, State: state, At: now, Note: note}, &word)
	if errors.Is(err, store.ErrTooManyOrders) {
		err = d.cfg.Store.SetTicket(ctx, device, ticket, word)
	}
	return o, err
}

// texts cleans what people wrote: one line, bounded, whole characters.
func texts(who, reason string) (string, string, error) {
	clean := func(s string, most int) string {
		s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "")), " ")
		for len(s) > most {
			_, n := utf8.DecodeLastRuneInString(s)
			s = s[:len(s)-n]
		}
		return s
	}
	who, reason = clean(who, MaxWho), clean(reason, MaxReason)
	if who == "" {
		return "", "", ErrWho
	}
	return who, reason, nil
}

func (d *Desk) give(ctx context.Context, o store.Order, life time.Duration, args any) (store.Order, error) {
	return d.giveBy(ctx, d.cfg.Signer, o, life, args)
}

// giveTicket gives an order about a complaint, unless that was erased; word is what
// is new to the centre as well, or nil.
func (d *Desk) giveTicket(ctx context.Context, o store.Order, args report.TicketStatus, word *store.TicketState) (store.Order, error) {
	add := func(ctx context.Context, o store.Order, sign func(counter uint64) ([]byte, error)) (store.Order, error) {
		return d.cfg.Store.AddTicketOrder(ctx, o, word, sign)
	}
	return d.giveTo(ctx, add, d.cfg.Signer, o, ackLife, args)
}

// giveBy gives an order that another key than the present one signs.
func (d *Desk) giveBy(ctx context.Context, by note.Signer, o store.Order, life time.Duration, args any) (store.Order, error) {
	return d.giveTo(ctx, d.cfg.Store.AddOrder, by, o, life, args)
}

// adder keeps an order, once it is signed; AddOrder of the store is one.
type adder func(ctx context.Context, o store.Order, sign func(counter uint64) ([]byte, error)) (store.Order, error)

func (d *Desk) giveTo(ctx context.Context, add adder, by note.Signer, o store.Order, life time.Duration, args any) (store.Order, error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return o, fmt.Errorf("encode arguments of %s: %w", o.Name, err)
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	o.ID = hex.EncodeToString(id[:])
	o.Asked = d.cfg.Now().UTC().Truncate(time.Second)
	o.Expires = o.Asked.Add(life)
	o, err = add(ctx, o, func(counter uint64) ([]byte, error) {
		msg, err := report.Order{
			Device: o.Device, Name: o.Name, ID: o.ID, Counter: counter,
			NotBefore: o.Asked, Expires: o.Expires, Arguments: raw,
		}.Sign(by)
		if err == nil && len(msg) > report.MaxOrderBytes {
			err = fmt.Errorf("order %s: %d bytes, more than the %d that a device takes", o.Name, len(msg), report.MaxOrderBytes)
		}
		return msg, err
	})
	if err != nil {
		return o, err
	}
	d.cfg.Log.Info("order given", "device", o.Device, "cmd", o.Name, "id", o.ID, "subject", o.Subject, "who", o.Who, "reason", o.Reason)
	d.cfg.Wake()
	return o, nil
}

// A kiosk that was away is told of complaints that changed meanwhile: for as long
// as somebody may come and ask, and some at a time, beside other orders.
const (
	retellFor  = 90 * 24 * time.Hour
	retellMost = 20
)

// retell gives a new order for each state of a complaint that its kiosk, which is
// online, has never answered to: the order of then has expired.
func (d *Desk) retell(ctx context.Context) error {
	list, err := d.cfg.Store.UntoldTickets(ctx, d.cfg.Now().Add(-retellFor), retellMost)
	for _, t := range list {
		o := store.Order{Device: t.Device, Name: report.OrderTicket, Subject: t.Ticket, Who: t.Who, Reason: t.State}
		_, err = d.giveTicket(ctx, o, report.TicketStatus{Ticket: t.Ticket, State: t.State, At: t.At, Note: t.Note}, nil)
		if err != nil && !errors.Is(err, store.ErrTooManyOrders) && !errors.Is(err, store.ErrNoComplaint) {
			return err
		}
		err = nil // another kiosk may have room; what was erased meanwhile is told nobody
	}
	return err
}

// upkeepEvery is how often it is looked for what has had its time.
const upkeepEvery = 15 * time.Second

// keysEvery is how often it is looked for devices that do not know the newest key;
// nothing is looked for where there has been one key only.
const keysEvery = 5 * time.Second

// Upkeep is one pass of Run. It tells whether anything ended.
func (d *Desk) Upkeep(ctx context.Context) (changed bool, err error) {
	changed, err = d.cfg.Store.Upkeep(ctx, d.cfg.Now(), d.cfg.Keep)
	if err == nil {
		err = d.retell(ctx)
	}
	return changed, err
}

// Run ends orders that nobody answered, gives those anew that still matter, and
// erases pictures that are too old, until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	keys := time.NewTicker(keysEvery)
	defer keys.Stop()
	for {
		changed, err := d.Upkeep(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			d.cfg.Log.Warn("upkeep failed", "err", err)
		case changed:
			d.cfg.Changed()
		}
		for again := true; again; {
			if err := d.introduceKey(ctx); err != nil && ctx.Err() == nil {
				d.cfg.Log.Warn("key not introduced", "err", err)
			}
			select {
			case <-tick.C:
				again = false
			case <-keys.C:
			case <-ctx.Done():
				return nil
			}
		}
	}
}
