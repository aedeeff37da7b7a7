package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// surroundingsSchema is what the sensors and contacts of a device say now.
const surroundingsSchema = `
CREATE TABLE surroundings (
	device   TEXT NOT NULL,
	source   TEXT NOT NULL,    -- sensor/NAME or line/NAME
	epoch    TEXT NOT NULL,
	seq      INTEGER NOT NULL, -- of the record that said so, in the lane of that kind
	doc      TEXT NOT NULL,    -- report.Reading or report.InputState
	heard_at INTEGER NOT NULL,
	PRIMARY KEY (device, source)
) WITHOUT ROWID;
`

const (
	upsertAround = `INSERT INTO surroundings (device, source, epoch, seq, doc, heard_at) VALUES (?, ?, ?, ?, ?, ?)
	ON CONFLICT (device, source) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, doc = excluded.doc, heard_at = excluded.heard_at
	WHERE surroundings.epoch <> excluded.epoch OR surroundings.seq < excluded.seq`
	clearAround = `DELETE FROM surroundings WHERE device = ? AND (epoch <> ? OR source LIKE 'line/%' AND seq < ?)`
)

// reading takes what a sensor measured.
func (w *writer) reading(r report.Received) error {
	var m report.Reading
	if r.Lane != report.Telemetry || !w.body(r, &m) || !report.ValidName(m.Sensor) {
		return nil
	}
	return w.around(r, "sensor/"+m.Sensor, m)
}

// input takes a contact's new state.
func (w *writer) input(r report.Received) error {
	var i report.InputState
	if r.Lane != report.Event || !w.body(r, &i) || !report.ValidName(i.Line) {
		return nil
	}
	i.Kind = report.Clip(i.Kind, 16)
	return w.around(r, "line/"+i.Line, i)
}

func (w *writer) around(r report.Received, source string, body any) error {
	doc, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode what %s says: %w", source, err)
	}
	w.out.State = true
	if err := w.exec(upsertAround, r.Device, source, r.Epoch.String(), int64(r.Seq), string(doc), w.now); err != nil {
		return fmt.Errorf("write what %s says: %w", source, err)
	}
	return nil
}

// aroundStart forgets the contacts of before a start, which says them anew.
func (w *writer) aroundStart(r report.Received) error {
	if err := w.exec(clearAround, r.Device, r.Epoch.String(), int64(r.Seq)); err != nil {
		return fmt.Errorf("forget contacts of before a start: %w", err)
	}
	return nil
}

// Around is what one sensor or contact says; one of Reading and Input is set.
type Around struct {
	Device  string             `json:"device"`
	Source  string             `json:"source"` // sensor/NAME or line/NAME
	Heard   time.Time          `json:"heard_at"`
	Reading *report.Reading    `json:"reading,omitempty"`
	Input   *report.InputState `json:"input,omitempty"`
}

// keepAround is how long a sensor that says nothing any more is shown: it may
// have been taken out of the configuration.
const keepAround = 7 * 24 * time.Hour

// Surroundings lists what the sensors and contacts of a device say, or of all
// when it is "".
func (s *View) Surroundings(ctx context.Context, device string, now time.Time) ([]Around, error) {
	return sqlrows.Collect(ctx, s.read, "surroundings", func(r *sql.Rows) (Around, error) {
		var a Around
		var heard int64
		var doc string
		if err := r.Scan(&a.Device, &a.Source, &heard, &doc); err != nil {
			return a, err
		}
		a.Heard = when(heard)
		if a.Source[0] == 's' {
			return a, json.Unmarshal([]byte(doc), &a.Reading)
		}
		return a, json.Unmarshal([]byte(doc), &a.Input)
	}, `SELECT device, source, heard_at, doc FROM surroundings
		WHERE (device = ?1 OR ?1 = '') AND (heard_at > ?2 OR source LIKE 'line/%') AND `+s.own("device")+`
		ORDER BY device, source DESC`, device, now.Add(-keepAround).UnixMilli())
}
