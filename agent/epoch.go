package agent

import (
	"context"
	"errors"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/uplink"
)

// ErrNewEpoch is what Run returns when the store has to begin a new epoch: an
// older copy of it was put back, so the centre holds other records under its
// numbers. A new agent, run at once, begins it.
var ErrNewEpoch = errors.New("the store begins a new epoch")

const (
	// gatherForks is how long the agent waits for the other lane's receipt.
	gatherForks = time.Second
	// retryEpoch is the pause after the disk refused the wish.
	retryEpoch = 30 * time.Second
	// epochEvery is the least time between two new epochs, and twice as long
	// after each: the centre keeps 64 of a device, and whoever speaks in its name
	// could use them up in three days. Nothing that puts copies back is in a hurry.
	epochEvery  = time.Hour
	epochDouble = 10 // times, to 43 days
)

// forkOf tells up to which number the centre has records that are not ours; 0
// when the receipt does not say so.
func forkOf(r uplink.AckRefused) uint64 {
	if r.Ack.Hash == nil || r.Reason != "hash" && r.Reason != "ahead" {
		return 0 // of another store, or of a gap: it says nothing of what the centre has
	}
	return max(r.Ack.Seq, r.Ack.Held)
}

// epochPause is how long after a start no new epoch begins, when so many runs
// before ended for one.
func epochPause(runs int) time.Duration {
	if runs < 1 {
		return 0
	}
	return epochEvery << min(runs-1, epochDouble)
}

// forked passes on what a refused receipt tells. It does not block.
func (a *Agent) forked(r uplink.AckRefused) {
	if forkOf(r) == 0 {
		return
	}
	select {
	case a.forks <- r:
	default: // there is one already
	}
}

// watchEpoch waits for a receipt that tells of another history, and asks the
// store for a new epoch then.
func (a *Agent) watchEpoch(ctx context.Context) error {
	held := map[report.Lane]uint64{}
	var due <-chan time.Time
	earliest := a.since.Add(epochPause(a.o.NewEpochs))
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-a.forks:
			held[r.Lane] = max(held[r.Lane], forkOf(r))
			if due == nil {
				due = time.After(max(gatherForks, time.Until(earliest)))
			}
		case <-due:
			err := a.spool.Renew(held)
			if err == nil {
				return ErrNewEpoch
			}
			a.o.Log.Error("new epoch not begun", "part", "agent", "err", err, "retry_in", retryEpoch)
			due = time.After(retryEpoch)
		}
	}
}
