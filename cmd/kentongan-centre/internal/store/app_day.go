package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// appDaySchema counts looks at applications, by device and day. A look is
// counted once, when its record is kept; one that comes late counts for the day
// on which it was made.
const appDaySchema = `
CREATE TABLE app_day (
	name   TEXT NOT NULL,
	day    BIGINT NOT NULL,  -- days since 1970 in WIB
	device TEXT NOT NULL,
	looks  BIGINT NOT NULL,
	good   BIGINT NOT NULL,  -- it could be used; a slow one can
	PRIMARY KEY (name, day, device)
);
`

const upsertAppDay = `INSERT INTO app_day (name, day, device, looks, good) VALUES (?, ?, ?, 1, ?)
	ON CONFLICT (name, day, device) DO UPDATE SET looks = app_day.looks + 1, good = app_day.good + excluded.good`

// wib is the offset of Western Indonesia Time, which knows no summer time.
const wib = 7 * time.Hour

// DayOf is the day of a moment in WIB, in days since 1970.
func DayOf(t time.Time) int64 { return t.Add(wib).Unix() / 86400 }

// DayStart is when a day begins.
func DayStart(day int64) time.Time { return time.Unix(day*86400, 0).UTC().Add(-wib) }

// appLook counts a look. That of a clock that was not set is of the day on which
// it came, until it is known when its boot began.
func (w *writer) appLook(device string, r report.Received, st report.AppStats) error {
	day, unset, err := w.lookDay(device, r)
	if err != nil {
		return err
	}
	good := flag(st.Class == "" || st.Class == "slow")
	if err := w.exec(upsertAppDay, st.Name, day, device, good); err != nil {
		return fmt.Errorf("count look at application: %w", err)
	}
	if unset {
		if err := w.exec(insertUnset, device, report.Clip(r.Boot, 64), st.Name, r.UptimeMS, day, good); err != nil {
			return fmt.Errorf("note look of an unset clock: %w", err)
		}
	}
	return nil
}

// AppDay is how an application could be used on a day, over all places that
// looked. A place that did not look does not count: no news is not good news.
type AppDay struct {
	Name   string `json:"app"`
	Day    string `json:"day"` // 2026-11-23, in WIB
	Looks  int64  `json:"looks"`
	Good   int64  `json:"good"`
	Places int64  `json:"places"`
}

// Ratio is the share of looks that found it well, 0 to 1.
func (d AppDay) Ratio() float64 {
	if d.Looks == 0 {
		return 0
	}
	return float64(d.Good) / float64(d.Looks)
}

// AppDays lists the days since a moment, by application and day.
func (s *View) AppDays(ctx context.Context, since time.Time) ([]AppDay, error) {
	return sqlrows.Collect(ctx, s.read, "days of applications", func(r *sql.Rows) (d AppDay, err error) {
		var day int64
		err = r.Scan(&d.Name, &day, &d.Looks, &d.Good, &d.Places)
		d.Day = time.Unix(day*86400, 0).UTC().Format(time.DateOnly)
		return d, err
	}, `SELECT name, day, sum(looks), sum(good), count(*) FROM app_day WHERE day >= ? AND `+s.own("device")+` GROUP BY name, day ORDER BY name, day`, DayOf(since))
}
