package store

import (
	"context"
	"database/sql"
	"time"

	"kentongan/cmd/kentongan-centre/internal/sqlrows"
)

// Believer is a device that is online, and which of the centre's keys it believes.
type Believer struct {
	Device string
	Since  time.Time // when it said so
	Keys   []string  // name+hash, the newest last; empty where it does not say
}

// Believes lists the devices that are online.
func (s *Store) Believes(ctx context.Context) ([]Believer, error) {
	return sqlrows.Collect(ctx, s.read, "keys that devices believe", func(r *sql.Rows) (b Believer, err error) {
		var since int64
		var birth string
		if err := r.Scan(&b.Device, &since, &birth); err != nil {
			return b, err
		}
		a, err := readAbout(birth)
		b.Since, b.Keys = when(since), a.Keys
		return b, err
	}, `SELECT id, since_at, birth FROM device WHERE state = 'online' ORDER BY id`)
}
