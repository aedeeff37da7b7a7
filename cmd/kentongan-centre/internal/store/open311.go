package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// PublicRequest is what everybody may know of a complaint, as Open311 calls a
// request. Its ticket, its PIN and what was written to its citizen are not among
// it.
type PublicRequest struct {
	ID        int64
	Code      string
	Name      report.Text // of the service
	Agency    report.Text
	State     string // received, assigned, done, rejected, withdrawn
	Requested time.Time
	Updated   time.Time
	Site      string
	Lat, Lon  float64 // both 0 when not known
}

// PublicFilter says which requests; empty fields don't restrict.
type PublicFilter struct {
	IDs        []int64
	Codes      []string
	From, To   time.Time
	Open       *bool
	Skip, Most int
}

// pressedMS is, in SQL, when a complaint c was pressed, as well as it is known,
// with its boot b: as Complaints works it out.
const pressedMS = `CASE WHEN c.clock <> 'synced' AND b.booted_ms IS NOT NULL THEN b.booted_ms + c.uptime_ms WHEN c.clock = 'unset' THEN c.received_at ELSE c.time_ms END`

// PublicRequests lists what is public, the newest first. It needs no scope.
func (s *Store) PublicRequests(ctx context.Context, f PublicFilter) ([]PublicRequest, error) {
	where, args := f.sql()
	return sqlrows.Collect(ctx, s.read, "public requests", func(r *sql.Rows) (p PublicRequest, err error) {
		var pressed, said int64
		var birth string
		if err := r.Scan(&p.ID, &p.Code, &p.Name.ID, &p.Name.EN, &p.Agency.ID, &p.Agency.EN, &p.State, &pressed, &said, &p.Site, &birth); err != nil {
			return p, err
		}
		p.Requested, p.Updated = when(pressed), when(max(pressed, said))
		b, err := readAbout(birth)
		p.Lat, p.Lon = b.Lat, b.Lon
		return p, err
	}, `SELECT c.id, v.code, v.name_id, v.name_en, coalesce(y.name_id, ''), coalesce(y.name_en, ''), coalesce(t.state, 'received'), `+pressedMS+`, coalesce(t.at_ms, 0), coalesce(d.site, ''), coalesce(d.birth, '')
		FROM complaint c JOIN service v ON v.code = c.service AND v.public = 1
		LEFT JOIN device d ON d.id = c.device
		LEFT JOIN boot b ON b.device = c.device AND b.boot = c.boot
		LEFT JOIN complaint_status t ON t.device = c.device AND t.ticket = c.ticket
		LEFT JOIN agency y ON y.id = `+complaintAgency+`
		WHERE `+where+` ORDER BY c.id DESC LIMIT ? OFFSET ?`, append(args, f.Most, f.Skip)...)
}

func (f PublicFilter) sql() (where string, args []any) {
	terms := []string{"1 = 1"}
	in := func(column string, n int) {
		terms = append(terms, column+" IN (?"+strings.Repeat(", ?", n-1)+")")
	}
	if len(f.IDs) > 0 {
		in("c.id", len(f.IDs))
		for _, id := range f.IDs {
			args = append(args, id)
		}
	}
	if len(f.Codes) > 0 {
		in("c.service", len(f.Codes))
		for _, code := range f.Codes {
			args = append(args, code)
		}
	}
	if !f.From.IsZero() {
		// What was pressed since then came in since then, and that has an index.
		terms = append(terms, "c.received_at >= ? AND "+pressedMS+" >= ?")
		args = append(args, f.From.UnixMilli(), f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		terms = append(terms, pressedMS+" <= ?")
		args = append(args, f.To.UnixMilli())
	}
	if f.Open != nil {
		not := ""
		if *f.Open {
			not = "NOT "
		}
		terms = append(terms, "coalesce(t.state, 'received') "+not+"IN ('done', 'rejected', 'withdrawn')")
	}
	return strings.Join(terms, " AND "), args
}

// RequestOfTicket is the number of a public complaint whose ticket somebody
// has, 0 when it is not public, or not here yet.
func (s *Store) RequestOfTicket(ctx context.Context, t report.Ticket) (id int64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT coalesce(min(c.id), 0) FROM complaint c JOIN service v ON v.code = c.service AND v.public = 1 WHERE c.ticket = ?`, t.String()).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("find ticket: %w", err)
	}
	return id, nil
}

// PublicServices lists what Open311 lists.
func (s *Store) PublicServices(ctx context.Context) ([]Service, error) {
	return sqlrows.Collect(ctx, s.read, "public services", func(r *sql.Rows) (v Service, err error) {
		return v, r.Scan(&v.Code, &v.Agency, &v.Name.ID, &v.Name.EN)
	}, `SELECT v.code, coalesce(y.name_id, ''), v.name_id, v.name_en FROM service v LEFT JOIN agency y ON y.id = v.agency WHERE v.public = 1 ORDER BY v.code`)
}
