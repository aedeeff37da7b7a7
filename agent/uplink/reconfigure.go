package uplink

import (
	"errors"
	"fmt"
	"time"
)

// errNewConfig ends a session because the brokers or limits are others now.
var errNewConfig = &linkError{kind: failOrdered, err: errors.New("the configuration has changed")}

// Checked is a configuration that Reconfigure can take. What was checked counts: a
// file that it names may be gone a moment later, which is no reason to end.
type Checked struct{ cfg Config }

// Check looks at a configuration, and changes nothing.
func (u *Uplink) Check(c Config) (*Checked, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	if _, err := newBrokers(&c); err != nil {
		return nil, err
	}
	return &Checked{c}, nil
}

// Reconfigure takes other brokers and limits: Brokers, KeepAlive, BytesPerSecond
// and BytesPerDay of c. The connection ends in order and another begins; what is
// kept and what is announced stays. It returns at once and may be called from any
// goroutine; the newest one counts.
func (u *Uplink) Reconfigure(c *Checked) {
	u.next.Store(&c.cfg)
	poke(u.renewed)
}

// Announce says anew who the device is, in the session that there is. It may be
// called from any goroutine.
func (u *Uplink) Announce() { poke(u.reborn) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// takeChange is called by Run's goroutine, between two sessions.
func (u *Uplink) takeChange() {
	c := u.next.Swap(nil)
	if c == nil {
		return
	}
	brokers, err := newBrokers(c)
	if err != nil {
		return // Check has looked at it
	}
	usage := u.budget.usage
	u.cfg.Brokers, u.cfg.KeepAlive, u.cfg.BytesPerSecond, u.cfg.BytesPerDay = c.Brokers, c.KeepAlive, c.BytesPerSecond, c.BytesPerDay
	u.brokers, u.backTo = brokers, nil
	u.budget = newBudget(c.BytesPerSecond, c.BytesPerDay, usage)
	u.outage = map[failure]bool{}
	u.stats.change(func(s *Status) { s.NextTry = time.Time{} })
	u.log.Info("brokers changed", "brokers", len(brokers))
}

func newBrokers(cfg *Config) (all []*brokerState, err error) {
	for _, b := range cfg.Brokers {
		addr, err := b.address()
		if err != nil {
			return nil, fmt.Errorf("uplink: %w", err)
		}
		all = append(all, &brokerState{
			Broker: b, addr: addr, hold: cfg.Tuning.FailBackAfter,
			backoff: backoff{base: cfg.Tuning.BackoffBase, cap: cfg.Tuning.BackoffCap, jitter: cfg.Jitter},
		})
	}
	return all, nil
}
