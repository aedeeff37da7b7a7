package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Receipts lists what can be acknowledged of each device's complaint and event
// lane, of the epoch that was heard of last: an acknowledgement is retained,
// so one of an older epoch would stand in the way of the right one. A centre
// says all of them again when it comes back to its broker.
//
// It belongs to the goroutine that calls Commit.
func (s *Store) Receipts(ctx context.Context) ([]Receipt, error) {
	keys, err := sqlrows.Collect(ctx, s.read, "lanes", func(r *sql.Rows) (Key, error) {
		var k Key
		var epoch string
		if err := r.Scan(&k.Device, &epoch, &k.Lane); err != nil {
			return k, err
		}
		e, err := report.ParseEpoch(epoch)
		k.Epoch = uint64(e)
		return k, err
	}, `SELECT device, epoch, lane FROM lane l WHERE lane IN ('complaint', 'event') AND NOT EXISTS (
			SELECT 1 FROM lane o WHERE o.device = l.device AND o.lane = l.lane AND (o.seen_at, o.id) > (l.seen_at, l.id))`)
	if err != nil {
		return nil, err
	}
	out := make([]Receipt, 0, len(keys))
	w := s.writer(ctx)
	for some := range slices.Chunk(keys, receiptsAtOnce) {
		// A transaction makes a connection anew that was lost since the last one.
		err := w.within(func() error {
			for _, k := range some {
				l, err := w.lane(k)
				if err != nil {
					return err
				}
				if l == nil {
					continue // somebody took it out in between
				}
				r, err := w.receipt(l)
				if err != nil {
					return err
				}
				out = append(out, r)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read receipts: %w", err)
		}
	}
	return out, nil
}

// receiptsAtOnce is how many lanes one transaction reads: in SQLite whoever writes
// waits that long.
const receiptsAtOnce = 500
