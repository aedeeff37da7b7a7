package store

import (
	"context"
	"database/sql"
	"math"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Complaint is one confirmed press.
type Complaint struct {
	ID       int64       `json:"id"` // order of arrival
	Device   string      `json:"device"`
	Epoch    string      `json:"epoch"`
	Seq      uint64      `json:"seq"`
	Site     string      `json:"site,omitempty"`
	Ticket   string      `json:"ticket"`
	Category string      `json:"category"`
	Service  string      `json:"service_code"`
	Label    report.Text `json:"label"`
	Line     string      `json:"line"`
	Presses  int         `json:"presses"`
	Time     time.Time   `json:"time"`  // the best that is known
	Clock    string      `json:"clock"` // synced, estimated, unset; corrected = worked out when the clock was set later
	Received time.Time   `json:"received"`

	Agency string       `json:"agency,omitempty"` // whose it is to deal with
	Status *TicketState `json:"status,omitempty"` // nil while it was only received
	Erased bool         `json:"erased,omitempty"` // nothing is known of it any more but that it came
}

// ComplaintFilter says which complaints; empty fields don't restrict.
type ComplaintFilter struct {
	Device string
	Ticket string // as report.Ticket.String writes it
	Before int64  // id
	Agency string
	State  string // of TicketState; received too, which is none
	Limit  int    // at most MaxComplaints, which 0 means too
}

// MaxComplaints is the most that one query gives.
const MaxComplaints = 500

// Complaints lists complaints, the newest arrival first. The time of a record
// made before the clock was set is worked out from its boot and uptime once
// the device has told when that boot began.
func (s *View) Complaints(ctx context.Context, f ComplaintFilter) ([]Complaint, error) {
	if f.Limit <= 0 || f.Limit > MaxComplaints {
		f.Limit = MaxComplaints
	}
	before := f.Before
	if before == 0 {
		before = math.MaxInt64
	}
	return sqlrows.Collect(ctx, s.read, "complaints", func(r *sql.Rows) (Complaint, error) {
		var c Complaint
		var timeMS, uptime, received int64
		var booted, at sql.NullInt64
		var st TicketState
		var mark string
		err := r.Scan(&c.ID, &c.Device, &c.Epoch, &c.Seq, &c.Site, &c.Ticket, &c.Category, &c.Service, &c.Label.ID, &c.Label.EN,
			&c.Line, &c.Presses, &timeMS, &c.Clock, &uptime, &received, &booted,
			&st.State, &at, &st.Who, &st.Note.ID, &st.Note.EN, &c.Agency, &mark)
		c.Erased = mark != ""
		if c.Clock != string(report.ClockSynced) && booted.Valid {
			timeMS, c.Clock = booted.Int64+uptime, "corrected"
		}
		c.Time, c.Received = when(timeMS), when(received)
		if at.Valid {
			st.At = when(at.Int64)
			c.Status = &st
		}
		return c, err
	}, `SELECT c.id, c.device, l.epoch, c.seq,
			coalesce(d.site, ''),
			c.ticket, c.category, c.service, c.label_id, c.label_en, c.line, c.presses, c.time_ms, c.clock, c.uptime_ms, c.received_at, b.booted_ms,
			coalesce(t.state, ''), t.at_ms, coalesce(t.who, ''), coalesce(t.note_id, ''), coalesce(t.note_en, ''), `+complaintAgency+`, c.erased
		FROM complaint c JOIN lane l ON l.id = c.lane_id
		LEFT JOIN device d ON d.id = c.device
		LEFT JOIN boot b ON b.device = c.device AND b.boot = c.boot
		LEFT JOIN complaint_status t ON t.device = c.device AND t.ticket = c.ticket AND c.erased = ''
		WHERE `+only(f.Device, "c.device", "?1")+` AND `+only(f.Ticket, "c.ticket", "?2")+` AND c.id < ?3
			AND (?5 = '' OR coalesce(t.state, 'received') = ?5) AND (?6 = '' OR `+complaintAgency+` = ?6) AND `+s.ownComplaint()+`
		ORDER BY c.id DESC LIMIT ?4`, f.Device, f.Ticket, before, f.Limit, f.State, f.Agency)
}

// Happening is one record of the event lane, for a device's history.
type Happening struct {
	Seq      uint64
	Kind     string
	Received time.Time
	Time     time.Time // when it happened, as well as it is known
	Clock    string    // as of Complaint
	Record   report.Record
}

// Happenings lists a device's newest events.
func (s *View) Happenings(ctx context.Context, device string, limit int) ([]Happening, error) {
	boots, err := s.boots(ctx, device)
	if err != nil {
		return nil, err
	}
	return sqlrows.Collect(ctx, s.read, "events", func(r *sql.Rows) (Happening, error) {
		var h Happening
		var received int64
		var line []byte
		if err := r.Scan(&h.Seq, &h.Kind, &received, &line); err != nil {
			return h, err
		}
		h.Received = when(received)
		rec, err := report.DecodeRecord(line)
		h.Record = rec
		h.Time, h.Clock = timeOf(rec, boots)
		return h, err
	}, `SELECT r.seq, r.kind, r.received_at, r.line FROM record r
		WHERE r.lane_id = (SELECT id FROM lane WHERE device = ? AND lane = 'event' AND `+s.own("device")+` ORDER BY seen_at DESC, id DESC LIMIT 1)
		ORDER BY r.seq DESC LIMIT ?`, device, limit)
}
