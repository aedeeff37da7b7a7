package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kentongan/agent/report"
)

// Arrival is one message of a device: exactly one of Batch, State, Stream,
// StreamGone, Alarms, App, AppGone and Checkpoint is set.
type Arrival struct {
	Device     string
	At         time.Time // when it came in, by the centre's clock
	Backlog    bool      // history, of a batch
	Batch      *report.Batch
	State      *report.DeviceState
	Stream     *report.StreamState
	StreamGone string // name of a stream whose retained state was taken away
	Alarms     *report.AlarmSet
	App        *report.AppState
	AppGone    string // as StreamGone
	Checkpoint *Checkpoint
}

// Receipt is what can be acknowledged of a lane now.
type Receipt struct {
	Device string
	Lane   report.Lane
	Epoch  report.Epoch
	Seq    uint64
	Hash   *report.Hash // of record Seq, nil when it isn't held
	Want   []report.Range
	Held   uint64 // the highest number held, where a conflict keeps Seq below it; else 0

	Checkpoint *report.Signed // to be countersigned; nil for none
}

// Committed says what a Commit did.
type Committed struct {
	Records    int // new
	Duplicates int
	Conflicts  int
	Refused    []error           // what was left out, and why; never the whole group's fault
	Complaints []int64           // ids of the new ones
	Services   []string          // of those
	Devices    []string          // that were heard
	Told       []string          // devices that said a state; one may stand here twice
	Fresh      []report.Received // records of chained lanes that were new, and are no copies of older ones
	Receipts   []Receipt         // chained lanes that deserve an acknowledgement
	State      bool              // the state of a device, stream or line may have changed
	Urgent     bool              // an alarm, an answer to an order, or a picture
	Versions   bool              // what a device runs, or what became of a release, may have changed
	Alarms     []AlarmChange     // changes that devices told, in the order of arrival
}

// AlarmChange is a change of an alarm, as a device told it.
type AlarmChange struct {
	Device  string
	At      time.Time // when it came in
	Backlog bool      // it is history
	Alarm   report.Alarm
}

// Commit writes a group of messages in one transaction. After an error the group
// may be given again: of PostgreSQL it may be in the database, if the connection
// ended before its answer; nobody has been told so.
//
// Commit may be called by one goroutine only.
func (s *Store) Commit(ctx context.Context, group []Arrival) (Committed, error) {
	w := s.writer(ctx)
	for attempt := 1; ; attempt++ {
		err := w.run(group)
		if err == nil {
			for d := range w.heardOf {
				w.out.Devices = append(w.out.Devices, d.id)
			}
			return w.out, nil
		}
		s.believeNothing() // it may be ahead of the database
		doubled := s.conn.doubled(err) && !w.doubt
		if !doubled && !(s.conn.passing(err) && attempt < maxAttempts) {
			return Committed{}, fmt.Errorf("commit %d messages: %w", len(group), err)
		}
		doubt := w.doubt || doubled
		w = s.writer(ctx)
		w.doubt = doubt
	}
}

// believeNothing forgets what we hold of the database in memory.
func (s *Store) believeNothing() {
	clear(s.lanes)
	clear(s.devices)
	clear(s.sets)
}

// maxAttempts is how often Commit takes a group that stood in another
// transaction's way, as of an order that is given at the moment.
const maxAttempts = 5

// writer is one Commit under way.
type writer struct {
	*Store
	ctx     context.Context
	records []recordRow    // that wait to be inserted
	doubt   bool           // the account says that a number is new and the table knows it: look at each
	now     int64          // Unix ms, of the arrival at hand
	used    map[*lane]bool // may have changed
	touched map[*lane]bool // deserve a receipt
	heardOf map[*device]bool
	stats   map[streamKey]statsRow
	out     Committed
}

func (s *Store) writer(ctx context.Context) *writer {
	return &writer{
		Store: s, ctx: ctx, used: map[*lane]bool{}, touched: map[*lane]bool{},
		heardOf: map[*device]bool{}, stats: map[streamKey]statsRow{},
	}
}

func (w *writer) run(group []Arrival) error {
	return w.within(func() error {
		for _, a := range group {
			w.now = a.At.UnixMilli()
			if err := w.arrival(a); err != nil {
				return err
			}
		}
		return w.flush()
	})
}

