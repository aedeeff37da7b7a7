package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Agency is an office of the province that has devices or takes complaints.
type Agency struct {
	ID       string      `json:"agency"`
	Name     report.Text `json:"name"`
	Devices  int         `json:"devices"`
	Services int         `json:"services"`
}

// Service is what citizens can complain of, and who takes it.
type Service struct {
	Code   string      `json:"service_code"`
	Agency string      `json:"agency"` // "" = the kiosk's
	Name   report.Text `json:"name"`
	Public bool        `json:"public"` // Open311 lists it
	Seen   int         `json:"seen"`   // complaints of it that are here
}

// Errors of the tables of agencies.
var (
	ErrNoAgency   = errors.New("no such agency")
	ErrAgencyUsed = errors.New("the agency has devices, services, complaints or people")
)

// Agencies lists all agencies: their names are no secret.
func (s *View) Agencies(ctx context.Context) ([]Agency, error) {
	return sqlrows.Collect(ctx, s.read, "agencies", func(r *sql.Rows) (a Agency, err error) {
		return a, r.Scan(&a.ID, &a.Name.ID, &a.Name.EN, &a.Devices, &a.Services)
	}, `SELECT a.id, a.name_id, a.name_en,
			(SELECT count(*) FROM device_agency g WHERE g.agency = a.id),
			(SELECT count(*) FROM service v WHERE v.agency = a.id)
		FROM agency a ORDER BY a.id`)
}

// PutAgency makes an agency, or names it anew.
func (s *Store) PutAgency(ctx context.Context, a Agency) error {
	if !ValidAgency(a.ID) {
		return &InputError{"id", a.ID, "1 to 40 of a-z, 0-9 and hyphen"}
	}
	if a.Name.ID == "" {
		return &InputError{"name", "", "what people call the agency"}
	}
	return s.change(ctx, "write agency "+a.ID, `INSERT INTO agency (id, name_id, name_en) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name_id = excluded.name_id, name_en = excluded.name_en`, a.ID, a.Name.ID, a.Name.EN)
}

// DropAgency takes an agency away that nothing belongs to.
func (s *Store) DropAgency(ctx context.Context, id string) error {
	res, err := s.edit.ExecContext(ctx, `DELETE FROM agency WHERE id = ?
		AND NOT EXISTS (SELECT 1 FROM device_agency g WHERE g.agency = agency.id) AND NOT EXISTS (SELECT 1 FROM service v WHERE v.agency = agency.id)
		AND NOT EXISTS (SELECT 1 FROM account p WHERE p.agency = agency.id) AND NOT EXISTS (SELECT 1 FROM complaint_agency x WHERE x.agency = agency.id)`, id)
	if err != nil {
		return fmt.Errorf("delete agency %s: %w", id, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrAgencyUsed, err)
	}
	return nil
}

// SetDeviceAgency says whose a device is, which may not have been heard of yet;
// "" takes it from everybody.
func (s *Store) SetDeviceAgency(ctx context.Context, device, agency string) error {
	if !report.ValidDevice(device) {
		return &InputError{"device", device, "1 to 40 of a-z, 0-9 and hyphen"}
	}
	if agency == "" {
		return s.change(ctx, "set agency of "+device, `DELETE FROM device_agency WHERE device = ?`, device)
	}
	if err := s.known(ctx, agency); err != nil {
		return err
	}
	return s.change(ctx, "set agency of "+device, `INSERT INTO device_agency (device, agency) VALUES (?, ?)
		ON CONFLICT (device) DO UPDATE SET agency = excluded.agency`, device, agency)
}

// Services lists the routing table, with the codes that kiosks send and nobody
// has entered yet: those have no name.
func (s *View) Services(ctx context.Context) ([]Service, error) {
	return sqlrows.Collect(ctx, s.read, "services", func(r *sql.Rows) (v Service, err error) {
		return v, r.Scan(&v.Code, &v.Agency, &v.Name.ID, &v.Name.EN, &v.Public, &v.Seen)
	}, `SELECT v.code, v.agency, v.name_id, v.name_en, v.public, (SELECT count(*) FROM complaint c WHERE c.service = v.code AND `+s.ownComplaint()+`) FROM service v
		UNION ALL SELECT c.service, '', min(c.label_id), min(c.label_en), 0, count(*) FROM complaint c
			WHERE c.service <> '' AND c.service NOT IN (SELECT code FROM service) AND `+s.ownComplaint()+` GROUP BY c.service
		ORDER BY 1`)
}

// PutService enters a service in the routing table, or changes it.
func (s *Store) PutService(ctx context.Context, v Service) error {
	if !report.ValidName(v.Code) {
		return &InputError{"code", v.Code, "the service_code of the kiosk's configuration: a-z, 0-9, hyphen, underscore"}
	}
	if v.Agency != "" {
		if err := s.known(ctx, v.Agency); err != nil {
			return err
		}
	}
	return s.change(ctx, "write service "+v.Code, `INSERT INTO service (code, agency, name_id, name_en, public) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (code) DO UPDATE SET agency = excluded.agency, name_id = excluded.name_id, name_en = excluded.name_en, public = excluded.public`,
		v.Code, v.Agency, v.Name.ID, v.Name.EN, flag(v.Public))
}

