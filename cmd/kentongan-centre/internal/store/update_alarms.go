package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// The centre's own alarms: what no device can say of itself. Their source begins
// with CentreSource, which no device may use; nobody can take them, for there is no
// device to tell, but they can be shelved.
const (
	CentreSource = "centre/"

	updateSource   = CentreSource + "update"
	ConditionStale = "update_stale"  // the release that runs was published long ago
	ConditionLag   = "update_behind" // a rollout that is done brought a newer one
)

// ofCentre tells whether a source is the centre's.
func ofCentre(source string) bool { return strings.HasPrefix(source, CentreSource) }

// updateAlarm is one that should stand.
type updateAlarm struct {
	device, condition string
	runs, newer       uint64
	issued            time.Time
}

// id is the same for the same thing, so that it can come back after it was over.
func (a updateAlarm) id() string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %d %d", a.device, a.condition, a.runs, a.newer, a.issued.UnixMilli()))
	return hex.EncodeToString(h[:8])
}

func (a updateAlarm) alarm(now time.Time) report.Alarm {
	out := report.Alarm{ID: a.id(), Source: updateSource, Condition: a.condition, Severity: report.Warning, State: report.AlarmRaised, Since: now.UTC(), Confidence: 1}
	if a.condition == ConditionLag {
		out.Text = report.Text{ID: fmt.Sprintf("Tertinggal dari rilis %d", a.newer), EN: fmt.Sprintf("Behind release %d", a.newer)}
		out.Action = report.Text{ID: "Lihat di halaman peluncuran mengapa perangkat ini tidak ikut, lalu mulai peluncuran baru untuknya.", EN: "See on the rollout's page why this device did not come along, then start a new rollout for it."}
		out.Detail = fmt.Sprintf("release %d runs there", a.runs)
		return out
	}
	out.Text = report.Text{ID: "Tidak ada rilis baru sejak lama", EN: "Nothing new for long"}
	out.Action = report.Text{ID: "Tanyakan kepada penerbit rilis apakah memang tidak ada yang baru; bila ada, seseorang menahannya dari perangkat ini.", EN: "Ask who publishes releases whether there is really nothing new; if there is, somebody keeps it from this device."}
	out.Detail = fmt.Sprintf("release %d, which runs there, was published on %s", a.runs, a.issued.Format("2006-01-02"))
	return out
}

// UpdateAlarms raises an alarm for each device that runs a release that was
// published longer ago than stale (0 is never), or an older one than a finished
// rollout brought to those like it, and ends those that are over. It tells what it
// changed.
func (s *Store) UpdateAlarms(ctx context.Context, now time.Time, stale time.Duration) ([]AlarmChange, error) {
	want := map[string]updateAlarm{} // by id
	if stale > 0 {
		list, err := sqlrows.Collect(ctx, s.read, "old releases", func(r *sql.Rows) (a updateAlarm, err error) {
			var runs, issued int64
			err = r.Scan(&a.device, &runs, &issued)
			a.condition, a.runs, a.issued = ConditionStale, uint64(runs), when(issued)
			return a, err
		}, `SELECT device, number, issued_ms FROM device_firmware WHERE issued_ms > 0 AND issued_ms <= ?`, now.Add(-stale).UnixMilli())
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			want[a.id()] = a
		}
	}
	list, err := sqlrows.Collect(ctx, s.read, "devices that lag", func(r *sql.Rows) (a updateAlarm, err error) {
		var runs, newer int64
		err = r.Scan(&a.device, &runs, &newer)
		a.condition, a.runs, a.newer = ConditionLag, uint64(runs), uint64(newer)
		return a, err
	}, `SELECT f.device, f.number, max(r.number) FROM rollout r, device_firmware f
		WHERE r.state = 'done' AND r.number > f.number AND f.trial <> 'trying'
			AND (r.scope = 'all' OR r.scope = 'agency' AND f.device IN (SELECT g.device FROM device_agency g WHERE g.agency = r.scope_of)
				OR f.device IN (SELECT x.device FROM rollout_device x WHERE x.rollout = r.id))
			AND f.device NOT IN (SELECT y.device FROM rollout_device y WHERE y.live = 1)
		GROUP BY f.device, f.number`)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		want[a.id()] = a
	}
	return s.setUpdateAlarms(ctx, now, want)
}

func (s *Store) setUpdateAlarms(ctx context.Context, now time.Time, want map[string]updateAlarm) (changes []AlarmChange, err error) {
	type standing struct {
		device, id, doc string
		n               int64
	}
	have, err := sqlrows.Collect(ctx, s.read, "alarms of the centre", func(r *sql.Rows) (v standing, err error) {
		return v, r.Scan(&v.device, &v.id, &v.n, &v.doc)
	}, `SELECT device, id, n, doc FROM alarm WHERE source = ? AND ended_at = 0`, updateSource)
	if err != nil {
		return nil, err
	}
	for _, v := range have {
		if _, still := want[v.id]; still {
			delete(want, v.id)
			continue
		}
		var a report.Alarm
		if err := json.Unmarshal([]byte(v.doc), &a); err != nil {
			return changes, fmt.Errorf("read alarm of the centre: %w", err)
		}
		a.State, a.N = report.AlarmCleared, uint64(v.n+1)
		if err := s.change(ctx, "end alarm of the centre", `UPDATE alarm SET state = ?, n = ?, ended_at = ? WHERE device = ? AND id = ? AND ended_at = 0`, a.State, v.n+1, now.UnixMilli(), v.device, v.id); err != nil {
			return changes, err
		}
		changes = append(changes, AlarmChange{Device: v.device, At: now, Alarm: a})
	}
	for _, u := range want {
		a := u.alarm(now)
		a.N = 1
		doc, err := json.Marshal(a)
		if err != nil {
			return changes, fmt.Errorf("encode alarm of the centre: %w", err)
		}
		var n int64
		err = s.edit.QueryRowContext(ctx, `INSERT INTO alarm (device, id, n, told, source, condition, severity, state, since_ms, raised_at, ended_at, doc) VALUES (?, ?, 1, 1, ?, ?, ?, ?, ?, ?, 0, ?)
			ON CONFLICT (device, id) DO UPDATE SET n = alarm.n + 1, state = excluded.state, since_ms = excluded.since_ms, raised_at = excluded.raised_at, ended_at = 0, doc = excluded.doc RETURNING n`,
			u.device, a.ID, a.Source, a.Condition, a.Severity, a.State, now.UnixMilli(), now.UnixMilli(), string(doc)).Scan(&n)
		if err != nil {
			return changes, fmt.Errorf("raise alarm of the centre: %w", err)
		}
		a.N = uint64(n)
		changes = append(changes, AlarmChange{Device: u.device, At: now, Alarm: a})
	}
	return changes, nil
}
