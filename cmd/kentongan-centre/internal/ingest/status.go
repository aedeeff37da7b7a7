package ingest

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// counters count since the start of the program.
type counters struct {
	connected                                            atomic.Bool
	messages, bytes                                      atomic.Int64
	badTopics, badBatches, badStates, badRecords, future atomic.Int64
	records, duplicates, conflicts                       atomic.Int64
	commits, commitErrors, commitNanos                   atomic.Int64
	receipts, sessionsLost, orders                       atomic.Int64
}

// Status is the counters at a moment; all since the start of the program.
type Status struct {
	Connected                                    bool
	Messages, Bytes                              int64
	BadTopics, BadBatches, BadStates, BadRecords int64
	Future                                       int64 // records whose time is ahead of ours
	Records, Duplicates, Conflicts               int64
	Commits, CommitErrors                        int64
	CommitTime                                   time.Duration
	Receipts, SessionsLost, Orders               int64
}

// Refused is all that was left out.
func (s Status) Refused() int64 { return s.BadTopics + s.BadBatches + s.BadStates + s.BadRecords }

func (c *counters) committed(d store.Committed, took time.Duration) {
	c.commits.Add(1)
	c.commitNanos.Add(int64(took))
	c.records.Add(int64(d.Records))
	c.duplicates.Add(int64(d.Duplicates))
	c.conflicts.Add(int64(d.Conflicts))
	c.badRecords.Add(int64(len(d.Refused)))
}

func (c *counters) status() Status {
	return Status{
		Connected: c.connected.Load(), Messages: c.messages.Load(), Bytes: c.bytes.Load(),
		BadTopics: c.badTopics.Load(), BadBatches: c.badBatches.Load(), BadStates: c.badStates.Load(), BadRecords: c.badRecords.Load(),
		Future: c.future.Load(), Records: c.records.Load(), Duplicates: c.duplicates.Load(), Conflicts: c.conflicts.Load(),
		Commits: c.commits.Load(), CommitErrors: c.commitErrors.Load(), CommitTime: time.Duration(c.commitNanos.Load()),
		Receipts: c.receipts.Load(), SessionsLost: c.sessionsLost.Load(),
		Orders: c.orders.Load(),
	}
}

// muffleFor is how long a kind of warning is only counted after it was logged.
const muffleFor = 10 * time.Second

// muffler keeps a device that sends rubbish from filling the log with it.
type muffler struct {
	mu    sync.Mutex // guards kinds
	kinds map[string]*muffled
}

type muffled struct {
	last time.Time
	more int
}

// warn logs, or counts for the next time. An error of a stranger's bytes can
// be long.
func (m *muffler) warn(log *slog.Logger, msg string, err error) {
	m.mu.Lock()
	if m.kinds == nil {
		m.kinds = map[string]*muffled{}
	}
	k := m.kinds[msg]
	if k == nil {
		k = &muffled{}
		m.kinds[msg] = k
	}
	if time.Since(k.last) < muffleFor {
		k.more++
		m.mu.Unlock()
		return
	}
	more := k.more
	k.last, k.more = time.Now(), 0
	m.mu.Unlock()
	text := err.Error()
	if len(text) > 400 {
		text = text[:400] + "…"
	}
	log.Warn(msg, "err", text, "unlogged_before", more)
}
