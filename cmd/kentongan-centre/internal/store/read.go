package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"math"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Device is one device as the page shows it.
type Device struct {
	ID        string     `json:"device"`
	State     string     `json:"state"` // online, offline, unknown
	Since     *time.Time `json:"since,omitempty"`
	FirstSeen time.Time  `json:"first_seen"`
	LastSeen  time.Time  `json:"last_seen"`
	Site      string     `json:"site,omitempty"`
	Agency    string     `json:"agency,omitempty"`
	Lat       float64    `json:"lat,omitempty"`
	Lon       float64    `json:"lon,omitempty"`
	Version   string     `json:"version,omitempty"`
	Release   uint64     `json:"release,omitempty"` // number of the firmware that runs
	Trial     string     `json:"trial,omitempty"`   // how its trial stands: trying, committed, went-back
	Boot      string     `json:"boot,omitempty"`
	Epoch     string     `json:"epoch,omitempty"`
	Streams   int        `json:"streams"`
	Playing   int        `json:"streams_playing"` // 0 while it is offline, as is bad
	Bad       int        `json:"streams_bad"`     // silent or failed
	Complain  int        `json:"complaints"`
	Missing   uint64     `json:"missing"`
}

// Stream is one camera's stream.
type Stream struct {
	Device  string              `json:"device"`
	Online  bool                `json:"device_online"`
	Name    string              `json:"stream"`
	State   string              `json:"state"`
	Class   string              `json:"class,omitempty"`
	Since   *time.Time          `json:"since,omitempty"`
	Doc     *report.StreamState `json:"report,omitempty"`
	Stats   *report.StreamStats `json:"stats,omitempty"`
	StatsAt *time.Time          `json:"stats_at,omitempty"`

	// The gravest alarm that stands for it; "" is none, or nobody knows because
	// the device is offline.
	Alarm    string `json:"alarm,omitempty"` // condition
	Severity string `json:"severity,omitempty"`
}

// Lane is the account of one lane of one store of one device. See the package
// comment for the words.
type Lane struct {
	Device     string    `json:"device"`
	Lane       string    `json:"lane"`
	Epoch      string    `json:"epoch"`
	First      uint64    `json:"first"`
	Next       uint64    `json:"next"`
	Thru       uint64    `json:"thru"`
	Received   uint64    `json:"received"`
	Missing    uint64    `json:"missing"`
	Waiting    uint64    `json:"waiting"` // given out, still on the device as far as we know
	Explained  uint64    `json:"explained"`
	Duplicates uint64    `json:"duplicates"`
	Conflicts  uint64    `json:"conflicts"`
	Seen       time.Time `json:"seen"`
	Holes      []Hole    `json:"holes,omitempty"`
	Gaps       []Gap     `json:"gaps,omitempty"`

	id int64
}

// Hole is a range that is neither held nor explained.
type Hole struct {
	From    uint64    `json:"from"`
	To      uint64    `json:"to"`
	Since   time.Time `json:"since"`
	Missing bool      `json:"missing"` // false while the device may still have it
}

// Gap is a range that the device explained.
type Gap struct {
	From   uint64    `json:"from"`
	To     uint64    `json:"to"`
	Count  uint64    `json:"count"`
	Reason string    `json:"reason"`
	Told   time.Time `json:"told"`
}

