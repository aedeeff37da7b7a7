package store

import (
	"context"
	"database/sql"

	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// PressCount is how many presses a button of a kiosk has given so far.
type PressCount struct {
	Device, Line string
	Presses      int64
}

// PressCounts counts the presses of each button.
func (s *View) PressCounts(ctx context.Context) ([]PressCount, error) {
	return sqlrows.Collect(ctx, s.read, "presses", func(r *sql.Rows) (p PressCount, err error) {
		return p, r.Scan(&p.Device, &p.Line, &p.Presses)
	}, `SELECT c.device, c.line, sum(c.presses) FROM complaint c WHERE `+s.own("c.device")+` GROUP BY c.device, c.line ORDER BY c.device, c.line`)
}