// within runs do in a transaction.
func (w *writer) within(do func() error) (err error) {
	anew, err := w.conn.begin(w.ctx)
	if anew {
		w.believeNothing() // a standby may have taken the server's place
	}
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			// The caller's ctx may be what ended; the rollback has to happen.
			err = errors.Join(err, w.conn.rollback(context.WithoutCancel(w.ctx)))
		}
	}()
	if err := do(); err != nil {
		return err
	}
	if err := w.conn.commit(w.ctx); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// exec runs a statement, at the latest with the commit.
func (w *writer) exec(query string, args ...any) error { return w.conn.exec(w.ctx, query, args...) }

// query asks; records that wait are not found, see addRecords.
func (w *writer) query(query string, args ...any) (rows, error) {
	return w.conn.query(w.ctx, query, args...)
}

// row asks for one row.
func (w *writer) row(query string, args ...any) row {
	r, err := w.query(query, args...)
	return row{r, err}
}

// addRecords inserts the records that wait.
func (w *writer) addRecords() error {
	if len(w.records) == 0 {
		return nil
	}
	if err := w.conn.addRecords(w.ctx, w.records); err != nil {
		return fmt.Errorf("insert records: %w", err)
	}
	w.records = w.records[:0]
	return nil
}

func (w *writer) arrival(a Arrival) error {
	d, err := w.device(a.Device)
	if err != nil {
		return err
	}
	d.heard(w.now)
	if a.Batch == nil {
		w.out.Told = append(w.out.Told, a.Device)
	}
	switch {
	case a.Batch != nil:
		return w.batch(a)
	case a.State != nil:
		return w.deviceState(d, a.State)
	case a.Stream != nil:
		w.out.State = true
		return w.streamState(a.Device, a.Stream)
	case a.StreamGone != "":
		w.out.State = true
		err := w.exec(deleteStream, a.Device, a.StreamGone)
		return err
	case a.Alarms != nil:
		return w.alarmSet(a.Device, a.Alarms)
	case a.App != nil:
		return w.appState(d, a.App)
	case a.AppGone != "":
		return w.appGone(a.Device, a.AppGone)
	case a.Checkpoint != nil:
		return w.checkpoint(a.Device, a.Checkpoint)
	}
	return nil
}

// refuse leaves something out that a device said; the rest goes on.
func (w *writer) refuse(format string, args ...any) {
	w.out.Refused = append(w.out.Refused, fmt.Errorf(format, args...))
}

// batch stores what is new of a batch.
func (w *writer) batch(a Arrival) error {
	b := a.Batch
	for _, r := range b.Records {
		if r.Device != a.Device {
			w.refuse("record %s/%d of device %s on the topic of %s", r.Lane, r.Seq, r.Device, a.Device)
			continue
		}
		l, err := w.lane(Key{a.Device, uint64(r.Epoch), string(r.Lane)})
		if err != nil {
			return err
		}
		if l == nil {
			continue
		}
		if err := w.record(l, r, a.Backlog); err != nil {
			return err
		}
	}
	l, err := w.lane(Key{a.Device, uint64(b.Head.Epoch), string(b.Head.Lane)})
	if err != nil || l == nil {
		return err
	}
	// After the records: a cursor that moved past them doesn't make holes.
	l.head(b.Head)
	w.touch(l)
	return nil
}

