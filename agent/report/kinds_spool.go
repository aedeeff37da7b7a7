package report

import "time"

// Kinds of events that the store has to say of itself.
const (
	KindDisk  = "disk"  // event: DiskRefusal
	KindEpoch = "epoch" // event: NewEpoch
)

// DiskRefusal says that the disk refused to keep something (no space, no inodes,
// read-only, an I/O error): one record as soon as the event lane takes it, and
// one, with Over, when the disk takes again what it refused. When it takes again
// before anything could be written, one record says both.
type DiskRefusal struct {
	Place   string    `json:"place"`          // complaint, event, telemetry: the lane; cursor; mirror
	Error   string    `json:"error"`          // the first
	Last    string    `json:"last,omitempty"` // the newest, when it is another
	Since   time.Time `json:"since"`          // by the device's clock then
	ForMS   int64     `json:"for_ms"`         // since then, whatever the clock did
	Calls   uint64    `json:"calls"`          // that the disk refused
	Records uint64    `json:"records"`        // that were refused to those who brought them
	From    uint64    `json:"from,omitempty"` // numbers that were lost to it, if any
	To      uint64    `json:"to,omitempty"`
	Over    bool      `json:"over"` // the disk takes it again
}

// NewEpoch says that the store has begun a new epoch, because the centre holds
// other records under the numbers of the old one: an older copy of the store was
// put back. What the centre had not acknowledged comes again in the new epoch,
// with Was; telemetry of the old one is given up.
type NewEpoch struct {
	Was   Epoch           `json:"was"`
	Epoch Epoch           `json:"epoch"`
	Held  map[Lane]uint64 `json:"held,omitempty"`  // the highest number that the centre acknowledged of records that were not ours
	Moved map[Lane]uint64 `json:"moved,omitempty"` // records that got a new number
	Gone  map[Lane]uint64 `json:"gone,omitempty"`  // numbers of the old epoch that were given up
}
