package ingest

import (
	"context"
	"fmt"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// readCheckpoint reads a device's signed note; the store verifies it, which
// knows the device's key.
func (i *Ingest) readCheckpoint(a *store.Arrival, lane report.Lane, payload []byte) (*store.Arrival, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	c, err := report.ReadCheckpoint(payload, a.Device, lane)
	if err != nil {
		i.stats.badStates.Add(1)
		return nil, fmt.Errorf("checkpoint of %s/%s: %w", a.Device, lane, err)
	}
	a.Checkpoint = &store.Checkpoint{Checkpoint: c, Note: payload}
	return a, nil
}

// countersigns tells whether a receipt is the first of this session that
// countersigns a checkpoint. It belongs to the goroutine of publishReceipts.
func (s *session) countersigns(r store.Receipt) bool {
	if r.Checkpoint == nil {
		return false
	}
	k := laneName{r.Device, r.Lane}
	if s.countersigned[k] == *r.Checkpoint {
		return false
	}
	s.countersigned[k] = *r.Checkpoint
	return true
}

// keepWithin is how long the database may take to keep receipts.
const keepWithin = 10 * time.Second

// keep keeps the receipts that countersign. One that is not kept is no harm to
// the device, which has it; the audit then has one signature less.
func (s *session) keep(list []store.SignedReceipt) {
	if len(list) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), keepWithin)
	defer cancel()
	if err := s.store.KeepReceipts(ctx, list, time.Now()); err != nil {
		s.quiet.warn(s.log, "receipt not kept", err)
	}
}
