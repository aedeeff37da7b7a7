package store

import (
	"regexp"
)

// View is what one agency sees of the store, and what its people may change. It
// is the only place where that is decided: every query names its device, and
// the View adds whose it has to be.
//
// All its methods may be called from anywhere at the same time.
type View struct {
	read  *pool // can't write
	edit  *pool // what people of the centre do; short transactions beside Commit's. SQLite overwrites what it erases
	scope Scope
	wipe  *wiper
}

// Scope says whose devices and complaints a View shows. The zero Scope shows
// nothing.
type Scope struct {
	all    bool
	agency string
}

// Everything is the scope of the province: devices of every agency, and those of
// none.
func Everything() Scope { return Scope{all: true} }

// OfAgency is the scope of one agency; of an id that can be none, it shows
// nothing.
func OfAgency(id string) Scope {
	if !ValidAgency(id) {
		return Scope{}
	}
	return Scope{agency: id}
}

// All tells whether it is the scope of the province.
func (s Scope) All() bool { return s.all }

// Agency is whose scope it is, "" for the province's and for none.
func (s Scope) Agency() string { return s.agency }

var agencyID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// ValidAgency tells whether id can be an agency's.
func ValidAgency(id string) bool { return agencyID.MatchString(id) }

// For is what a scope sees.
func (s *Store) For(scope Scope) *View {
	return &View{read: s.read, edit: s.edit, scope: scope, wipe: s.wipe}
}

// Scope is whose view it is.
func (s *View) Scope() Scope { return s.scope }

// own is true, in SQL, of a device that the view may see. The agency stands in
// the text and not among the arguments, so that queries keep their own
// numbering of those; ValidAgency lets nothing through that could end a string.
func (s *View) own(device string) string {
	switch {
	case s.scope.all:
		return "1 = 1"
	case s.scope.agency == "":
		return "1 = 0"
	}
	return device + " IN (SELECT g.device FROM device_agency g WHERE g.agency = '" + s.scope.agency + "')"
}

// only narrows a query, in SQL, to the rows of one value, a device's as a rule, or
// to nothing less than all when it is "". The value is also the query's parameter.
// These are two texts because no index helps with "? = ” OR device = ?": with ten
// thousand devices each question about one read the rows of all.
func only(value, column, param string) string {
	if value == "" {
		return param + " = ''"
	}
	return column + " = " + param
}

// complaintAgency is, in SQL, the agency of a complaint c: the one that somebody
// passed it on to, else the one that its service is routed to, else its kiosk's.
const complaintAgency = `coalesce(
	(SELECT x.agency FROM complaint_agency x WHERE x.device = c.device AND x.ticket = c.ticket),
	(SELECT v.agency FROM service v WHERE v.code = c.service AND v.agency <> ''),
	(SELECT g.agency FROM device_agency g WHERE g.device = c.device), '')`

// ownComplaint is true, in SQL, of a complaint c that the view may see: of one
// whose complaintAgency is the view's. It is said in sets, each of which the
// database makes once, where complaintAgency asks three tables for each complaint.
func (s *View) ownComplaint() string {
	switch {
	case s.scope.all:
		return "1 = 1"
	case s.scope.agency == "":
		return "1 = 0"
	}
	is := " = '" + s.scope.agency + "'"
	return `((c.device, c.ticket) IN (SELECT x.device, x.ticket FROM complaint_agency x WHERE x.agency` + is + `)
		OR (c.device, c.ticket) NOT IN (SELECT x.device, x.ticket FROM complaint_agency x)
			AND (c.service IN (SELECT v.code FROM service v WHERE v.agency` + is + `)
				OR c.service NOT IN (SELECT v.code FROM service v WHERE v.agency <> '') AND ` + s.own("c.device") + `))`
}

// Tables are the connections for the room access, whose queries are its own: one
// that only reads, and one for short transactions of people.
func (s *Store) Tables() (read, edit *pool) { return s.read, s.edit }
