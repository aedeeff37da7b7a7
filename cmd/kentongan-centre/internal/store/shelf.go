package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Shelf is an alarm that somebody put aside (ISA-18.2): it is known, and what
// can be done is under way. It comes back by itself.
type Shelf struct {
	Device    string    `json:"device"`
	Source    string    `json:"source"`
	Condition string    `json:"condition"`
	Until     time.Time `json:"until"`
	At        time.Time `json:"at"`
	Who       string    `json:"who"`
	Reason    string    `json:"reason"`
	Stands    bool      `json:"stands"` // the alarm is raised at this moment
}

// MaxShelf is the longest that an alarm can be put aside: whoever comes after
// the next shift decides again.
const MaxShelf = 24 * time.Hour

// shelved is true, in SQL, of an alarm a that is on the shelf; its one parameter
// is the time now in Unix ms.
const shelved = `EXISTS (SELECT 1 FROM shelf h WHERE h.device = a.device AND h.source = a.source AND h.condition = a.condition AND h.until_ms > `

// Shelve puts an alarm aside: the condition of that source, whichever
// occurrence of it.
func (s *View) Shelve(ctx context.Context, f Shelf) error {
	if f.Until.After(f.At.Add(MaxShelf)) || !f.Until.After(f.At) {
		return &InputError{"hours", f.Until.Sub(f.At).String(), fmt.Sprintf("a time of up to %d hours", int(MaxShelf.Hours()))}
	}
	return s.change(ctx, "shelve alarm", `INSERT INTO shelf (device, source, condition, until_ms, at_ms, who, reason) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (device, source, condition) DO UPDATE SET until_ms = excluded.until_ms, at_ms = excluded.at_ms, who = excluded.who, reason = excluded.reason`,
		f.Device, f.Source, f.Condition, f.Until.UnixMilli(), f.At.UnixMilli(), f.Who, f.Reason)
}

// Unshelve brings an alarm back.
func (s *View) Unshelve(ctx context.Context, device, source, condition string) error {
	return s.change(ctx, "bring alarm back", `DELETE FROM shelf WHERE device = ? AND source = ? AND condition = ? AND `+s.own("device"), device, source, condition)
}

// Shelved lists what is put aside at a time, what comes back first before.
func (s *View) Shelved(ctx context.Context, now time.Time) ([]Shelf, error) {
	return sqlrows.Collect(ctx, s.read, "shelf", func(r *sql.Rows) (f Shelf, err error) {
		var until, at int64
		err = r.Scan(&f.Device, &f.Source, &f.Condition, &until, &at, &f.Who, &f.Reason, &f.Stands)
		f.Until, f.At = when(until), when(at)
		return f, err
	}, `SELECT h.device, h.source, h.condition, h.until_ms, h.at_ms, h.who, h.reason,
			CASE WHEN EXISTS (SELECT 1 FROM alarm a WHERE a.device = h.device AND a.source = h.source AND a.condition = h.condition AND a.ended_at = 0) THEN 1 ELSE 0 END
		FROM shelf h WHERE h.until_ms > ? AND `+s.own("h.device")+` ORDER BY h.until_ms, h.device, h.source, h.condition`, now.UnixMilli())
}
