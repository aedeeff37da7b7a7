package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"kentongan/agent/report"
)

// alarmMeaning takes records about alarms, orders and pictures.
func (w *writer) alarmMeaning(l *lane, r report.Received, backlog bool) error {
	device := l.key.Device
	switch r.Kind {
	case report.KindAlarm:
		var a report.Alarm
		if r.Lane == report.Event && w.body(r, &a) {
			return w.alarm(device, a, backlog)
		}
	case report.KindCommand:
		var c report.CommandResult
		if r.Lane == report.Event && w.body(r, &c) && c.ID != "" {
			return w.answer(device, c)
		}
	case report.KindSnapshot:
		var s report.Snapshot
		if r.Lane == report.Event && w.body(r, &s) {
			return w.picture(device, s)
		}
	case report.KindSnapshotPiece:
		var p report.SnapshotPiece
		if r.Lane == report.Telemetry && w.body(r, &p) {
			return w.piece(device, p)
		}
	}
	return nil
}

// lastSet is what a device's newest state/alarms said.
type lastSet struct {
	ledger string
	n      uint64
	ids    []string
	whole  bool
}

// denies tells whether an alarm that an event calls active is over: the event is
// older than a set that does not name it. It is how an alarm ends whose end was
// dropped from a full event lane.
func (s lastSet) denies(a report.Alarm) bool {
	return s.whole && a.N <= s.n && !slices.Contains(s.ids, a.ID)
}

func (w *writer) lastSet(device string) (s lastSet, err error) {
	if s, known := w.sets[device]; known {
		return s, nil
	}
	defer func() {
		if err == nil {
			w.sets[device] = s
		}
	}()
	var ids string
	var whole int64
	err = w.row(selectSet, device).Scan(&s.ledger, &s.n, &ids, &whole)
	s.whole = whole != 0
	if errors.Is(err, sql.ErrNoRows) {
		return lastSet{}, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(ids), &s.ids)
	}
	if err != nil {
		return s, fmt.Errorf("read alarms of %s: %w", device, err)
	}
	return s, nil
}

// Bounds of what an alarm may say.
const (
	maxAlarmID   = 32
	maxAlarmName = 80
)

func badAlarm(id, source, condition string, n uint64) bool {
	return ofCentre(source) || id == "" || len(id) > maxAlarmID || source == "" || len(source) > maxAlarmName || condition == "" || len(condition) > maxAlarmName || n == 0 || n > maxSeq
}

// alarm takes a change of an alarm.
func (w *writer) alarm(device string, a report.Alarm, backlog bool) error {
	if badAlarm(a.ID, a.Source, a.Condition, a.N) {
		w.refuse("alarm of %s: id %.40q, source %.40q, condition %.40q, n %d", device, a.ID, a.Source, a.Condition, a.N)
		return nil
	}
	a.Severity, a.State = report.Clip(a.Severity, 16), report.Clip(a.State, 16)
	a.Detail, a.Label, a.By, a.Note = report.Clip(a.Detail, 400), report.Clip(a.Label, 120), report.Clip(a.By, 120), report.Clip(a.Note, 400)
	a.Hides = a.Hides[:min(len(a.Hides), report.MaxHides)]
	var ended int64
	if a.State == report.AlarmCleared {
		ended = w.now
	} else {
		last, err := w.lastSet(device)
		if err != nil {
			return err
		}
		if last.denies(a) {
			a.State, ended = report.AlarmCleared, w.now
		}
	}
	doc, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode alarm of %s: %w", device, err)
	}
	w.out.Urgent = true
	w.out.Alarms = append(w.out.Alarms, AlarmChange{device, time.UnixMilli(w.now), backlog, a})
	err = w.exec(upsertAlarm, device, a.ID, int64(a.N), a.Source, a.Condition, a.Severity, a.State, a.Since.UnixMilli(), w.now, ended, string(doc))
	if err != nil {
		return fmt.Errorf("write alarm of %s: %w", device, err)
	}
	return nil
}

