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

// Filters of a fleet by how its devices are.
const (
	FleetRed     = "red"     // offline, or with a grave alarm
	FleetOnline  = "online"  // by its last word
	FleetOffline = "offline" // the same
)

// FleetFilter says which devices; empty fields don't restrict.
type FleetFilter struct {
	ID     string
	Query  string // part of the id or of the site's name
	State  string // FleetRed, FleetOnline, FleetOffline
	Agency string
	Now    time.Time // for alarms on the shelf, which are not red
	Skip   int64
	Limit  int64
}

// isRed is true, in SQL, of a device d that is offline or has a grave alarm; its
// parameter is the time now in Unix ms.
const isRed = `(d.state = 'offline' OR EXISTS (SELECT 1 FROM alarm a WHERE a.device = d.id AND a.ended_at = 0 AND a.state <> 'hidden' AND a.severity IN ('critical', 'major') AND NOT ` + shelved + `?)))`

// fleet is the WHERE of a filter over devices d.
func (s *View) fleet(f FleetFilter) (where string, args []any) {
	where = s.own("d.id")
	add := func(term string, more ...any) {
		where += " AND " + term
		args = append(args, more...)
	}
	if f.ID != "" {
		add("d.id = ?", f.ID)
	}
	if f.Query != "" {
		like := "%" + likeEscape(f.Query) + "%"
		add("(d.id LIKE ? ESCAPE '!' OR lower(d.site) LIKE ? ESCAPE '!')", like, like)
	}
	switch f.State {
	case FleetRed:
		add(isRed, f.Now.UnixMilli())
	case FleetOnline, FleetOffline:
		add("d.state = ?", f.State)
	}
	if f.Agency != "" {
		add("d.id IN (SELECT g.device FROM device_agency g WHERE g.agency = ?)", f.Agency)
	}
	return where, args
}

// Fleet lists devices, the offline first, then by name.
func (s *View) Fleet(ctx context.Context, f FleetFilter) ([]Device, error) {
	missing, err := s.missingByDevice(ctx, f.ID)
	if err != nil {
		return nil, err
	}
	where, args := s.fleet(f)
	return sqlrows.Collect(ctx, s.read, "devices", func(r *sql.Rows) (Device, error) {
		var d Device
		var since, first, seen int64
		var birth string
		if err := r.Scan(&d.ID, &d.State, &since, &first, &seen, &birth, &d.Agency, &d.Streams, &d.Playing, &d.Bad, &d.Complain); err != nil {
			return d, err
		}
		d.Since, d.FirstSeen, d.LastSeen, d.Missing = whenSet(since), when(first), when(seen), missing[d.ID]
		if d.State == "" {
			d.State = "unknown"
		}
		b, err := readAbout(birth)
		d.Site, d.Lat, d.Lon, d.Version, d.Boot, d.Epoch = b.Site, b.Lat, b.Lon, b.Version, b.Boot, b.Epoch
		d.Release, d.Trial = b.Release, b.Trial
		return d, err
	}, `SELECT d.id, d.state, d.since_at, d.first_at, d.seen_at, d.birth,
			coalesce((SELECT g.agency FROM device_agency g WHERE g.device = d.id), ''),
			(SELECT count(*) FROM stream s WHERE s.device = d.id),
			(SELECT count(*) FROM stream s WHERE s.device = d.id AND s.state = 'playing' AND d.state = 'online'),
			(SELECT count(*) FROM stream s WHERE s.device = d.id AND (s.state IN ('silent', 'failed') OR `+unusable+`) AND d.state = 'online'),
			(SELECT count(*) FROM complaint c WHERE c.device = d.id AND `+s.ownComplaint()+`)
		FROM (SELECT * FROM device d WHERE `+where+` ORDER BY CASE d.state WHEN 'offline' THEN 0 ELSE 1 END, d.id LIMIT ? OFFSET ?) d
		ORDER BY CASE d.state WHEN 'offline' THEN 0 ELSE 1 END, d.id`, append(args, f.Limit, f.Skip)...)
}

// FleetSize counts what a filter lets through.
func (s *View) FleetSize(ctx context.Context, f FleetFilter) (n int, err error) {
	where, args := s.fleet(f)
	if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM device d WHERE `+where, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count devices: %w", err)
	}
	return n, nil
}

// Place is a device on the map.
type Place struct {
	Device, Site string
	Lat, Lon     float64 // degrees, WGS 84; both 0 when its configuration has none
	State        string  // online, offline, ""
	Red          bool    // offline, or with a grave alarm
	Alarms       int     // grave ones
}

// Places lists where devices are and how.
func (s *View) Places(ctx context.Context, now time.Time) ([]Place, error) {
	return sqlrows.Collect(ctx, s.read, "places", func(r *sql.Rows) (p Place, err error) {
		var birth string
		if err := r.Scan(&p.Device, &p.State, &birth, &p.Alarms); err != nil {
			return p, err
		}
		p.Red = p.State == report.Offline || p.Alarms > 0
		b, err := readAbout(birth)
		p.Site, p.Lat, p.Lon = b.Site, b.Lat, b.Lon
		return p, err
	}, `SELECT d.id, d.state, d.birth, coalesce(g.n, 0) FROM device d LEFT JOIN (
			SELECT a.device AS device, count(*) AS n FROM alarm a WHERE a.ended_at = 0 AND a.state <> 'hidden' AND a.severity IN ('critical', 'major') AND NOT `+shelved+`?) GROUP BY a.device) g ON g.device = d.id
		WHERE `+s.own("d.id")+` ORDER BY d.id`, now.UnixMilli())
}

// StreamPoint is a stream at a moment.
type StreamPoint struct {
	At   time.Time
	FPS  float64
	Bits int64
}

// maxHistory is how many records of measurements are read for the history of a
// device's streams.
const maxHistory = 3000

// StreamHistory is how the streams of a device were since a moment, by name, the
// oldest first, as far as its newest records go.
func (s *View) StreamHistory(ctx context.Context, device string, since time.Time) (map[string][]StreamPoint, error) {
	boots, err := s.boots(ctx, device)
	if err != nil {
		return nil, err
	}
	lines, err := sqlrows.Collect(ctx, s.read, "history of streams", func(r *sql.Rows) (line []byte, err error) {
		return line, r.Scan(&line)
	}, `SELECT r.line FROM record r
		WHERE r.lane_id = (SELECT id FROM lane WHERE device = ? AND lane = 'telemetry' AND `+s.own("device")+` ORDER BY seen_at DESC, id DESC LIMIT 1) AND r.kind = ?
		ORDER BY r.seq DESC LIMIT ?`, device, report.KindStreamStats, maxHistory)
	if err != nil {
		return nil, err
	}
	out := map[string][]StreamPoint{}
	for i := len(lines) - 1; i >= 0; i-- {
		rec, err := report.DecodeRecord(lines[i])
		var st report.StreamStats
		at, _ := timeOf(rec, boots)
		if err != nil || at.Before(since) || json.Unmarshal(rec.Body, &st) != nil {
			continue // the audit finds what is wrong with records
		}
		out[st.Name] = append(out[st.Name], StreamPoint{at, st.FPS, st.BitsPerS})
	}
	return out, nil
}
