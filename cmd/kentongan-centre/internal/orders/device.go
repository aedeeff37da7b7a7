package orders

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Orders to a device as a whole. They are wanted now: a restart that comes a day
// late only does harm.
const deviceLife = time.Hour

// Restart orders the agent to start anew.
func (d *Desk) Restart(ctx context.Context, device, who, reason string) (store.Order, error) {
	who, reason, err := both(who, reason)
	if err != nil {
		return store.Order{}, err
	}
	o := store.Order{Device: device, Name: report.OrderRestart, Who: who, Reason: reason}
	return d.give(ctx, o, deviceLife, report.RestartArgs{Who: who, Reason: reason})
}

// Identify orders a device to blink.
func (d *Desk) Identify(ctx context.Context, device string, seconds int, who string) (store.Order, error) {
	who, _, err := texts(who, "")
	if err == nil && (seconds < 1 || seconds > report.MaxIdentifySeconds) {
		err = ErrBlink
	}
	if err != nil {
		return store.Order{}, err
	}
	o := store.Order{Device: device, Name: report.OrderIdentify, Who: who}
	return d.give(ctx, o, snapshotLife, report.IdentifyArgs{Seconds: seconds, Who: who})
}

// Logs orders the newest lines of the agent's log. They arrive as a picture of
// the stream report.LogStream does.
func (d *Desk) Logs(ctx context.Context, device, who, reason string) (store.Order, error) {
	who, reason, err := both(who, reason)
	if err != nil {
		return store.Order{}, err
	}
	o := store.Order{Device: device, Name: report.OrderLogs, Subject: report.LogStream, Who: who, Reason: reason}
	return d.give(ctx, o, deviceLife, report.LogsArgs{Who: who, Reason: reason})
}

// Profile orders a profile of the agent; seconds is of cpu alone. It arrives as a
// picture of the stream report.ProfileStream and what does.
func (d *Desk) Profile(ctx context.Context, device, what string, seconds int, who, reason string) (store.Order, error) {
	who, reason, err := both(who, reason)
	args := report.ProfileArgs{What: what, Seconds: seconds, Who: who, Reason: reason}
	if err == nil && args.Check() != nil {
		err = ErrProfile
	}
	if err != nil {
		return store.Order{}, err
	}
	o := store.Order{Device: device, Name: report.OrderProfile, Subject: report.ProfileStream + what, Who: who, Reason: reason}
	return d.give(ctx, o, deviceLife, args)
}

// Configure orders another configuration, the whole document. Version 0 is the
// time in milliseconds, which only rises. Whether it is valid, the device says:
// what it may contain depends on the device's version.
func (d *Desk) Configure(ctx context.Context, device string, version uint64, text, who, reason string) (store.Order, error) {
	who, reason, err := both(who, reason)
	if err == nil && (len(text) == 0 || len(text) > report.MaxConfigBytes) {
		err = ErrConfig
	}
	if err != nil {
		return store.Order{}, err
	}
	if version == 0 {
		version = uint64(d.cfg.Now().UnixMilli())
	}
	o := store.Order{Device: device, Name: report.OrderConfig, Who: who, Reason: reason}
	return d.give(ctx, o, deviceLife, report.ConfigArgs{Version: version, Text: text, Who: who, Reason: reason})
}

// Update orders the release that lies at an address: number, or the newest where
// it is 0. The device verifies it with keys that the centre does not have, and
// waits for its own hours unless now is set. It may come late: an older release
// than the one that runs is refused by its number.
func (d *Desk) Update(ctx context.Context, device, address string, number uint64, now bool, who, reason string) (store.Order, error) {
	who, reason, err := both(who, reason)
	if err == nil && !ReleaseAddress(address) {
		err = ErrAddress
	}
	if err != nil {
		return store.Order{}, err
	}
	o := store.Order{Device: device, Name: report.OrderUpdate, Who: who, Reason: reason}
	if number > 0 {
		o.Subject = strconv.FormatUint(number, 10)
	}
	return d.give(ctx, o, ackLife, report.UpdateArgs{URL: address, Number: number, Now: now, Who: who})
}

// Rollout is a release for a device whose turn it is in a rollout.
type Rollout struct {
	ID          int64
	Device, URL string
	Number      uint64
	AnyHour     bool          // also outside the device's own hours
	Life        time.Duration // of the order
	Until       time.Time     // not to be started after this; zero is any time
	Who, Reason string
}

// RolloutUpdate orders it. The order is kept together with the word that the
// device has had its turn; store.ErrNotNow: it is not its turn.
func (d *Desk) RolloutUpdate(ctx context.Context, r Rollout) (store.Order, error) {
	o := store.Order{Device: r.Device, Name: report.OrderUpdate, Subject: strconv.FormatUint(r.Number, 10), Who: r.Who, Reason: r.Reason}
	args := report.UpdateArgs{URL: r.URL, Number: r.Number, Now: r.AnyHour, Who: r.Who}
	if !r.Until.IsZero() {
		until := r.Until.UTC().Truncate(time.Second)
		args.Until = &until
	}
	add := func(ctx context.Context, o store.Order, sign func(uint64) ([]byte, error)) (store.Order, error) {
		return d.cfg.Store.AddRolloutOrder(ctx, r.ID, o, sign)
	}
	return d.giveTo(ctx, add, d.cfg.Signer, o, min(r.Life, ackLife), args)
}

// ReleaseAddress tells whether a device could fetch from it. A password in it
// would stand in orders and logs, so there may be none.
func ReleaseAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= maxAddress && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
}

const maxAddress = 1000

// both cleans a name and a reason that are needed.
func both(who, reason string) (string, string, error) {
	who, reason, err := texts(who, reason)
	if err == nil && reason == "" {
		err = ErrReason
	}
	return who, reason, err
}
