package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kentongan/agent/report"
)

type streamKey struct{ device, name string }

// statsRow is the newest measurement of a stream in a group. It is read whole
// when the group is, for most are overtaken by then.
type statsRow struct {
	record report.Received
	seenAt int64 // Unix ms
}

// device is the row of a device, as Commit knows it.
type device struct {
	id, state, session   string
	since, firstAt, seen int64 // Unix ms
	birth, site          string
	dirty, insert        bool
}

// seenStep is how stale seen_at may get in the database when nothing else
// changed, so that ten thousand devices don't write a row per message.
const seenStep = 5000 // ms

func (d *device) heard(now int64) {
	if now-d.seen >= seenStep || d.insert {
		d.seen, d.dirty = now, true
	}
}

func (w *writer) device(id string) (*device, error) {
	if d := w.devices[id]; d != nil {
		w.heardOf[d] = true
		return d, nil
	}
	d := &device{id: id}
	err := w.row(selectDevice, id).Scan(&d.state, &d.session, &d.since, &d.firstAt, &d.seen, &d.birth, &d.site)
	if errors.Is(err, sql.ErrNoRows) {
		d.firstAt, d.insert, d.dirty = w.now, true, true
		w.out.State = true
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("read device: %w", err)
	}
	w.devices[id], w.heardOf[d] = d, true
	return d, nil
}

// deviceState takes a birth or a will.
func (w *writer) deviceState(d *device, st *report.DeviceState) error {
	if st.State != report.Online && st.State != report.Offline {
		w.refuse("device state of %s: %q", d.id, report.Clip(st.State, 32))
		return nil
	}
	if outdated(d, st) {
		return nil
	}
	if st.State != d.state {
		d.since = w.now
		w.out.State = true
	}
	d.state, d.session, d.dirty = st.State, report.Clip(st.Session, 128), true
	if st.State == report.Online {
		if err := w.birth(d, st); err != nil {
			return err
		}
		if err := w.keySaid(d.id, st.RecordKey); err != nil {
			return err
		}
		if err := w.firmware(d.id, st.Firmware); err != nil {
			return err
		}
	}
	return w.heads(d.id, st.Heads)
}

// NobodyConnected says that no device is connected, as it is when the broker has
// just started: what was online before is offline until its next birth. Without
// it a device that died while the broker was down would be online for ever, for
// nobody was there to publish its will. It belongs to the goroutine of Commit.
func (s *Store) NobodyConnected(ctx context.Context, now time.Time) error {
	clear(s.devices)
	_, err := s.edit.ExecContext(ctx, "UPDATE device SET state = ?, since_at = ? WHERE state = ?", report.Offline, now.UnixMilli(), report.Online)
	if err != nil {
		return fmt.Errorf("take devices offline: %w", err)
	}
	return nil
}

// outdated tells whether a state belongs to a session before the one that we
// know of: a broker's late will must not hide that the device is back. A
// session is boot.connection; connections of one boot can be ordered, boots
// cannot. So a will counts when its session is the current one, or a later one
// of the same boot whose birth we missed; a birth counts unless it is an
// earlier one of the same boot.
//
// A session that was over does not begin again: a birth after its will is the
// retained one, of before.
func outdated(d *device, st *report.DeviceState) bool {
	if d.session == "" {
		return false
	}
	if st.Session == d.session {
		return st.State == report.Online && d.state == report.Offline
	}
	oldBoot, oldN, ok1 := splitSession(d.session)
	newBoot, newN, ok2 := splitSession(st.Session)
	if ok1 && ok2 && oldBoot == newBoot {
		return newN < oldN
	}
	return st.State == report.Offline && d.state == report.Online
}

func splitSession(s string) (boot string, connection uint64, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 64)
	return s[:i], n, err == nil
}

// about is what we keep of a birth. It is our own type and all of it is
// bounded, because what a device may say (an epoch of 0, say) is more than can
// be read back as the contract's type.
type about struct {
	Site    string   `json:"site,omitempty"`
	Lat     float64  `json:"lat,omitempty"`
	Lon     float64  `json:"lon,omitempty"`
	Version string   `json:"version,omitempty"`
	Boot    string   `json:"boot,omitempty"`
	Epoch   string   `json:"epoch,omitempty"`
	Streams []string `json:"streams,omitempty"`
	Apps    []string `json:"apps,omitempty"`
	Keys    []string `json:"centre_keys,omitempty"` // of ours, that the device believes
	Release uint64   `json:"release,omitempty"`     // that runs; 0 where versions aren't managed
	Trial   string   `json:"trial,omitempty"`
}

