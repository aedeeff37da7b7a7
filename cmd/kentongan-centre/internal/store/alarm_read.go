package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Alarm is an alarm of a device.
type Alarm struct {
	Device string `json:"device"`
	Online bool   `json:"device_online"`
	Site   string `json:"site,omitempty"`
	report.Alarm
	Raised time.Time  `json:"raised"`          // when we heard of it first
	Ended  *time.Time `json:"ended,omitempty"` // when we heard that it is over
	Agency string     `json:"agency,omitempty"`
}

// AlarmFilter says which alarms; empty fields don't restrict.
type AlarmFilter struct {
	Device, Source, ID string
	Ended              bool      // those that are over, the newest first; else those that are not, the worst first
	Hidden             bool      // those too that another one explains
	Now                time.Time // when set, those that are on the shelf at that time are left out
	Limit              int
}

// Alarms lists alarms.
func (s *View) Alarms(ctx context.Context, f AlarmFilter) ([]Alarm, error) {
	order, which := severityRank+`, a.state = 'acknowledged', a.raised_at`, `a.ended_at = 0`
	if f.Ended {
		order, which = `a.ended_at DESC`, `a.ended_at > 0`
	}
	if f.ID != "" {
		which = `true`
	} else if !f.Hidden {
		which += ` AND a.state <> 'hidden'`
	}
	return sqlrows.Collect(ctx, s.read, "alarms", func(r *sql.Rows) (Alarm, error) {
		var a Alarm
		var n, raised, ended int64
		var state, doc string
		if err := r.Scan(&a.Device, &a.Online, &a.Site, &a.Agency, &n, &state, &raised, &ended, &doc); err != nil {
			return a, err
		}
		if err := json.Unmarshal([]byte(doc), &a.Alarm); err != nil {
			return a, err
		}
		a.N, a.State, a.Raised, a.Ended = uint64(n), state, when(raised), whenSet(ended)
		return a, nil
	}, `SELECT a.device, coalesce(d.state = 'online', false), coalesce(d.site, ''), coalesce((SELECT g.agency FROM device_agency g WHERE g.device = a.device), ''), a.n, a.state, a.raised_at, a.ended_at, a.doc
		FROM alarm a LEFT JOIN device d ON d.id = a.device
		WHERE `+which+` AND `+only(f.Device, "a.device", "?1")+` AND (?2 = '' OR a.source = ?2) AND (?3 = '' OR a.id = ?3) AND (CAST(?5 AS BIGINT) = 0 OR NOT `+shelved+`?5)) AND `+s.own("a.device")+`
		ORDER BY `+order+`, a.device, a.id LIMIT ?4`, f.Device, f.Source, f.ID, f.Limit, atOrZero(f.Now))
}

// atOrZero is a time in Unix ms, 0 when it is not set.
func atOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// AlarmSums is the alarms of all devices in figures.
type AlarmSums struct {
	Active     map[string]int64 // by severity; hidden ones don't count
	Unacked    int64            // of those
	Hidden     int64
	Raised     int64 // by the devices' own accounts, from here on
	False      int64
	CameraDays float64
}

// Total is all that is active.
func (a AlarmSums) Total() (n int64) {
	for _, v := range a.Active {
		n += v
	}
	return n
}

// FalseRate is false alarms for each 1,000 camera-days, and whether there is a
// whole camera-day to say it of.
func (a AlarmSums) FalseRate() (rate float64, known bool) {
	if a.CameraDays < 1 {
		return 0, false
	}
	return float64(a.False) / a.CameraDays * 1000, true
}

// AlarmSums counts, without those that are on the shelf at a time; the zero time
// is none.
func (s *View) AlarmSums(ctx context.Context, now time.Time) (AlarmSums, error) {
	sums := AlarmSums{Active: map[string]int64{}}
	for _, sev := range report.Severities() {
		sums.Active[sev] = 0
	}
	type row struct {
		severity, state string
		n               int64
	}
	rows, err := sqlrows.Collect(ctx, s.read, "alarm counts", func(r *sql.Rows) (v row, err error) {
		return v, r.Scan(&v.severity, &v.state, &v.n)
	}, `SELECT severity, state, count(*) FROM alarm a WHERE ended_at = 0 AND (CAST(?1 AS BIGINT) = 0 OR NOT `+shelved+`?1)) AND `+s.own("a.device")+` GROUP BY severity, state`, atOrZero(now))
	if err != nil {
		return sums, err
	}
	for _, r := range rows {
		switch r.state {
		case report.AlarmHidden:
			sums.Hidden += r.n
			continue
		case report.AlarmAcknowledged:
		default:
			sums.Unacked += r.n
		}
		sums.Active[r.severity] += r.n
	}
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(sum(raised), 0), coalesce(sum(falses), 0), coalesce(sum(camera_days), 0) FROM alarm_set WHERE `+s.own("device")).Scan(&sums.Raised, &sums.False, &sums.CameraDays)
	if err != nil {
		return sums, fmt.Errorf("read alarm account: %w", err)
	}
	return sums, nil
}
