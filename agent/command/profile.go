package command

import (
	"context"
	"fmt"
	"time"

	"kentongan/agent/report"
)

// Profiler tells what the agent's time and memory go to.
type Profiler interface {
	// Profile is one of report.ProfileKinds in its format, gzip.
	// It takes d if it watches the processor, and is an error while the device has
	// better to do.
	Profile(ctx context.Context, what string, d time.Duration) ([]byte, error)
}

// maxProfileBytes is 32 pieces, as for a log. Half a minute of an agent with 64
// cameras is a fifth of it.
const maxProfileBytes = 256 << 10

// Profile makes the profile command: a profile leaves as a log does. Orders are
// done one after the other, so there is one at a time.
func Profile(p Profiler, records Records) Handler {
	const limit = (report.MaxProfileSeconds + 30) * time.Second
	return Handler{Name: report.OrderProfile, Clock: true, Limit: limit, Do: func(ctx context.Context, o report.Order) (string, error) {
		var a report.ProfileArgs
		if err := arguments(o, &a); err != nil {
			return "", err
		}
		if err := a.Check(); err != nil {
			return "", BadArguments{fmt.Errorf("arguments: %w", err)}
		}
		if err := named(a.Who, a.Reason); err != nil {
			return "", err
		}
		began := time.Now()
		data, err := p.Profile(ctx, a.What, time.Duration(a.Seconds)*time.Second)
		if err != nil {
			return "", fmt.Errorf("take the %s profile: %w", a.What, err)
		}
		if len(data) > maxProfileBytes {
			return "", fmt.Errorf("take the %s profile: %d bytes, more than the %d that may leave; of cpu, fewer seconds make less", a.What, len(data), maxProfileBytes)
		}
		pic := Picture{Format: a.Format(), Bytes: data, TakenAt: began}
		return send(ctx, records, o.ID, report.SnapshotArgs{Stream: report.ProfileStream + a.What, Who: a.Who, Reason: a.Reason}, pic)
	}}
}
