package uplink

import (
	"time"

	"golang.org/x/time/rate"
)

// Usage is what metered links have carried on one day (UTC, "2026-11-23"),
// both ways. The agent keeps it over a restart: it saves what Config.OnUsage
// says and gives it back as Config.Usage.
type Usage struct {
	Day   string `json:"day"`
	Bytes int64  `json:"bytes"`
}

// budget is how much telemetry may cost. The other lanes are counted, so that
// telemetry waits longer after them, but never wait themselves. One goroutine
// owns it.
type budget struct {
	limiter *rate.Limiter // nil is no limit
	perDay  int64         // bytes, 0 is no limit
	usage   Usage
	today   int64 // the day of usage since 1970, once turn has met it
	dirty   int64 // bytes since the usage was told last
}

const (
	// minBurst lets one publish of the smallest sizes go at once on the smallest
	// budget.
	minBurst = 4 << 10
	// packetBytes is what TCP, IP and the PUBACK add to a publish, estimated.
	packetBytes = 60
	// tellEvery is how many bytes may be forgotten by a power cut.
	tellEvery = 64 << 10
)

func newBudget(perSecond, perDay int64, was Usage) *budget {
	b := &budget{perDay: perDay, usage: was, today: -1}
	if perSecond > 0 {
		b.limiter = rate.NewLimiter(rate.Limit(perSecond), max(int(min(perSecond, 1<<20)), minBurst))
	}
	return b
}

// ready tells whether telemetry may go now, and if not, when to ask again.
func (b *budget) ready(metered bool, now, wall time.Time) (ok bool, again time.Time) {
	b.turn(wall)
	if metered && b.perDay > 0 && b.usage.Bytes >= b.perDay {
		next := wall.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		return false, now.Add(min(next.Sub(wall), time.Hour)) // the clock may be set meanwhile
	}
	if b.limiter == nil {
		return true, now
	}
	tokens := b.limiter.TokensAt(now)
	if tokens >= 0 {
		return true, now
	}
	return false, now.Add(time.Duration(-tokens/float64(b.limiter.Limit())*float64(time.Second)) + time.Millisecond)
}

// spend charges a publish of n bytes to the bytes per second. The bucket may
// go into debt.
func (b *budget) spend(n int, now time.Time) {
	if b.limiter == nil {
		return
	}
	for n += packetBytes; n > 0; n -= b.limiter.Burst() {
		b.limiter.ReserveN(now, min(n, b.limiter.Burst()))
	}
}

// carried adds what a metered link has carried and tells whether that should
// be saved now.
func (b *budget) carried(n int64, wall time.Time) (save bool) {
	turned := b.turn(wall)
	b.usage.Bytes += n
	if b.dirty += n; b.dirty < tellEvery && !turned {
		return false
	}
	b.dirty = 0
	return true
}

// turn begins a new day.
func (b *budget) turn(wall time.Time) bool {
	const secondsPerDay = 24 * 60 * 60
	today := wall.Unix() / secondsPerDay
	if today == b.today && b.usage.Day != "" {
		return false // each publish asks
	}
	b.today = today
	day := wall.UTC().Format(time.DateOnly)
	if day == b.usage.Day {
		return false
	}
	b.usage = Usage{Day: day}
	return true
}