// alarmSet takes a device's word of all that is raised now.
func (w *writer) alarmSet(device string, s *report.AlarmSet) error {
	last, err := w.lastSet(device)
	if err != nil {
		return err
	}
	if last.ledger == s.Ledger && s.N < last.n {
		return nil // the retained one of before
	}
	ids := []string{}
	for _, l := range s.Alarms {
		if badAlarm(l.ID, l.Source, l.Condition, l.N) {
			w.refuse("alarm in the set of %s: id %.40q, source %.40q", device, l.ID, l.Source)
			continue
		}
		ids = append(ids, l.ID)
		doc, err := json.Marshal(report.Alarm{ID: l.ID, N: l.N, Source: l.Source, Condition: l.Condition, Severity: report.Clip(l.Severity, 16), State: report.Clip(l.State, 16), Since: l.Since})
		if err != nil {
			return fmt.Errorf("encode alarm of %s: %w", device, err)
		}
		if err := w.exec(lineAlarm, device, l.ID, int64(l.N), l.Source, l.Condition, report.Clip(l.Severity, 16), report.Clip(l.State, 16), l.Since.UnixMilli(), w.now, string(doc)); err != nil {
			return fmt.Errorf("write alarm of %s: %w", device, err)
		}
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return fmt.Errorf("encode alarms of %s: %w", device, err)
	}
	whole := s.Count <= len(s.Alarms)
	if whole {
		if err := w.exec(`UPDATE alarm SET state = 'cleared', ended_at = ?1 WHERE device = ?2 AND ended_at = 0 AND source NOT LIKE 'centre/%'
			AND NOT `+w.d.oneOf("id", "?3")+` AND (n <= ?4 OR raised_at < ?5)`, w.now, device, names(ids), int64(min(s.N, maxSeq)), w.now-60_000); err != nil {
			return fmt.Errorf("end alarms of %s: %w", device, err)
		}
	}
	w.out.Urgent = true
	w.sets[device] = lastSet{report.Clip(s.Ledger, maxAlarmID), min(s.N, maxSeq), ids, whole}
	if err := w.exec(upsertSet, device, report.Clip(s.Ledger, maxAlarmID), int64(min(s.N, maxSeq)), string(list), flag(whole)); err != nil {
		return fmt.Errorf("write alarms of %s: %w", device, err)
	}
	return nil
}

// alarmCounts takes a device's account of its alarms.
func (w *writer) alarmCounts(device string, c report.AlarmCounts) error {
	if !(c.CameraDays >= 0 && c.CameraDays < 1e9) || c.Raised > maxSeq || c.False > c.Raised+maxSeq/2 {
		w.refuse("alarm account of %s: %+v", device, c)
		return nil
	}
	err := w.exec(upsertCounts, device, int64(c.Raised), int64(c.False), c.CameraDays)
	return err
}

// answer takes the result of an order; the first counts.
func (w *writer) answer(device string, c report.CommandResult) error {
	switch c.State {
	case report.CommandSucceeded, report.CommandFailed, report.CommandRejected:
	default:
		w.refuse("result of an order of %s: state %.40q", device, c.State)
		return nil
	}
	c.Reason, c.Detail, c.Name = report.Clip(c.Reason, 32), report.Clip(c.Detail, 400), report.Clip(c.Name, 40)
	doc, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode result of %s: %w", device, err)
	}
	w.out.Urgent = true
	err = w.exec(answerOrder, c.State, string(doc), w.now, c.ID, device)
	return err
}

// ordered tells whether we ordered this picture of this device, and of which
// stream. Nothing else is taken: a device has no business sending pictures that
// nobody asked for.
func (w *writer) ordered(device, id string) (stream string, err error) {
	err = w.row(selectOrder, id, device).Scan(&stream)
	if errors.Is(err, sql.ErrNoRows) {
		w.refuse("picture of %s that nobody ordered: %.40q", device, id)
		return "", nil
	}
	return stream, err
}