// record stores one record, or counts it as a double or a conflict.
func (w *writer) record(l *lane, r report.Received, backlog bool) error {
	w.touch(l)
	if err := l.canTake(r.Seq); err != nil {
		w.refuse("record %s/%s/%d: %w", l.key.Device, r.Lane, r.Seq, err)
		return nil
	}
	if _, gone := HashOf(r.Line); gone {
		w.refuse("record %s/%s/%d: it says that it was erased, which is ours to say", l.key.Device, r.Lane, r.Seq)
		return nil
	}
	keep, err := asKept(r)
	if err != nil {
		return err
	}
	if w.doubt || !l.fresh(r.Seq) {
		switch kept, err := w.line(l, r.Seq); {
		case err != nil:
			return err
		case kept != nil:
			return w.again(l, keep, kept)
		}
		if to, err := w.prunedTo(l); err != nil {
			return err
		} else if r.Seq <= to && !l.fresh(r.Seq) {
			l.duplicates++ // nobody can say any more whether it is the same
			w.out.Duplicates++
			return nil
		}
	}
	held, gone, err := w.cameBefore(l, keep)
	if err == nil && gone {
		keep.Line, err = erasedLine(r.Record, report.HashLine(r.Line))
	}
	if err != nil {
		return err
	}
	w.records = append(w.records, recordRow{l.id, int64(r.Seq), w.now, r.Kind, keep.Line})
	top := l.top
	l.take(r.Seq)
	if r.Lane.Chained() {
		h := report.HashLine(r.Line)
		if err := w.chain(l, r, h, top); err != nil {
			return err
		}
		l.hash, l.hashSeq = &h, r.Seq
		if a := l.awaited; a != nil && a.Seq == r.Seq {
			if err := w.vouch(l, *a, h); err != nil {
				return err
			}
		}
	}
	w.out.Records++
	switch {
	case held:
		l.duplicates++
		w.out.Duplicates++
		return nil // what it means was taken when it came the first time
	case gone:
		return nil // nobody is told any more
	}
	if r.Lane.Chained() {
		w.out.Fresh = append(w.out.Fresh, r)
	}
	return w.meaning(l, r, backlog)
}

// maxConflictLines is how many contradicting lines are kept per lane; more are
// only counted.
const maxConflictLines = 1000

// again handles a number that we hold: a double, or a contradiction, which
// never replaces what we have.
func (w *writer) again(l *lane, r report.Received, kept []byte) error {
	l.dirty = true
	if h, gone := HashOf(kept); gone && h == report.HashLine(r.Line) || string(kept) == string(r.Line) {
		l.duplicates++
		w.out.Duplicates++
		return nil
	}
	l.conflicts++
	w.out.Conflicts++
	w.out.State = true
	var n int
	if err := w.row(countConflicts, l.id).Scan(&n); err != nil || n >= maxConflictLines {
		return err
	}
	h := report.HashLine(r.Line)
	if err := w.fault(l.key, FaultContent, r.Seq, fmt.Sprintf("record %d came with two contents; the second has the hash %s", r.Seq, h)); err != nil {
		return err
	}
	line := r.Line
	if _, gone, err := w.cameBefore(l, r); err != nil {
		return err
	} else if gone {
		line = []byte{} // as erasing leaves it
	}
	return w.exec(insertConflict, l.id, int64(r.Seq), h[:], w.now, line)
}

// meaning takes what a new record says into the tables that the page shows. A
// body that can't be read is kept in its record and otherwise passed over.
func (w *writer) meaning(l *lane, r report.Received, backlog bool) error {
	switch r.Kind {
	case report.KindPress:
		if r.Lane == report.Complaint {
			return w.press(l, r)
		}
	case report.KindCancel:
		if r.Lane == report.Complaint {
			return w.cancel(l, r)
		}
	case report.KindGap:
		var g report.Gap
		if r.Lane == report.Event && w.body(r, &g) {
			return w.gap(l.key.Device, g)
		}
	case report.KindClock:
		var c report.ClockSet
		if w.body(r, &c) && c.Boot != "" && c.Clock != report.ClockUnset {
			return w.clockSet(l.key.Device, c)
		}
	case report.KindBoot:
		if r.Lane == report.Event {
			// A start says what is wrong with its lines anew; what the run before
			// it said has ended with it.
			w.out.State = true
			if err := w.aroundStart(r); err != nil {
				return err
			}
			err := w.exec(clearLines, l.key.Device, r.Epoch.String(), int64(r.Seq))
			return err
		}
	case report.KindReading:
		return w.reading(r)
	case report.KindInput:
		return w.input(r)
	case report.KindLine:
		var ln report.LineState
		if w.body(r, &ln) {
			w.out.State = true
			err := w.exec(upsertLn, l.key.Device, report.Clip(ln.Line, 64), r.Epoch.String(), int64(r.Seq), report.Clip(ln.State, 32), report.Clip(ln.Detail, 400), w.now)
			return err
		}
	case report.KindAlarm, report.KindCommand, report.KindSnapshot, report.KindSnapshotPiece:
		return w.alarmMeaning(l, r, backlog)
	case report.KindDeviceStats:
		var st struct {
			Alarms *report.AlarmCounts `json:"alarms"`
		}
		// Most have none, and to read all that a measurement says costs as much as
		// to keep it.
		if !backlog && bytes.Contains(r.Body, alarmsKey) && w.body(r, &st) && st.Alarms != nil {
			return w.alarmCounts(l.key.Device, *st.Alarms)
		}
	case report.KindUpdate:
		if r.Lane == report.Event {
			return w.update(r)
		}
	case report.KindAppStats:
		if r.Lane == report.Telemetry {
			return w.appStats(l.key.Device, r, backlog)
		}
	case report.KindStreamStats:
		if backlog {
			return nil
		}
		if name, ok := w.streamOf(r); ok {
			w.stats[streamKey{l.key.Device, name}] = statsRow{r, w.now}
		}
	}
	return nil
}

