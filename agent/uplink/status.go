package uplink

import (
	"maps"
	"sync"
	"time"

	"kentongan/agent/report"
)

// Status is what the uplink does at a moment.
type Status struct {
	Connected     bool
	Broker        string    // HOST:PORT of the connection, or of the last try
	Since         time.Time // of Connected being as it is
	Session       string    // of the connection
	LastError     string    // for people; empty while all is well
	NextTry       time.Time // while not connected
	Connections   int64     // since start
	SentBytes     int64     // on the wire, below TLS, since start
	ReceivedBytes int64
	RTT           time.Duration // publish to PUBACK, smoothed
	Window        int           // bytes that may be in flight
	InFlight      int           // publishes
	BudgetWaits   bool          // telemetry waits for a budget
	Usage         Usage         // of metered links today
	Lanes         map[report.Lane]LaneStatus
}

// LaneStatus is what one lane has done since start.
type LaneStatus struct {
	SentRecords   uint64 // doubles included
	SentPublishes uint64
	Brokered      uint64 // records with a PUBACK
	Acked         uint64 // all up to here have left the store
	InFlight      int    // publishes
	Resends       uint64 // times that the centre's acknowledgement did not come
	Wanted        uint64 // ranges that the centre asked for again
	BadNotes      uint64 // acknowledgements whose signature or form was wrong
	RefusedAcks   uint64 // signed ones that do not fit the store
}

// stats is the Status that any goroutine reads.
type stats struct {
	mu sync.Mutex // guards s
	s  Status
}

func (st *stats) change(f func(*Status)) {
	st.mu.Lock()
	f(&st.s)
	st.mu.Unlock()
}

func (st *stats) setError(text string) { st.change(func(s *Status) { s.LastError = text }) }
func (st *stats) setWaiting(on bool)   { st.change(func(s *Status) { s.BudgetWaits = on }) }

// Status may be called from any goroutine.
func (u *Uplink) Status() Status {
	u.stats.mu.Lock()
	defer u.stats.mu.Unlock()
	s := u.stats.s
	s.Lanes = maps.Clone(s.Lanes)
	s.SentBytes, s.ReceivedBytes = u.sent.Load(), u.recv.Load()
	return s
}

// publishStats copies the session's figures to where others read them.
func (s *session) publishStats() {
	s.up.stats.change(func(st *Status) {
		st.RTT, st.Window, st.InFlight = s.window.srtt, s.window.limit, s.window.count
		st.Usage = s.up.budget.usage
		for name, l := range s.lanes {
			st.Lanes[name] = l.stats
		}
	})
}
