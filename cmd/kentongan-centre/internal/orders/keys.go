package orders

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// Key is one of the centre's keys.
type Key struct {
	Signer   note.Signer
	Verifier string
}

// Who introduces keys, in the orders.
const keysBy = "kentongan-centre"

const (
	trustKey  = "trust "
	retireKey = "retire "
)

// introduceKey brings the devices that are online to the key that signs now. A
// device says at each connection which keys it believes. One that does not know
// the present key is told of it by an order that the newest key it believes
// signed; one that does is told, by the present key, to retire the others. So a
// device that was off during a rotation, or two, is brought along when it is back,
// for as long as the centre keeps the old key.
func (d *Desk) introduceKey(ctx context.Context) error {
	if len(d.cfg.Keys) < 2 {
		return nil
	}
	list, err := d.cfg.Store.Believes(ctx)
	if err != nil {
		return err
	}
	present := d.cfg.Keys[0]
	for _, b := range list {
		if slices.Equal(b.Keys, []string{report.KeyID(present.Verifier)}) {
			continue
		}
		if err := d.introduceTo(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// introduceTo gives one device its next order about keys, if it is time.
func (d *Desk) introduceTo(ctx context.Context, b store.Believer) error {
	before, err := d.cfg.Store.Orders(ctx, store.OrderFilter{Device: b.Device, Name: report.OrderKeys, Limit: 4})
	if err != nil {
		return err
	}
	keys := slices.Clone(b.Keys)
	slices.Reverse(before) // the oldest first
	for _, o := range before {
		switch {
		case o.State == store.OrderOpen:
			return nil
		case o.Asked.Add(time.Second).Before(b.Since): // Asked is in whole seconds
			continue // what it said at its connection is newer
		case o.State != report.CommandSucceeded:
			return nil // it said no; it is asked again at its next connection
		}
		if id, ok := strings.CutPrefix(o.Subject, trustKey); ok && !slices.Contains(keys, id) {
			keys = append(keys, id)
		}
		if id, ok := strings.CutPrefix(o.Subject, retireKey); ok {
			keys = slices.DeleteFunc(keys, func(k string) bool { return k == id })
		}
	}
	if len(keys) == 0 {
		return nil // an agent that does not say
	}
	present, newest := d.cfg.Keys[0], keys[len(keys)-1]
	id := report.KeyID(present.Verifier)
	o := store.Order{Device: b.Device, Name: report.OrderKeys, Who: keysBy}
	switch {
	case !slices.Contains(keys, id):
		at := slices.IndexFunc(d.cfg.Keys, func(k Key) bool { return report.KeyID(k.Verifier) == newest })
		if at < 0 {
			d.cfg.Log.Warn("device believes no key of ours", "device", b.Device, "newest", newest)
			return nil
		}
		o.Subject = trustKey + id
		_, err = d.giveBy(ctx, d.cfg.Keys[at].Signer, o, ackLife, report.KeysArgs{Trust: []string{present.Verifier}})
	case newest == id && len(keys) > 1:
		o.Subject = retireKey + keys[0]
		_, err = d.give(ctx, o, ackLife, report.KeysArgs{Retire: keys[:1]})
	}
	return err
}
