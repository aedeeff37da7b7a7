package store

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"kentongan/agent/report"
)

// withheld is the body under which a piece of a picture stands among the records:
// which piece it was, and its hash, but not its bytes. Those are in picture_piece
// and picture alone, from which they can be erased.
type withheld struct {
	ID       string      `json:"id"`
	Index    int         `json:"index"`
	Of       int         `json:"of"`
	Withheld report.Hash `json:"withheld"` // SHA-256 of the body that came
}

// asKept is a record as the table record and the conflicts have it: as it came,
// but for a piece of a picture. Measurements carry no hash of one another, so
// nothing that is signed is changed by that. The same record is always kept as
// the same line, by which a double is known.
func asKept(r report.Received) (report.Received, error) {
	if r.Lane != report.Telemetry || r.Kind != report.KindSnapshotPiece {
		return r, nil
	}
	var p report.SnapshotPiece
	_ = json.Unmarshal(r.Body, &p) // who can't be read is withheld all the more
	body, err := json.Marshal(withheld{report.Clip(p.ID, 64), p.Index, p.Of, report.Hash(sha256.Sum256(r.Body))})
	if err != nil {
		return r, fmt.Errorf("withhold a piece of a picture: %w", err)
	}
	r.Record.Body = body
	if r.Line, err = json.Marshal(r.Record); err != nil {
		return r, fmt.Errorf("withhold a piece of a picture: %w", err)
	}
	return r, nil
}

// withheldSchema is for the databases of before, where records held the pieces
// whole. The line is made anew out of the columns, for what a device wrote may be
// anything. Conflicts are deleted: that the number came twice stays counted.
const withheldSchema = `
UPDATE record SET line = CAST((SELECT '{"v":1,"device":"' || l.device || '","lane":"telemetry","epoch":"' || l.epoch || '","seq":' || CAST(record.seq AS TEXT) ||
		',"time":"1970-01-01T00:00:00Z","clock":"unset","boot":"","uptime_ms":0,"kind":"snapshot_piece","body":{"withheld":""}}' FROM lane l WHERE l.id = record.lane_id) AS BLOB)
	WHERE kind = 'snapshot_piece' AND lane_id IN (SELECT id FROM lane WHERE lane = 'telemetry');
`

const (
	withheldSQLite = `
DELETE FROM conflict WHERE instr(CAST(line AS TEXT), 'snapshot_piece') > 0 AND lane_id IN (SELECT id FROM lane WHERE lane = 'telemetry');
`
	withheldPostgres = `
DELETE FROM conflict WHERE position('snapshot_piece'::bytea IN line) > 0 AND lane_id IN (SELECT id FROM lane WHERE lane = 'telemetry');
`
)
