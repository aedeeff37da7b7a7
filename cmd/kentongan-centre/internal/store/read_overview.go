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

// Overview is the figures of the first page.
type Overview struct {
	Devices, Online, Offline  int
	Streams, Playing          int
	Silent, Failed            int
	Unusable                  int // of those that play
	Complaints                int // all
	ComplaintsToday           int // received since the given moment
	Records                   uint64
	Missing                   uint64 // numbers, over all lanes
	Waiting                   uint64
	Explained                 uint64
	Duplicates, Conflicts     uint64
	NewestComplaint, LastSeen *time.Time
}

// overview is its query: one row. Its parameter is when today began.
//
// Streams are counted whole, and those of the few devices that are not online
// taken away again: to ask for the device of each of 40,000 streams costs more
// than all the rest. CROSS JOIN keeps SQLite from beginning with the streams.
func (s *View) overview() string {
	return `SELECT c.n, c.today, (SELECT received_at FROM complaint WHERE id = c.newest),
		d.n, d.online, d.offline, d.seen, s.n, s.playing - o.playing, s.silent - o.silent, s.failed - o.failed, u.n, l.*, h.*
	FROM (SELECT count(*) AS n, count(*) FILTER (WHERE received_at >= ?1) AS today, max(id) AS newest FROM complaint c WHERE ` + s.ownComplaint() + `) c,
		(SELECT count(*) AS n, count(*) FILTER (WHERE state = 'online') AS online, count(*) FILTER (WHERE state = 'offline') AS offline, max(seen_at) AS seen FROM device WHERE ` + s.own("id") + `) d,
		(SELECT count(*) AS n, ` + streamStates + ` FROM stream s WHERE ` + s.own("device") + `) s,
		(SELECT ` + streamStates + ` FROM device d CROSS JOIN stream s WHERE s.device = d.id AND d.state <> 'online' AND ` + s.own("d.id") + `) o,
		(SELECT count(*) AS n FROM (SELECT DISTINCT a.device, a.source FROM alarm a JOIN device d ON d.id = a.device JOIN stream s ON s.device = a.device AND a.source = 'stream/' || s.name
			WHERE a.ended_at = 0 AND a.severity IN ('critical', 'major') AND s.state = 'playing' AND d.state = 'online' AND ` + s.own("a.device") + `) x) u,
		(SELECT coalesce(sum(received), 0), coalesce(sum(duplicates), 0), coalesce(sum(conflicts), 0), coalesce(sum(top), 0), coalesce(sum(next - 1 - top), 0) FROM lane WHERE ` + s.own("device") + `) l,
		(SELECT coalesce(sum(h.to_seq - h.from_seq + 1), 0), coalesce(sum(CASE WHEN h.from_seq < l.first THEN ` + lostTo + ` - h.from_seq + 1 END), 0)
			FROM hole h JOIN lane l ON l.id = h.lane_id WHERE ` + s.own("l.device") + `) h`
}

// streamStates counts streams s by how they are.
const streamStates = `count(*) FILTER (WHERE s.state = 'playing') AS playing, count(*) FILTER (WHERE s.state = 'silent') AS silent, count(*) FILTER (WHERE s.state = 'failed') AS failed`

// Overview counts. today is when the viewer's day began.
func (s *View) Overview(ctx context.Context, today time.Time) (Overview, error) {
	var o Overview
	var newest, seen sql.NullInt64
	var top, unsent, holes int64
	row := s.read.QueryRowContext(ctx, s.overview(), today.UnixMilli())
	if err := row.Scan(&o.Complaints, &o.ComplaintsToday, &newest, &o.Devices, &o.Online, &o.Offline, &seen, &o.Streams, &o.Playing, &o.Silent, &o.Failed, &o.Unusable,
		&o.Records, &o.Duplicates, &o.Conflicts, &top, &unsent, &holes, &o.Missing); err != nil {
		return o, fmt.Errorf("read overview: %w", err)
	}
	o.NewestComplaint, o.LastSeen = whenSet(newest.Int64), whenSet(seen.Int64)
	o.Explained = uint64(top - holes - int64(o.Records))
	o.Waiting = uint64(unsent + holes - int64(o.Missing))
	return o, nil
}

