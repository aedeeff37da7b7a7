package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"kentongan/agent/alarm"
	"kentongan/agent/pulse"
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

// journal takes what the parts have to say, in order, and keeps it, so that none
// of them waits for the disk. While the disk refuses, events wait here and are
// tried again; measurements are not worth that. What does not fit any more is
// logged as an error and given up.
type journal struct {
	keep   keeper
	states announcer
	topics report.Topics
	log    *slog.Logger
	retry  time.Duration
	in     chan entry
	alarms *alarm.Engine // nil until build; takes what is found
	ending chan struct{} // closed by close
	pulse  pulse.Pulse

	mu     sync.RWMutex // guards closed; held for reading while sending
	closed bool
}

type entry struct {
	lane report.Lane
	kind string
	body any

	topic   string // of a state that is announced once the event is kept; "" is none
	payload []byte
	kept    func() // nil, or called when it is on the disk
}

const (
	journalSize  = 1024 // some minutes of a site on which everything flaps
	journalRetry = 2 * time.Second
)

func newJournal(device string, keep keeper, states announcer, log *slog.Logger) *journal {
	return &journal{
		keep: keep, states: states, topics: report.Topics(device), log: log, retry: journalRetry,
		in: make(chan entry, journalSize), ending: make(chan struct{}), pulse: pulse.New(),
	}
}

// forget takes a retained state away, after all that was said before.
func (j *journal) forget(topic string) { j.send(entry{topic: topic}) }

// run keeps what comes in until close was called and all is kept.
func (j *journal) run() {
	for {
		// Who asks comes first: a slow disk may take half a minute for one entry, and
		// several in a row would look like a loop that hangs.
		select {
		case beat := <-j.pulse:
			beat()
		default:
		}
		select {
		case beat := <-j.pulse:
			beat()
		case e, ok := <-j.in:
			if !ok {
				return
			}
			if e.kind != "" {
				j.put(e)
			}
			if e.topic != "" {
				j.states.SetState(e.topic, e.payload)
			}
		}
	}
}

// put keeps one entry. An event is tried until the disk takes it, or once more
// when the agent ends.
func (j *journal) put(e entry) {
	for tries := 0; ; tries++ {
		// No deadline: what was said is kept, also while the agent ends.
		_, err := j.keep.Append(context.Background(), e.lane, e.kind, e.body)
		if err == nil {
			if e.kept != nil {
				e.kept()
			}
			if tries > 0 {
				j.log.Info("disk takes records", "kind", e.kind, "tries", tries)
			}
			return
		}
		if tries == 0 {
			j.log.Error("record not kept", "lane", e.lane, "kind", e.kind, "err", err)
		}
		if e.lane == report.Telemetry || j.over() {
			return
		}
		select {
		case <-time.After(j.retry):
		case beat := <-j.pulse: // the disk refuses, but the loop lives
			beat()
		case <-j.ending:
		}
	}
}

func (j *journal) over() bool {
	select {
	case <-j.ending:
		return true
	default:
		return false
	}
}

// close lets run end. What comes later is only logged.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	close(j.ending)
	close(j.in)
}

func (j *journal) add(lane report.Lane, kind string, body any) {
	j.send(entry{lane: lane, kind: kind, body: body})
}

func (j *journal) send(e entry) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.closed {
		j.log.Warn("record came too late", "lane", e.lane, "kind", e.kind)
		return
	}
	select {
	case j.in <- e:
	default:
		j.log.Error("record given up", "lane", e.lane, "kind", e.kind, "waiting", journalSize)
	}
}

// StreamChanged implements stream.Output. The state is announced once the event
// is on the disk.
func (j *journal) StreamChanged(s report.StreamState) {
	payload, err := json.Marshal(s)
	if err != nil {
		j.log.Error("state not encoded", "stream", s.Name, "err", err)
		return
	}
	j.send(entry{lane: report.Event, kind: report.KindStream, body: s, topic: j.topics.StreamState(s.Name), payload: payload})
}

// StreamMeasured implements stream.Output.
func (j *journal) StreamMeasured(s report.StreamStats) {
	j.add(report.Telemetry, report.KindStreamStats, s)
}
