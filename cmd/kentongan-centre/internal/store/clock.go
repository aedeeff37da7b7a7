package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// clockSchema is looks at applications of a boot whose clock was not set: they
// stand in app_day under the day on which they came, until the device tells when
// that boot began.
const clockSchema = `
CREATE TABLE app_look_unset (
	device    TEXT NOT NULL,
	boot      TEXT NOT NULL,
	name      TEXT NOT NULL,
	uptime_ms BIGINT NOT NULL,
	day       BIGINT NOT NULL, -- that it is counted under
	good      BIGINT NOT NULL,
	PRIMARY KEY (device, boot, name, uptime_ms)
);
`

const (
	selectBoot  = `SELECT booted_ms FROM boot WHERE device = ? AND boot = ?`
	insertUnset = `INSERT INTO app_look_unset (device, boot, name, uptime_ms, day, good) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	selectUnset = `SELECT name, uptime_ms, day, good FROM app_look_unset WHERE device = ? AND boot = ?`
	deleteUnset = `DELETE FROM app_look_unset WHERE device = ? AND boot = ?`
	takeAppDay  = `UPDATE app_day SET looks = looks - 1, good = good - ? WHERE name = ? AND day = ? AND device = ?`
	emptyAppDay = `DELETE FROM app_day WHERE name = ? AND day = ? AND device = ? AND looks <= 0`
)

// Corrected is the clock of a time that was worked out later.
const Corrected = "corrected"

// longestUptime bounds what a device says of its uptime: a century.
const longestUptime = 100 * 365 * 24 * 3600 * 1000 // ms

// bootedAt is when a boot began, as the device told once its clock was set.
func (w *writer) bootedAt(device, boot string) (ms int64, known bool, err error) {
	r, err := w.query(selectBoot, device, report.Clip(boot, 64))
	if err != nil {
		return 0, false, fmt.Errorf("read boot: %w", err)
	}
	defer r.Close()
	for r.Next() {
		known = true
		if err := r.Scan(&ms); err != nil {
			return 0, false, fmt.Errorf("read boot: %w", err)
		}
	}
	return ms, known, r.Err()
}

// clockSet keeps when a boot began, and puts the looks that were made before it
// was known under their right day.
func (w *writer) clockSet(device string, c report.ClockSet) error {
	boot := report.Clip(c.Boot, 64)
	if err := w.exec(upsertBoot, device, boot, c.BootedAt.UnixMilli(), string(c.Clock)); err != nil {
		return err
	}
	booted, known, err := w.bootedAt(device, boot)
	if err != nil || !known {
		return err
	}
	type look struct {
		name              string
		uptime, day, good int64
	}
	var looks []look
	r, err := w.query(selectUnset, device, boot)
	if err != nil {
		return fmt.Errorf("read looks of an unset clock: %w", err)
	}
	for r.Next() {
		var l look
		if err := r.Scan(&l.name, &l.uptime, &l.day, &l.good); err != nil {
			r.Close()
			return fmt.Errorf("read looks of an unset clock: %w", err)
		}
		looks = append(looks, l)
	}
	r.Close()
	if err := r.Err(); err != nil || len(looks) == 0 {
		return err
	}
	for _, l := range looks {
		for _, do := range []struct {
			query string
			args  []any
		}{
			{takeAppDay, []any{l.good, l.name, l.day, device}},
			{emptyAppDay, []any{l.name, l.day, device}},
			{upsertAppDay, []any{l.name, DayOf(time.UnixMilli(booted + l.uptime)), device, l.good}},
		} {
			if err := w.exec(do.query, do.args...); err != nil {
				return fmt.Errorf("move look at application: %w", err)
			}
		}
	}
	return w.exec(deleteUnset, device, boot)
}

// lookDay is the day of a look, and whether it is only the day on which it came.
func (w *writer) lookDay(device string, r report.Received) (day int64, unset bool, err error) {
	if r.Clock == report.ClockSynced || r.Boot == "" || r.UptimeMS < 0 || r.UptimeMS > longestUptime {
		return DayOf(r.Time), false, nil
	}
	booted, known, err := w.bootedAt(device, r.Boot)
	switch {
	case err != nil:
		return 0, false, err
	case known:
		return DayOf(time.UnixMilli(booted + r.UptimeMS)), false, nil
	case r.Clock == report.ClockUnset:
		return DayOf(when(w.now)), true, nil
	}
	return DayOf(r.Time), true, nil
}

// boots is when the boots of a device began, in Unix ms.
func (s *View) boots(ctx context.Context, device string) (map[string]int64, error) {
	began := map[string]int64{}
	_, err := sqlrows.Collect(ctx, s.read, "boots", func(r *sql.Rows) (x struct{}, err error) {
		var boot string
		var ms int64
		err = r.Scan(&boot, &ms)
		began[boot] = ms
		return x, err
	}, `SELECT boot, booted_ms FROM boot WHERE device = ? AND `+s.own("device"), device)
	return began, err
}

// timeOf is the best that is known of when a record was made, and of what quality
// that is.
func timeOf(r report.Record, boots map[string]int64) (time.Time, string) {
	if booted, known := boots[report.Clip(r.Boot, 64)]; known && r.Clock != report.ClockSynced && r.UptimeMS >= 0 && r.UptimeMS <= longestUptime {
		return when(booted + r.UptimeMS), Corrected
	}
	return r.Time, string(r.Clock)
}