func when(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func whenSet(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := when(ms)
	return &t
}

// Devices lists the devices, the offline first, then by name; id "" means all.
func (s *View) Devices(ctx context.Context, id string) ([]Device, error) {
	return s.FirstDevices(ctx, id, math.MaxInt64)
}

// FirstDevices is Devices with at most limit of them.
func (s *View) FirstDevices(ctx context.Context, id string, limit int64) ([]Device, error) {
	return s.Fleet(ctx, FleetFilter{ID: id, Limit: limit})
}

// unusable is true of a stream s that plays, and yet shows nothing that is of
// use: a grave alarm says that its picture is black, frozen or moved.
const unusable = `(s.state = 'playing' AND EXISTS (SELECT 1 FROM alarm a
	WHERE a.device = s.device AND a.source = 'stream/' || s.name AND a.ended_at = 0 AND a.severity IN ('critical', 'major')))`

// Streams lists the streams of a device, or of all when it is "".
func (s *View) Streams(ctx context.Context, device string) ([]Stream, error) {
	return sqlrows.Collect(ctx, s.read, "streams", func(r *sql.Rows) (Stream, error) {
		var st Stream
		var since, statsAt int64
		var doc, stats, alarm string
		if err := r.Scan(&st.Device, &st.Online, &st.Name, &st.State, &st.Class, &since, &doc, &stats, &statsAt, &alarm); err != nil {
			return st, err
		}
		st.Severity, st.Alarm, _ = strings.Cut(alarm, " ")
		st.Since, st.StatsAt = whenSet(since), whenSet(statsAt)
		if st.State == "" {
			st.State = "unknown"
		}
		if doc != "" {
			if err := json.Unmarshal([]byte(doc), &st.Doc); err != nil {
				return st, err
			}
		}
		if stats != "" {
			if err := json.Unmarshal([]byte(stats), &st.Stats); err != nil {
				return st, err
			}
		}
		return st, nil
	}, `SELECT s.device, coalesce(d.state = 'online', false), s.name, s.state, s.class, s.since_at, s.doc, s.stats, s.stats_at,
			coalesce((SELECT a.severity || ' ' || a.condition FROM alarm a WHERE d.state = 'online' AND a.device = s.device AND a.source = 'stream/' || s.name AND a.ended_at = 0
				ORDER BY `+severityRank+`, a.raised_at LIMIT 1), '')
		FROM stream s LEFT JOIN device d ON d.id = s.device
		WHERE `+only(device, "s.device", "?")+` AND `+s.own("s.device")+` ORDER BY s.device, s.name`, device)
}

// maxRanges is how many holes and gaps of one lane a page gets; the counts
// hold for all.
const maxRanges = 50

// Lanes lists the accounts, with their newest ranges, of a device or of all.
func (s *View) Lanes(ctx context.Context, device string) ([]Lane, error) {
	lanes, err := sqlrows.Collect(ctx, s.read, "lanes", scanLane, laneQuery(only(device, "l.device", "?")+" AND "+s.own("l.device")), device)
	if err != nil {
		return nil, err
	}
	at := make(map[int64]*Lane, len(lanes))
	for i := range lanes {
		at[lanes[i].id] = &lanes[i]
	}
	if err := s.holesOf(ctx, device, at); err != nil {
		return nil, err
	}
	return lanes, s.gapsOf(ctx, device, at)
}

// lostTo is the last number of hole h that its lane's device let go of, where it
// let go of any; severityRank is the order of severities, a strange one first.
const (
	lostTo       = `(CASE WHEN h.to_seq < l.first THEN h.to_seq ELSE l.first - 1 END)`
	severityRank = `(CASE a.severity WHEN 'major' THEN 1 WHEN 'minor' THEN 2 WHEN 'warning' THEN 3 ELSE 0 END)`
)

// laneQuery counts, of each lane, all numbers in holes and those below First,
// and finds where its receipt ends, as lane.thru does.
func laneQuery(which string) string {
	return `SELECT l.id, l.device, l.lane, l.epoch, l.first, l.next, l.top, l.received, l.duplicates, l.conflicts, l.seen_at,
		coalesce(sum(h.to_seq - h.from_seq + 1), 0),
		coalesce(sum(CASE WHEN h.from_seq < l.first THEN ` + lostTo + ` - h.from_seq + 1 END), 0),
		coalesce(min(CASE WHEN h.to_seq >= l.first OR h.to_seq = l.top THEN h.from_seq - 1 END), l.top)
	FROM lane l LEFT JOIN hole h ON h.lane_id = l.id
	WHERE ` + which + `
	GROUP BY l.id
	ORDER BY l.device, CASE l.lane WHEN 'complaint' THEN 0 WHEN 'event' THEN 1 ELSE 2 END, l.id DESC`
}

func scanLane(r *sql.Rows) (Lane, error) {
	var l Lane
	var top, holes, seen int64
	err := r.Scan(&l.id, &l.Device, &l.Lane, &l.Epoch, &l.First, &l.Next, &top, &l.Received, &l.Duplicates, &l.Conflicts, &seen, &holes, &l.Missing, &l.Thru)
	l.Seen = when(seen)
	l.Explained = uint64(top) - l.Received - uint64(holes)
	l.Waiting = l.Next - 1 - uint64(top) + uint64(holes) - l.Missing
	return l, err
}

// holesOf puts the newest holes into their lanes.
func (s *View) holesOf(ctx context.Context, device string, lanes map[int64]*Lane) error {
	_, err := sqlrows.Collect(ctx, s.read, "holes", func(r *sql.Rows) (Hole, error) {
		var h Hole
		var id, since int64
		if err := r.Scan(&id, &h.From, &h.To, &since); err != nil {
			return h, err
		}
		if l := lanes[id]; l != nil { // nil when it came up between the queries
			h.Since, h.Missing = when(since), h.From < l.First
			l.Holes = append(l.Holes, h)
		}
		return h, nil
	}, `SELECT lane_id, from_seq, to_seq, h.since_at FROM (
			SELECT *, row_number() OVER (PARTITION BY lane_id ORDER BY from_seq DESC) AS n FROM hole
			WHERE lane_id IN (SELECT l.id FROM lane l WHERE `+only(device, "l.device", "?")+` AND `+s.own("l.device")+`)) h
		WHERE h.n <= ? ORDER BY lane_id, from_seq DESC`, device, maxRanges)
	return err
}

// gapsOf puts the newest explanations into their lanes.
func (s *View) gapsOf(ctx context.Context, device string, lanes map[int64]*Lane) error {
	_, err := sqlrows.Collect(ctx, s.read, "gaps", func(r *sql.Rows) (Gap, error) {
		var g Gap
		var id, told int64
		if err := r.Scan(&id, &g.From, &g.To, &g.Count, &g.Reason, &told); err != nil {
			return g, err
		}
		g.Told = when(told)
		if l := lanes[id]; l != nil {
			l.Gaps = append(l.Gaps, g)
		}
		return g, nil
	}, `SELECT lane_id, from_seq, to_seq, g.count, g.reason, g.told_at FROM (
			SELECT *, row_number() OVER (PARTITION BY lane_id ORDER BY from_seq DESC) AS n FROM gap
			WHERE lane_id IN (SELECT l.id FROM lane l WHERE `+only(device, "l.device", "?")+` AND `+s.own("l.device")+`)) g
		WHERE g.n <= ? ORDER BY lane_id, from_seq DESC`, device, maxRanges)
	return err
}

func (s *View) missingByDevice(ctx context.Context, id string) (map[string]uint64, error) {
	type row struct {
		id string
		n  uint64
	}
	rows, err := sqlrows.Collect(ctx, s.read, "missing numbers", func(r *sql.Rows) (v row, err error) {
		return v, r.Scan(&v.id, &v.n)
	}, `SELECT l.device, sum(`+lostTo+` - h.from_seq + 1)
		FROM hole h JOIN lane l ON l.id = h.lane_id WHERE h.from_seq < l.first AND `+only(id, "l.device", "?")+` AND `+s.own("l.device")+` GROUP BY l.device`, id)
	out := make(map[string]uint64, len(rows))
	for _, r := range rows {
		out[r.id] = r.n
	}
	return out, err
}
