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

// complaintAgency is, in SQL, the agency of a complaint c: the one that somebody
// passed it on to, else the one that its service is routed to, else its kiosk's.
const complaintAgency = `coalesce(
	(SELECT x.agency FROM complaint_agency x WHERE x.device = c.device AND x.ticket = c.ticket),
	(SELECT v.agency FROM service v WHERE v.code = c.service AND v.agency <> ''),
	(SELECT g.agency FROM device_agency g WHERE g.device = c.device), '')`

// ownComplaint is true, in SQL, of a complaint c that the view may see.
func (s *View) ownComplaint() string {
	switch {
	case s.scope.all:
		return "1 = 1"
	case s.scope.agency == "":
		return "1 = 0"
	}
	return complaintAgency + " = '" + s.scope.agency + "'"
}

// Tables are the connections for the room access, whose queries are its own: one
// that only reads, and one for short transactions of people.
func (s *Store) Tables() (read, edit *pool) { return s.read, s.edit }
