package console

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// directory is whose devices and services are, for who is told of a change. It
// may be a little old: what people then see is decided by their View.
type directory struct {
	now atomic.Pointer[store.Directory]
}

// concerned are the agencies that a commit concerns.
func (d *directory) concerned(done store.Committed) map[string]bool {
	set := map[string]bool{}
	if dir := d.now.Load(); dir != nil {
		for _, device := range done.Devices {
			set[dir.Devices[device]] = true
		}
		for _, code := range done.Services {
			set[dir.Services[code]] = true
		}
	}
	return set
}

// upkeepEvery is how often the directory is read and ended sessions are swept.
const upkeepEvery = 20 * time.Second

func (c *Console) upkeep(ctx context.Context) {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		c.readDirectory(ctx)
		if err := c.cfg.Access.Sweep(ctx); err != nil && ctx.Err() == nil {
			c.cfg.Log.Warn("sessions not swept", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (c *Console) readDirectory(ctx context.Context) {
	dir, err := c.cfg.Store.Directory(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.cfg.Log.Warn("directory of agencies not read", "err", err)
		}
		return
	}
	c.directory.now.Store(&dir)
}

// did tells open pages that somebody did something: those of the province and of
// the own agency. Another agency that it concerns hears of it with the device's
// answer.
func (c *Console) did(r *http.Request) {
	set := map[string]bool{}
	if s := session(r); s != nil {
		set[s.Account.Agency] = true
	}
	c.hub.tell(now, set)
}