// alarmsKey is how the account of alarms begins in the measurements of a device.
var alarmsKey = []byte(`"alarms"`)

// streamOf is the stream that a measurement is of. Our devices write its name
// first, and then the rest need not be read.
func (w *writer) streamOf(r report.Received) (name string, ok bool) {
	if rest, first := bytes.CutPrefix(r.Body, []byte(`{"name":"`)); first {
		if name, _, ended := bytes.Cut(rest, []byte{'"'}); ended && report.ValidName(string(name)) {
			return string(name), true
		}
	}
	var st struct {
		Name string `json:"name"`
	}
	if !w.body(r, &st) || !report.ValidName(st.Name) {
		return "", false
	}
	return st.Name, true
}

// body reads a record's body.
func (w *writer) body(r report.Received, to any) bool {
	if err := json.Unmarshal(r.Body, to); err != nil {
		w.refuse("body of record %s/%s/%d, kind %s: %w", r.Device, r.Lane, r.Seq, report.Clip(r.Kind, 32), err)
		return false
	}
	return true
}

// gap takes a device's word that numbers will never come.
func (w *writer) gap(device string, g report.Gap) error {
	if !g.Lane.Valid() || g.Epoch == 0 || g.From == 0 || g.To < g.From || g.To > maxSeq {
		w.refuse("gap record of %s: %+v is no range", device, g)
		return nil
	}
	l, err := w.lane(Key{device, uint64(g.Epoch), string(g.Lane)})
	if err != nil || l == nil {
		return err
	}
	if g.From > l.top+1 && len(l.holes) >= maxHoles {
		w.refuse("gap record of %s: %w", device, errHoles)
		return nil
	}
	l.explain(report.Range{From: g.From, To: g.To})
	w.touch(l)
	err = w.exec(insertGap, l.id, int64(g.From), int64(g.To), int64(min(g.Count, maxSeq)), report.Clip(g.Reason, 64), w.now)
	return err
}

// press makes a complaint of a record.
func (w *writer) press(l *lane, r report.Received) error {
	var p report.Press
	if !w.body(r, &p) {
		p = report.Press{Category: "?"} // somebody pressed: it has to be seen
	}
	ticket := shownTicket(p.Ticket)
	var id int64
	err := w.row(insertComplaint, l.key.Device, l.id, int64(r.Seq), ticket,
		report.Clip(p.Category, 64), report.Clip(p.ServiceCode, 64), report.Clip(p.Label.ID, 120), report.Clip(p.Label.EN, 120), report.Clip(p.Line, 64),
		max(1, p.Presses), r.Time.UnixMilli(), string(r.Clock), report.Clip(r.Boot, 64), r.UptimeMS, w.now).Scan(&id)
	if err != nil {
		return fmt.Errorf("insert complaint: %w", err)
	}
	w.out.Complaints = append(w.out.Complaints, id)
	w.out.Services = append(w.out.Services, p.ServiceCode)
	return nil
}

// shownTicket is a ticket as the complaint table has it.
func shownTicket(said string) string {
	ticket := report.Clip(said, 32)
	if t, err := report.ParseTicket(ticket); err == nil {
		return t.String()
	}
	return ticket
}
