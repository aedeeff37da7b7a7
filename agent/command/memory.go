package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"kentongan/agent/report"
)

// memory is which orders came, and what of them is open.
type memory struct {
	V     int       `json:"v"`
	Floor uint64    `json:"floor"` // all orders up to this counter are done or over
	Known time.Time `json:"known"` // it is not earlier: the centre signed an order of then
	Since time.Time `json:"since"` // an order that was signed earlier may have been forgotten
	Seen  []entry   `json:"seen"`  // the oldest first
}

// entry is one order.
type entry struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Counter uint64 `json:"counter"`
	Done    bool   `json:"done"`           // its result is kept
	Mark    uint64 `json:"mark,omitempty"` // Keeper.Mark when it began
}

const (
	memoryVersion = 1
	maxSeen       = 256
	maxSavedBytes = 256 << 10
)

func (m *memory) decode(text []byte) error {
	if len(text) > maxSavedBytes {
		return fmt.Errorf("%d bytes, more than %d", len(text), maxSavedBytes)
	}
	var got memory
	if err := json.Unmarshal(text, &got); err != nil {
		return err
	}
	if got.V != memoryVersion {
		return fmt.Errorf("version %d, this program knows %d", got.V, memoryVersion)
	}
	if len(got.Seen) > maxSeen {
		return fmt.Errorf("more than %d orders", maxSeen)
	}
	for _, e := range got.Seen {
		if !report.ValidOrderID(e.ID) {
			return errors.New("an order without an id")
		}
	}
	*m = got
	return nil
}

func (m *memory) knows(id string) bool {
	return slices.ContainsFunc(m.Seen, func(e entry) bool { return e.ID == id })
}

func (m *memory) open() (all []entry) {
	for _, e := range m.Seen {
		if !e.Done {
			all = append(all, e)
		}
	}
	return all
}

// add adds an order and forgets the one with the lowest counter when there are
// too many; what is below it is then refused.
func (m *memory) add(e entry) {
	m.Seen = append(m.Seen, e)
	for len(m.Seen) > maxSeen {
		low := 0
		for i := range m.Seen {
			if m.Seen[i].Done && (m.Seen[i].Counter < m.Seen[low].Counter || !m.Seen[low].Done) {
				low = i
			}
		}
		m.Floor = max(m.Floor, m.Seen[low].Counter)
		m.Seen = slices.Delete(m.Seen, low, low+1)
	}
}

// remember makes an order durable before anything is done.
func (r *Runner) remember(o report.Order) error {
	before := r.memory
	before.Seen = slices.Clone(before.Seen)
	r.memory.add(entry{ID: o.ID, Name: o.Name, Counter: o.Counter, Mark: r.cfg.Keeper.Mark()})
	if o.NotBefore.After(r.memory.Known) {
		r.memory.Known = o.NotBefore
	}
	err := r.save()
	if err != nil {
		r.memory = before
	}
	return err
}

// close notes that an order's result is kept. When that can't be saved, the next
// start looks for the result.
func (r *Runner) close(id string) {
	for i := range r.memory.Seen {
		if r.memory.Seen[i].ID == id {
			r.memory.Seen[i].Done, r.memory.Seen[i].Mark = true, 0
		}
	}
	if err := r.save(); err != nil {
		r.log.Error("orders not saved", "err", err)
	}
}

func (r *Runner) save() error {
	r.memory.V = memoryVersion
	text, err := json.Marshal(r.memory)
	if err != nil {
		return fmt.Errorf("encode orders: %w", err)
	}
	return r.cfg.Save(text)
}
