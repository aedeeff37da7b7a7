// Package report is what a device says: the record and its kinds, the topics
// it travels on, the hash chain that holds records together, and the signed
// notes by which the centre acknowledges them. It is the public contract
// between devices and any command centre, so it imports nothing of ours, and
// both ends use the same types.
//
// All values are plain data; nothing here starts a goroutine or touches a disk.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Version is the version of the record format, the field v of each record.
const Version = 1

// MaxRecordBytes is the largest record that a device makes or a centre takes.
// Batches go up to 16 KiB on slow links, and a record is never split, so one
// record must fit into a batch of its own with room for the head line.
const MaxRecordBytes = 12 << 10

// Lane is one of the three ordered logs of a device.
type Lane string

// The lanes, see docs/architecture.md for their rules.
const (
	Complaint Lane = "complaint" // citizens' presses: never dropped
	Event     Lane = "event"     // things that happened: oldest dropped when full
	Telemetry Lane = "telemetry" // measurements: oldest dropped when full
)

// Lanes returns the lanes in the order in which they leave a device.
func Lanes() []Lane { return []Lane{Complaint, Event, Telemetry} }

// Valid tells whether l is one of the three lanes.
func (l Lane) Valid() bool { return l == Complaint || l == Event || l == Telemetry }

// Chained tells whether the records of the lane carry the hash of the record
// before them, and whether they stay on the device until the centre has
// acknowledged them.
func (l Lane) Chained() bool { return l == Complaint || l == Event }

// Clock says how far a record's wall time can be trusted; boards have no RTC.
type Clock string

// The qualities of a clock.
const (
	ClockSynced    Clock = "synced"    // a time service keeps it
	ClockEstimated Clock = "estimated" // after the build date, but nobody keeps it
	ClockUnset     Clock = "unset"     // before the build date: order by boot and uptime
)

// Place is where a record stands in its lane, or stood.
type Place struct {
	Epoch Epoch  `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

// Stamp is when a record was made. Boot and Uptime always hold; Time holds as
// far as Clock says.
type Stamp struct {
	Time   time.Time
	Clock  Clock
	Boot   string        // the kernel's boot id, first 8 hex digits
	Uptime time.Duration // since that boot, CLOCK_BOOTTIME
}

// Record is one entry of a lane, as it stands on the disk and on the wire.
//
// Seq grows by one per lane and epoch. Epoch names the store that counted: a
// new disk is a new epoch, and seq starts again.
type Record struct {
	V        int             `json:"v"`
	Device   string          `json:"device"`
	Lane     Lane            `json:"lane"`
	Epoch    Epoch           `json:"epoch"`
	Seq      uint64          `json:"seq"`
	Prev     *Hash           `json:"prev,omitempty"` // of the record before; complaint and event lanes
	Was      *Place          `json:"was,omitempty"`  // where it stood before its store began a new epoch
	Time     time.Time       `json:"time"`
	Clock    Clock           `json:"clock"`
	Boot     string          `json:"boot"`
	UptimeMS int64           `json:"uptime_ms"`
	Kind     string          `json:"kind"`
	Body     json.RawMessage `json:"body"`
}

// NewRecord makes a record out of its place (device, lane, epoch, seq, prev),
// its stamp, and a body that encodes as JSON. Prev is left out where the lane
// is not chained.
func NewRecord(device string, lane Lane, epoch Epoch, seq uint64, prev Hash, s Stamp, kind string, body any) (Record, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return Record{}, fmt.Errorf("encode body of kind %s: %w", kind, err)
	}
	r := Record{
		V: Version, Device: device, Lane: lane, Epoch: epoch, Seq: seq,
		Time: s.Time.UTC().Truncate(time.Millisecond), Clock: s.Clock,
		Boot: s.Boot, UptimeMS: s.Uptime.Milliseconds(),
		Kind: kind, Body: raw,
	}
	if lane.Chained() {
		r.Prev = &prev
	}
	return r, nil
}

// Errors of a record that came from outside.
var (
	ErrVersion = errors.New("unknown record version")
	ErrRecord  = errors.New("not a valid record")
)

// DecodeRecord reads one line. Unknown fields are ignored, so that a newer
// device can add some; an unknown version is ErrVersion.
func DecodeRecord(line []byte) (Record, error) {
	if len(line) > MaxRecordBytes {
		return Record{}, fmt.Errorf("%w: %d bytes, more than %d", ErrRecord, len(line), MaxRecordBytes)
	}
	var r Record
	if err := json.Unmarshal(line, &r); err != nil {
		return Record{}, fmt.Errorf("%w: %v", ErrRecord, err)
	}
	if r.V != Version {
		return Record{}, fmt.Errorf("%w: v is %d, this program knows %d", ErrVersion, r.V, Version)
	}
	switch {
	case !ValidDevice(r.Device):
		return Record{}, fmt.Errorf("%w: device %q", ErrRecord, r.Device)
	case !r.Lane.Valid():
		return Record{}, fmt.Errorf("%w: lane %q", ErrRecord, r.Lane)
	case r.Epoch == 0:
		return Record{}, fmt.Errorf("%w: no epoch", ErrRecord)
	case r.Seq == 0:
		return Record{}, fmt.Errorf("%w: seq starts at 1", ErrRecord)
	case r.Lane.Chained() && r.Prev == nil:
		return Record{}, fmt.Errorf("%w: no prev in lane %s", ErrRecord, r.Lane)
	case r.Kind == "":
		return Record{}, fmt.Errorf("%w: no kind", ErrRecord)
	case len(bytes.TrimSpace(r.Body)) == 0:
		return Record{}, fmt.Errorf("%w: no body", ErrRecord)
	}
	return r, nil
}

// Entry is one record as a lane hands it out: its number and its line.
type Entry struct {
	Seq  uint64
	Line []byte // as Encode made it; read-only
}

// Block is records From to To, without a hole, as a lane keeps them compressed:
// their lines, each with a line end, in one member of gzip.
type Block struct {
	From, To uint64
	Gzip     []byte // read-only
}

// Head is what a lane holds at a moment: records First to Next-1 are kept (or
// explained by a gap), Next is the number that the next record will get.
type Head struct {
	Lane  Lane   `json:"lane"`
	Epoch Epoch  `json:"epoch"`
	First uint64 `json:"first"`
	Next  uint64 `json:"next"`
}

// Backlog is how many records wait.
func (h Head) Backlog() uint64 { return h.Next - h.First }
