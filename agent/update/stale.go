package update

import (
	"fmt"
	"time"

	"kentongan/agent/report"
)

// countEvery is how often the uptime is counted. What passed since is lost when the
// device goes off: one that is on for a part of the day only is warned later.
const countEvery = time.Hour

// counter tells how long nothing new was seen, in uptime: a board has no clock that
// nobody can set. New is a signed release with a number above all before, or one
// that runs here. It belongs to Run.
type counter struct {
	u    *Updater
	last time.Time // until when it is counted; monotonic
}

func (u *Updater) newCounter() *counter {
	c := &counter{u: u, last: time.Now()}
	if t, err := u.board.Trial(); err == nil && t != nil && t.State == report.UpdateCommitted {
		c.saw(t.Number)
	}
	c.say()
	return c
}

// saw takes a release that was verified.
func (c *counter) saw(number uint64) {
	m := &c.u.cfg.Memory
	if number <= m.Newest {
		return
	}
	m.Newest, m.Without, c.last = number, 0, time.Now()
	c.keep()
	c.say()
}

// count adds what has passed.
func (c *counter) count() {
	now := time.Now()
	c.u.cfg.Memory.Without += now.Sub(c.last)
	c.last = now
	c.keep()
	c.say()
}

func (c *counter) keep() {
	if err := c.u.cfg.Remember(c.u.cfg.Memory); err != nil {
		c.u.log.Warn("time without a new release not kept", "err", err)
	}
}

func (c *counter) say() {
	if c.u.cfg.Stale == 0 {
		return
	}
	m := c.u.cfg.Memory
	stale := m.Without >= c.u.cfg.Stale
	detail := ""
	if stale {
		detail = fmt.Sprintf("in %d days of uptime; the newest that was seen is release %d", int(m.Without.Hours()/24), m.Newest)
	}
	c.u.cfg.Found(stale, detail)
}