// picture takes a device's record of a picture that is on its way.
func (w *writer) picture(device string, s report.Snapshot) error {
	stream, err := w.ordered(device, s.ID)
	if err != nil || stream == "" {
		return err
	}
	if s.Stream != stream || s.Size < 1 || s.Size > report.MaxSnapshotBytes || s.Pieces != (s.Size+report.PieceBytes-1)/report.PieceBytes {
		w.refuse("picture of %s: stream %.40q, %d bytes in %d pieces", device, s.Stream, s.Size, s.Pieces)
		return nil
	}
	s.Who, s.Reason, s.Format = report.Clip(s.Who, 120), report.Clip(s.Reason, 400), report.Clip(s.Format, 16)
	doc, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode picture of %s: %w", device, err)
	}
	if err := w.exec(insertPicture, device, s.ID, s.Stream, s.TakenAt.UnixMilli(), w.now, w.now, string(doc)); err != nil {
		return fmt.Errorf("write picture of %s: %w", device, err)
	}
	w.out.Urgent = true
	return w.assemble(device, s.ID)
}

// piece takes a piece; it may come before the record of its picture.
func (w *writer) piece(device string, p report.SnapshotPiece) error {
	stream, err := w.ordered(device, p.ID)
	if err != nil || stream == "" {
		return err
	}
	if p.Index < 0 || p.Index >= p.Of || p.Of > report.MaxSnapshotBytes/report.PieceBytes || len(p.Data) < 1 || len(p.Data) > report.PieceBytes {
		w.refuse("piece of a picture of %s: %d of %d, %d bytes", device, p.Index, p.Of, len(p.Data))
		return nil
	}
	switch done, err := w.pictureDone(device, p.ID); {
	case err != nil:
		return err
	case done: // the bytes of one that was erased don't touch the disk again
		return nil
	}
	if err := w.exec(insertPiece, device, p.ID, p.Index, w.now, p.Data); err != nil {
		return fmt.Errorf("write piece of a picture of %s: %w", device, err)
	}
	w.out.State = true
	return w.assemble(device, p.ID)
}

// pictureDone tells whether no more pieces of a picture are taken: it is whole,
// or was erased.
func (w *writer) pictureDone(device, id string) (bool, error) {
	var state, doc string
	err := w.row(selectPicture, device, id).Scan(&state, &doc)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read picture of %s: %w", device, err)
	}
	return state != PictureWaiting && state != PictureMissing, nil
}

// assemble puts a picture together when its record and all its pieces are here,
// and holds it against the hash in the record.
func (w *writer) assemble(device, id string) error {
	var state, doc string
	err := w.row(selectPicture, device, id).Scan(&state, &doc)
	if errors.Is(err, sql.ErrNoRows) || err == nil && state != PictureWaiting && state != PictureMissing {
		if err == nil { // it was erased, or is here already
			err = w.exec(deletePieces, device, id)
			return err
		}
		return nil
	}
	var s report.Snapshot
	if err == nil {
		err = json.Unmarshal([]byte(doc), &s)
	}
	if err != nil {
		return fmt.Errorf("read picture of %s: %w", device, err)
	}
	data, have, err := w.pieces(device, id)
	if err != nil {
		return err
	}
	if have < s.Pieces {
		err := w.exec(setPicture, PictureWaiting, nil, have, w.now, device, id)
		return err
	}
	state = PictureWhole
	if len(data) != s.Size || report.Hash(sha256.Sum256(data)) != s.SHA256 {
		state, data = PictureDamaged, nil
	}
	w.out.Urgent = true
	if err := w.exec(setPicture, state, data, have, w.now, device, id); err != nil {
		return fmt.Errorf("write picture of %s: %w", device, err)
	}
	err = w.exec(deletePieces, device, id)
	return err
}

func (w *writer) pieces(device, id string) (data []byte, have int, err error) {
	rows, err := w.query(selectPieces, device, id)
	if err != nil {
		return nil, 0, fmt.Errorf("read pieces: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var idx int
		var piece []byte
		if err := rows.Scan(&idx, &piece); err != nil {
			return nil, 0, fmt.Errorf("read pieces: %w", err)
		}
		have++
		data = append(data, piece...)
	}
	return data, have, rows.Err()
}