// DropService takes a service out of the routing table.
func (s *Store) DropService(ctx context.Context, code string) error {
	return s.change(ctx, "delete service "+code, `DELETE FROM service WHERE code = ?`, code)
}

// PassOn gives a complaint to an agency, whatever its service is routed to.
func (s *View) PassOn(ctx context.Context, id int64, agency, who string, now time.Time) error {
	device, ticket, err := s.ComplaintOf(ctx, id)
	if err != nil {
		return err
	}
	if err := s.known(ctx, agency); err != nil {
		return err
	}
	return s.ofTicket(ctx, "pass on complaint "+ticket, device, ticket, `INSERT INTO complaint_agency (device, ticket, agency, at_ms, who) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (device, ticket) DO UPDATE SET agency = excluded.agency, at_ms = excluded.at_ms, who = excluded.who`, device, ticket, agency, now.UnixMilli(), who)
}

// AgencyOfComplaint is whose a complaint is to deal with, "" for the province's.
func (s *View) AgencyOfComplaint(ctx context.Context, id int64) (agency string, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT `+complaintAgency+` FROM complaint c WHERE c.id = ? AND `+s.ownComplaint(), id).Scan(&agency)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrNoComplaint
	}
	if err != nil {
		return "", fmt.Errorf("read agency of complaint %d: %w", id, err)
	}
	return agency, nil
}

// Directory says whose devices and services are; only those that somebody has.
type Directory struct {
	Devices, Services map[string]string
}

// OfDevice is whose a device is.
func (d Directory) OfDevice(device string) (agency string, ok bool) {
	agency, ok = d.Devices[device]
	return agency, ok
}

// OfService is who takes complaints of a service.
func (d Directory) OfService(code string) (agency string, ok bool) {
	agency, ok = d.Services[code]
	return agency, ok
}

// Directory reads it.
func (s *Store) Directory(ctx context.Context) (Directory, error) {
	d := Directory{Devices: map[string]string{}, Services: map[string]string{}}
	for into, query := range map[*map[string]string]string{
		&d.Devices:  `SELECT device, agency FROM device_agency`,
		&d.Services: `SELECT code, agency FROM service WHERE agency <> ''`,
	} {
		_, err := sqlrows.Collect(ctx, s.read, "directory of agencies", func(r *sql.Rows) (x struct{}, err error) {
			var k, v string
			err = r.Scan(&k, &v)
			(*into)[k] = v
			return x, err
		}, query)
		if err != nil {
			return d, err
		}
	}
	return d, nil
}

// known is ErrNoAgency for an agency that is not in its table.
func (s *View) known(ctx context.Context, agency string) error {
	var one int
	err := s.read.QueryRowContext(ctx, `SELECT 1 FROM agency WHERE id = ?`, agency).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoAgency
	}
	if err != nil {
		return fmt.Errorf("read agency: %w", err)
	}
	return nil
}

// change runs one statement of what people here do.
func (s *View) change(ctx context.Context, what, statement string, args ...any) error {
	if _, err := s.edit.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// flag is a truth as a column of type INTEGER holds it.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// InputError is what somebody wrote that can't be taken.
type InputError struct {
	Field, Value, Want string
}

func (e *InputError) Error() string {
	return fmt.Sprintf("%s %q: write %s", e.Field, report.Clip(e.Value, 60), e.Want)
}

// Owned is a device and whose it is.
type Owned struct {
	Device, Site, Agency string
	Heard                bool // it has spoken to this centre
}

// Owned lists devices and whose they are, those of nobody first; query restricts
// them to ids and agencies that contain it.
func (s *View) Owned(ctx context.Context, query string, limit int) ([]Owned, error) {
	like := "%" + likeEscape(query) + "%"
	return sqlrows.Collect(ctx, s.read, "owners", func(r *sql.Rows) (o Owned, err error) {
		var birth string
		if err := r.Scan(&o.Device, &o.Agency, &birth, &o.Heard); err != nil {
			return o, err
		}
		b, err := readAbout(birth)
		o.Site = b.Site
		return o, err
	}, `SELECT x.device, x.agency, x.birth, x.heard FROM (
			SELECT d.id AS device, coalesce(g.agency, '') AS agency, d.birth AS birth, 1 AS heard FROM device d LEFT JOIN device_agency g ON g.device = d.id
			UNION ALL SELECT g.device, g.agency, '', 0 FROM device_agency g WHERE g.device NOT IN (SELECT id FROM device)) x
		WHERE (x.device LIKE ? ESCAPE '!' OR x.agency LIKE ? ESCAPE '!') AND `+s.own("x.device")+`
		ORDER BY CASE x.agency WHEN '' THEN 0 ELSE 1 END, x.device LIMIT ?`, like, like, limit)
}

// likeEscape makes a text one that LIKE … ESCAPE '!' takes as it is.
func likeEscape(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(strings.ToLower(s))
}
