package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"

	"kentongan/agent/report"
)

// keeper keeps records; the spool is one.
type keeper interface {
	Append(ctx context.Context, lane report.Lane, kind string, body any) (uint64, error)
}

// announcer keeps the current state of things at the broker; the uplink is one.
type announcer interface {
	SetState(topic string, payload []byte)
}

// journal takes what the parts have to say, in order, and keeps it, so that
// none of them waits for the disk. It is full only when the disk has not
// answered for long; then its callers wait, and nothing is dropped.
type journal struct {
	keep   keeper
	states announcer
	topics report.Topics
	log    *slog.Logger
	in     chan entry

	mu     sync.RWMutex // guards closed; held for reading while sending
	closed bool
}

type entry struct {
	lane report.Lane
	kind string
	body any
}

func newJournal(device string, keep keeper, states announcer, log *slog.Logger) *journal {
	return &journal{keep: keep, states: states, topics: report.Topics(device), log: log, in: make(chan entry, 1024)}
}

// run keeps what comes in until close was called and all is kept.
func (j *journal) run() {
	ctx := context.Background() // what was said is kept, also while the agent ends
	for e := range j.in {
		if _, err := j.keep.Append(ctx, e.lane, e.kind, e.body); err != nil {
			j.log.Error("record not kept", "lane", e.lane, "kind", e.kind, "err", err)
		}
	}
}

// close lets run end. What comes later is only logged.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	close(j.in)
}

func (j *journal) add(lane report.Lane, kind string, body any) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.closed {
		j.log.Warn("record came too late", "lane", lane, "kind", kind)
		return
	}
	j.in <- entry{lane, kind, body}
}

// StreamChanged implements stream.Output.
func (j *journal) StreamChanged(s report.StreamState) {
	payload, err := json.Marshal(s)
	if err != nil {
		j.log.Error("state not encoded", "stream", s.Name, "err", err)
		return
	}
	j.states.SetState(j.topics.StreamState(s.Name), payload)
	j.add(report.Event, report.KindStream, s)
}

// StreamMeasured implements stream.Output.
func (j *journal) StreamMeasured(s report.StreamStats) {
	j.add(report.Telemetry, report.KindStreamStats, s)
}
