package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// appSchema is a version of its own: applications as devices see them.
const appSchema = `
CREATE TABLE app (
	device     TEXT NOT NULL,
	name       TEXT NOT NULL,
	state      TEXT NOT NULL DEFAULT '',   -- report.AppState.State
	class      TEXT NOT NULL DEFAULT '',
	since_at   INTEGER NOT NULL DEFAULT 0, -- when we heard of this state
	doc        TEXT NOT NULL DEFAULT '',   -- report.AppState
	stats      TEXT NOT NULL DEFAULT '',   -- report.AppStats
	stats_at   INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (device, name)
) WITHOUT ROWID;
`

// What Commit runs of applications.
const (
	upsertApp = `INSERT INTO app (device, name, state, class, since_at, doc) VALUES (?, ?, ?, ?, ?, ?)
	ON CONFLICT (device, name) DO UPDATE SET since_at = CASE WHEN app.state = excluded.state AND app.class = excluded.class THEN app.since_at ELSE excluded.since_at END,
		state = excluded.state, class = excluded.class, doc = excluded.doc`
	upsertAppStats = `UPDATE app SET stats = ?, stats_at = ? WHERE device = ? AND name = ?`
	deleteApp      = `DELETE FROM app WHERE device = ? AND name = ?`
)

// appState takes what a device says of an application. One that its newest birth
// does not name has been taken out of its configuration: the broker still
// retains what was said of it.
func (w *writer) appState(d *device, st *report.AppState) error {
	a, err := readAbout(d.birth)
	if err != nil {
		return fmt.Errorf("read birth of %s: %w", d.id, err)
	}
	if d.birth != "" && !slices.Contains(a.Apps, st.Name) {
		return nil
	}
	kept := *st
	kept.State, kept.Class, kept.Detail, kept.URL = report.Clip(st.State, 32), report.Clip(st.Class, 32), report.Clip(st.Detail, 400), report.Clip(st.URL, 400)
	kept.Label = report.Text{ID: report.Clip(st.Label.ID, 120), EN: report.Clip(st.Label.EN, 120)}
	doc, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode state of application: %w", err)
	}
	w.out.State = true
	if err := w.exec(upsertApp, d.id, st.Name, kept.State, kept.Class, w.now, string(doc)); err != nil {
		return fmt.Errorf("write state of application: %w", err)
	}
	return nil
}

func (w *writer) appGone(device, name string) error {
	w.out.State = true
	if err := w.exec(deleteApp, device, name); err != nil {
		return fmt.Errorf("delete application: %w", err)
	}
	return nil
}

// appBirth forgets the applications that a birth does not name.
func (w *writer) appBirth(device string, apps []string) error {
	if err := w.exec(`DELETE FROM app WHERE device = ?1 AND NOT `+w.d.oneOf("name", "?2"), device, names(apps)); err != nil {
		return fmt.Errorf("delete applications: %w", err)
	}
	return nil
}

// appStats takes the figures of a look. Those of an application that no state
// was heard of are passed over.
func (w *writer) appStats(device string, r report.Received, backlog bool) error {
	var st report.AppStats
	if !w.body(r, &st) || !report.ValidName(st.Name) {
		return nil
	}
	st.Class, st.Family, st.Method = report.Clip(st.Class, 32), report.Clip(st.Family, 16), report.Clip(st.Method, 16)
	doc, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("encode figures of application: %w", err)
	}
	w.out.State = true
	if err := w.appLook(device, r, st); err != nil || backlog {
		return err // of history, only the day counts
	}
	if err := w.exec(upsertAppStats, string(doc), w.now, device, st.Name); err != nil {
		return fmt.Errorf("write figures of application: %w", err)
	}
	return nil
}

// App is one application as one device sees it.
type App struct {
	Device  string           `json:"device"`
	Online  bool             `json:"device_online"`
	Site    string           `json:"site,omitempty"`
	Name    string           `json:"app"`
	State   string           `json:"state"`
	Class   string           `json:"class,omitempty"`
	Since   *time.Time       `json:"since,omitempty"`
	Doc     *report.AppState `json:"report,omitempty"`
	Stats   *report.AppStats `json:"stats,omitempty"`
	StatsAt *time.Time       `json:"stats_at,omitempty"`
}

// Apps lists the applications as a device sees them, or as all do when it is "":
// by application, where it is worst first, of devices that are offline last.
func (s *View) Apps(ctx context.Context, device string) ([]App, error) {
	return sqlrows.Collect(ctx, s.read, "applications", func(r *sql.Rows) (App, error) {
		var a App
		var since, statsAt int64
		var doc, stats string
		if err := r.Scan(&a.Device, &a.Online, &a.Site, &a.Name, &a.State, &a.Class, &since, &doc, &stats, &statsAt); err != nil {
			return a, err
		}
		a.Since, a.StatsAt = whenSet(since), whenSet(statsAt)
		if doc != "" {
			if err := json.Unmarshal([]byte(doc), &a.Doc); err != nil {
				return a, err
			}
		}
		if stats != "" {
			if err := json.Unmarshal([]byte(stats), &a.Stats); err != nil {
				return a, err
			}
		}
		return a, nil
	}, `SELECT a.device, coalesce(d.state = 'online', false) AS online, coalesce(d.site, ''),
			a.name, a.state, a.class, a.since_at, a.doc, a.stats, a.stats_at
		FROM app a LEFT JOIN device d ON d.id = a.device WHERE `+only(device, "a.device", "?1")+` AND `+s.own("a.device")+`
		ORDER BY a.name, online DESC, CASE a.state WHEN 'unreachable' THEN 1 WHEN 'wrong' THEN 2 WHEN 'slow' THEN 3 WHEN 'checking' THEN 4 WHEN 'ok' THEN 5 ELSE 0 END, a.since_at, a.device`, device)
}

// AppSums counts applications, each as often as devices that are online look at
// it, by state.
func (s *View) AppSums(ctx context.Context) (map[string]int64, error) {
	sums := map[string]int64{report.AppOK: 0, report.AppSlow: 0, report.AppWrong: 0, report.AppUnreachable: 0}
	type row struct {
		state string
		n     int64
	}
	rows, err := sqlrows.Collect(ctx, s.read, "application counts", func(r *sql.Rows) (v row, err error) {
		return v, r.Scan(&v.state, &v.n)
	}, `SELECT a.state, count(*) FROM app a JOIN device d ON d.id = a.device WHERE d.state = 'online' AND `+s.own("d.id")+` GROUP BY a.state`)
	for _, r := range rows {
		if _, known := sums[r.state]; known {
			sums[r.state] = r.n
		}
	}
	return sums, err
}