func aboutOf(st *report.DeviceState) about {
	a := about{Site: report.Clip(st.Site, 120), Lat: st.Lat, Lon: st.Lon, Version: report.Clip(st.Version, 64), Boot: report.Clip(st.Boot, 64)}
	if st.Epoch != 0 {
		a.Epoch = st.Epoch.String()
	}
	if f := st.Firmware; f != nil {
		a.Release, a.Trial = f.Number, report.Clip(f.Trial, 40)
	}
	for _, name := range st.Streams {
		if report.ValidName(name) {
			a.Streams = append(a.Streams, name)
		}
	}
	for _, name := range st.Apps {
		if report.ValidName(name) {
			a.Apps = append(a.Apps, name)
		}
	}
	for _, id := range st.CentreKeys[:min(len(st.CentreKeys), maxCentreKeys)] {
		a.Keys = append(a.Keys, report.Clip(id, 80))
	}
	return a
}

// maxCentreKeys is how many of our keys a device may say that it believes.
const maxCentreKeys = 8

func readAbout(doc string) (a about, err error) {
	if doc == "" {
		return about{}, nil
	}
	err = json.Unmarshal([]byte(doc), &a)
	return a, err
}

// birth keeps what the device says about itself. A stream that an earlier
// birth named and this one doesn't has been taken out of its configuration.
func (w *writer) birth(d *device, st *report.DeviceState) error {
	before, err := readAbout(d.birth)
	if err != nil {
		return fmt.Errorf("read birth of %s: %w", d.id, err)
	}
	for _, name := range before.Streams {
		if slices.Contains(st.Streams, name) {
			continue
		}
		if err := w.exec(deleteStream, d.id, name); err != nil {
			return fmt.Errorf("delete stream: %w", err)
		}
		w.out.State = true
	}
	if err := w.appBirth(d.id, st.Apps); err != nil {
		return err
	}
	kept := aboutOf(st)
	doc, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode birth of %s: %w", d.id, err)
	}
	d.birth, d.site = string(doc), kept.Site
	return nil
}

// heads takes the heads in a device's state. Only those of the chained lanes:
// their cursor moves by our own acknowledgement, so it can't be ahead of us.
// Telemetry's cursor moves when the broker has it, and the state may overtake
// the batches that are still in the broker.
func (w *writer) heads(id string, heads []report.Head) error {
	for _, h := range heads {
		if !h.Lane.Valid() || h.Epoch == 0 || h.First == 0 || h.Next < h.First {
			w.refuse("head in the state of %s: %+v", id, h)
			continue
		}
		l, err := w.lane(Key{id, uint64(h.Epoch), string(h.Lane)})
		if err != nil {
			return err
		}
		if l == nil || !h.Lane.Chained() {
			continue
		}
		l.head(h)
		if h.First <= l.thru() { // it missed an acknowledgement
			w.touch(l)
		}
	}
	return nil
}

func (w *writer) streamState(dev string, st *report.StreamState) error {
	kept := *st
	kept.Detail, kept.URL = report.Clip(st.Detail, 400), report.Clip(st.URL, 400)
	kept.State, kept.Class, kept.Codec, kept.Proto = report.Clip(st.State, 32), report.Clip(st.Class, 32), report.Clip(st.Codec, 32), report.Clip(st.Proto, 32)
	doc, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode state of stream: %w", err)
	}
	if err := w.exec(upsertStream, dev, st.Name, report.Clip(st.State, 32), report.Clip(st.Class, 32), w.now, string(doc)); err != nil {
		return fmt.Errorf("write state of stream: %w", err)
	}
	return nil
}

// lane gives the lane of a key, made when it is new; nil when the device has
// too many epochs already.
func (w *writer) lane(k Key) (*lane, error) {
	if l := w.lanes[k]; l != nil {
		w.used[l] = true
		return l, nil
	}
	l := &lane{key: k}
	err := w.row(selectLane, k.Device, report.Epoch(k.Epoch).String(), k.Lane).
		Scan(&l.id, &l.first, &l.next, &l.top, &l.received, &l.duplicates, &l.conflicts, &l.seen)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if l, err = w.newLane(k); l == nil || err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("read lane: %w", err)
	default:
		if l.holes, err = w.holes(l.id); err != nil {
			return nil, err
		}
		if err := w.signedOf(l); err != nil {
			return nil, err
		}
	}
	l.stored = slices.Clone(l.holes)
	w.lanes[k], w.used[l] = l, true
	return l, nil
}

func (w *writer) newLane(k Key) (*lane, error) {
	var epochs int
	if err := w.row(countEpochs, k.Device).Scan(&epochs); err != nil {
		return nil, fmt.Errorf("count epochs: %w", err)
	}
	if epochs >= maxEpochs {
		w.refuse("epoch %s of %s: the device has %d already", report.Epoch(k.Epoch), k.Device, epochs)
		return nil, nil
	}
	var id int64
	if err := w.row(insertLane, k.Device, report.Epoch(k.Epoch).String(), k.Lane, w.now).Scan(&id); err != nil {
		return nil, fmt.Errorf("insert lane: %w", err)
	}
	return &lane{id: id, key: k, first: 1, next: 1, seen: w.now}, nil
}