// Problem is something that is red now.
type Problem struct {
	What   string    `json:"what"` // device, alarm, stream, line, missing, conflict
	Device string    `json:"device"`
	Site   string    `json:"site,omitempty"`
	Name   string    `json:"name,omitempty"`  // of the stream, line or lane; an alarm's source
	State  string    `json:"state,omitempty"` // of the stream or line; an alarm's severity
	Class  string    `json:"class,omitempty"` // of the stream's failure; an alarm's condition
	Detail string    `json:"detail,omitempty"`
	Count  uint64    `json:"count,omitempty"`
	Since  time.Time `json:"since"`

	Alarm *report.Alarm `json:"alarm,omitempty"`
}

// Problems lists what is red at a time, what endangers the proof first, then the oldest
// first. A device that is offline hides its alarms, streams and lines: nobody
// knows how they are. Of a device that says alarms, those stand for its streams:
// a dead switch is one problem, not a dozen.
func (s *View) Problems(ctx context.Context, now time.Time, limit int) ([]Problem, error) {
	return sqlrows.Collect(ctx, s.read, "problems", func(r *sql.Rows) (Problem, error) {
		var p Problem
		var since, rank int64
		err := r.Scan(&rank, &p.What, &p.Device, &p.Name, &p.State, &p.Class, &p.Detail, &p.Count, &since, &p.Site)
		p.Since = when(since)
		if err == nil && p.What == "alarm" {
			p.Alarm = new(report.Alarm)
			err = json.Unmarshal([]byte(p.Detail), p.Alarm)
			p.Detail = p.Alarm.Detail
		}
		return p, err
	}, `SELECT x.*, coalesce(v.site, '') FROM (SELECT 0 AS rank, 'conflict' AS what, l.device AS device, l.lane AS name, '' AS state, '' AS class, '' AS detail, l.conflicts AS n,
			coalesce((SELECT min(received_at) FROM conflict c WHERE c.lane_id = l.id), l.seen_at) AS since
			FROM lane l WHERE l.conflicts > 0 AND `+s.own("l.device")+`
		UNION ALL SELECT 0, 'missing', l.device, l.lane, '', '', '', sum(`+lostTo+` - h.from_seq + 1), min(h.since_at)
			FROM hole h JOIN lane l ON l.id = h.lane_id WHERE h.from_seq < l.first AND `+s.own("l.device")+` GROUP BY l.id
		UNION ALL SELECT 1, 'device', id, '', state, '', '', 0, since_at FROM device WHERE state = 'offline' AND `+s.own("id")+`
		UNION ALL SELECT 2, 'line', n.device, n.name, n.state, '', n.detail, 0, n.since_at
			FROM line n JOIN device d ON d.id = n.device WHERE d.state = 'online' AND n.state <> 'ok' AND `+s.own("n.device")+`
		UNION ALL SELECT 1 + `+severityRank+`, 'alarm', a.device, a.source, a.severity, a.condition, a.doc, 0, a.raised_at
			FROM alarm a JOIN device d ON d.id = a.device WHERE d.state = 'online' AND a.ended_at = 0 AND a.state <> 'hidden' AND `+s.own("a.device")+` AND NOT `+shelved+`?1)
		UNION ALL SELECT 2, 'stream', s.device, s.name, s.state, s.class, '', 0, s.since_at
			FROM stream s JOIN device d ON d.id = s.device WHERE d.state = 'online' AND s.state IN ('silent', 'failed') AND `+s.own("s.device")+`
				AND NOT EXISTS (SELECT 1 FROM alarm_set x WHERE x.device = s.device)
		) x LEFT JOIN device v ON v.id = x.device ORDER BY x.rank, x.since, x.device, x.name LIMIT ?2`, now.UnixMilli(), limit)
}