func (w *writer) holes(id int64) ([]report.Range, error) {
	rows, err := w.query(selectHoles, id)
	if err != nil {
		return nil, fmt.Errorf("read holes: %w", err)
	}
	defer rows.Close()
	var out []report.Range
	for rows.Next() {
		var r report.Range
		if err := rows.Scan(&r.From, &r.To); err != nil {
			return nil, fmt.Errorf("read holes: %w", err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// touch marks a lane that this commit has to do with.
func (w *writer) touch(l *lane) {
	w.touched[l] = true
	l.seen, l.dirty = w.now, true
}

// flush writes the rows that changed, and makes the receipts.
func (w *writer) flush() error {
	if err := w.addRecords(); err != nil {
		return err
	}
	for l := range w.used {
		if l.dirty {
			if err := w.writeLane(l); err != nil {
				return err
			}
		}
	}
	for k, st := range w.stats {
		var said report.StreamStats
		if !w.body(st.record, &said) {
			continue
		}
		if said.Name != k.name {
			w.refuse("measurement %s/%d of %s names two streams: %s, %.40q", st.record.Lane, st.record.Seq, k.device, k.name, said.Name)
			continue
		}
		if err := w.exec(upsertStats, k.device, k.name, string(st.record.Body), st.record.Time.UnixMilli(), st.seenAt); err != nil {
			return fmt.Errorf("write stream stats: %w", err)
		}
		w.out.State = true
	}
	for d := range w.heardOf {
		if !d.dirty {
			continue
		}
		if err := w.exec(upsertDevice, d.id, d.state, d.session, d.since, d.firstAt, d.seen, d.birth, d.site); err != nil {
			return fmt.Errorf("write device: %w", err)
		}
		d.dirty, d.insert = false, false
	}
	for l := range w.touched {
		if !report.Lane(l.key.Lane).Chained() {
			continue
		}
		r, err := w.receipt(l)
		if err != nil {
			return err
		}
		w.out.Receipts = append(w.out.Receipts, r)
	}
	return nil
}

func (w *writer) writeLane(l *lane) error {
	if err := w.exec(updateLane, int64(l.first), int64(l.next), int64(l.top), int64(l.received), int64(l.duplicates), int64(l.conflicts), l.seen, l.id); err != nil {
		return fmt.Errorf("write lane: %w", err)
	}
	if l.holesMove {
		if err := w.writeHoles(l); err != nil {
			return err
		}
		w.out.State = true
	}
	l.dirty, l.holesMove = false, false
	return nil
}

// writeHoles writes the difference, so that a hole keeps its since.
func (w *writer) writeHoles(l *lane) error {
	for _, h := range l.stored {
		if _, still := find(l.holes, h.From); !still {
			if err := w.exec(deleteHoles, l.id, int64(h.From)); err != nil {
				return fmt.Errorf("write holes: %w", err)
			}
		}
	}
	for _, h := range l.holes {
		if i, old := find(l.stored, h.From); !old || l.stored[i] != h {
			if err := w.exec(insertHole, l.id, int64(h.From), int64(h.To), w.now); err != nil {
				return fmt.Errorf("write holes: %w", err)
			}
		}
	}
	l.stored = slices.Clone(l.holes)
	return nil
}

// find looks for the hole that begins at from.
func find(holes []report.Range, from uint64) (int, bool) {
	return slices.BinarySearchFunc(holes, from, func(r report.Range, from uint64) int { return cmp.Compare(r.From, from) })
}

// receipt says what of a lane is safe.
func (w *writer) receipt(l *lane) (Receipt, error) {
	r := Receipt{Device: l.key.Device, Lane: report.Lane(l.key.Lane), Epoch: report.Epoch(l.key.Epoch), Seq: l.thru(), Want: l.want()}
	if l.conflicts > 0 {
		if err := w.stopAtConflict(l, &r); err != nil {
			return Receipt{}, err
		}
	}
	if r.Seq == 0 {
		return r, nil
	}
	if l.hashSeq != r.Seq {
		line, err := w.line(l, r.Seq)
		if err != nil {
			return Receipt{}, err
		}
		l.hash, l.hashSeq = nil, r.Seq
		if line != nil {
			h, _ := HashOf(line)
			l.hash = &h
		}
	}
	r.Hash = l.hash
	if l.vouched != nil && l.vouched.Seq <= r.Seq {
		r.Checkpoint = l.vouched
	}
	return r, nil
}
