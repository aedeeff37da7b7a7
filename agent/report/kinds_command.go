package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kinds of records that answer orders.
const (
	KindCommand       = "command"        // event: CommandResult
	KindSnapshot      = "snapshot"       // event: Snapshot
	KindSnapshotPiece = "snapshot_piece" // telemetry: SnapshotPiece
)

// Names of orders, with the type of their arguments.
const (
	OrderSnapshot = "snapshot"      // SnapshotArgs
	OrderAckAlarm = "ack-alarm"     // AckAlarmArgs
	OrderTicket   = "ticket-status" // TicketStatus
	OrderRestart  = "restart"       // RestartArgs
	OrderIdentify = "identify"      // IdentifyArgs
	OrderLogs     = "logs"          // LogsArgs
	OrderProfile  = "profile"       // ProfileArgs
	OrderConfig   = "config"        // ConfigArgs
	OrderKeys     = "keys"          // KeysArgs
)

// States of CommandResult.
const (
	CommandSucceeded = "succeeded"
	CommandFailed    = "failed"   // accepted, and could not be done
	CommandRejected  = "rejected" // not accepted; Reason says why
)

// Reasons of a rejection.
const (
	RejectForged    = "forged"    // the centre's key, but not its signature
	RejectKey       = "key"       // signed by nobody that this device knows
	RejectMalformed = "malformed" // no note, or no order in it
	RejectLarge     = "large"     // more than MaxOrderBytes
	RejectDevice    = "device"    // signed for another device, or another command
	RejectReplay    = "replay"    // so old that the device has forgotten whether it did it
	RejectExpired   = "expired"
	RejectEarly     = "early"
	RejectLife      = "life"  // may be held back for longer than MaxOrderLife
	RejectClock     = "clock" // needs to know the time, and the device's clock is not set
	RejectUnknown   = "unknown"
	RejectArguments = "arguments"
)

// CommandResult is what became of an order: exactly one record for each that the
// centre signed. Of messages that it did not sign, the id can't be believed and
// is left out, and they are told at most five at once and one a minute.
type CommandResult struct {
	ID     string `json:"id,omitempty"`
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"` // English
	TookMS int64  `json:"took_ms,omitempty"`
	More   int    `json:"more,omitempty"` // rejections before this one that were only counted
}

// SnapshotArgs order a picture. Who and Reason are required: they go into the
// device's own record.
type SnapshotArgs struct {
	Stream string `json:"stream"`
	Who    string `json:"who"`
	Reason string `json:"reason"`
}

// RestartArgs order the agent to start anew. Its result comes after it is back.
type RestartArgs struct {
	Who    string `json:"who"`
	Reason string `json:"reason"`
}

// IdentifyArgs order a device to blink, so that somebody before it knows which one
// it is.
type IdentifyArgs struct {
	Seconds int    `json:"seconds"` // 1 to MaxIdentifySeconds
	Who     string `json:"who"`
}

// MaxIdentifySeconds is how long a device blinks at most.
const MaxIdentifySeconds = 600

// LogsArgs order the newest lines of the agent's log. They leave as a picture
// does: a Snapshot of the stream LogStream in the format LogFormat, in pieces.
type LogsArgs struct {
	Who    string `json:"who"`
	Reason string `json:"reason"`
}

// How a log leaves. No stream has a colon in its name.
const (
	LogStream = "log:agent"
	LogFormat = "jsonl.gz" // JSON Lines, gzip
)

// ProfileArgs order a profile of the agent, for who looks for what costs its time
// or memory. It leaves as a log does: a Snapshot of the stream ProfileStream and
// What, in the format that Format says.
type ProfileArgs struct {
	What    string `json:"what"`              // one of ProfileKinds
	Seconds int    `json:"seconds,omitempty"` // of cpu alone: 1 to MaxProfileSeconds
	Who     string `json:"who"`
	Reason  string `json:"reason"`
}

// What can be profiled.
const (
	ProfileCPU       = "cpu"       // where the time goes, for so many seconds
	ProfileHeap      = "heap"      // what is kept in memory, and what was asked for since the start
	ProfileGoroutine = "goroutine" // where each goroutine stands
)

// ProfileKinds are they.
func ProfileKinds() []string {
	return []string{ProfileCPU, ProfileHeap, ProfileGoroutine}
}

// MaxProfileSeconds is how long a device watches its processor at most: the next
// order waits as long.
const MaxProfileSeconds = 30

// How a profile leaves: cpu and heap as go tool pprof reads them, goroutine as text.
const (
	ProfileStream = "profile:" // before What
	ProfileFormat = "pprof.gz"
	StacksFormat  = "txt.gz"
)

// Format is how it leaves.
func (a ProfileArgs) Format() string {
	if a.What == ProfileGoroutine {
		return StacksFormat
	}
	return ProfileFormat
}

// Check tells what is wrong with What or Seconds.
func (a ProfileArgs) Check() error {
	switch {
	case !slices.Contains(ProfileKinds(), a.What):
		return fmt.Errorf("what: one of %s", strings.Join(ProfileKinds(), ", "))
	case a.What == ProfileCPU && (a.Seconds < 1 || a.Seconds > MaxProfileSeconds):
		return fmt.Errorf("seconds: 1 to %d", MaxProfileSeconds)
	case a.What != ProfileCPU && a.Seconds != 0:
		return fmt.Errorf("seconds: of %s alone", ProfileCPU)
	}
	return nil
}

// ConfigArgs order another configuration: the whole document, in the place of the
// one that is there. It may change neither device nor data.
type ConfigArgs struct {
	Version uint64 `json:"version"` // above that of every one before
	Text    string `json:"text"`    // YAML, at most MaxConfigBytes
	Who     string `json:"who"`
	Reason  string `json:"reason"`
}

// MaxConfigBytes is what an order's 16 KiB leave for a configuration.
const MaxConfigBytes = 12 << 10

// KeysArgs change whom the device believes as its centre. Only the newest key
// that the device trusts may say so.
type KeysArgs struct {
	Trust  []string `json:"trust,omitempty"`  // note verifier keys, from now on
	Retire []string `json:"retire,omitempty"` // name+hash of keys that are not believed any more
}

// AckAlarmArgs say that somebody has taken an alarm, or that it is a false one.
type AckAlarmArgs struct {
	Alarm string `json:"alarm"` // Alarm.ID
	Who   string `json:"who"`
	False bool   `json:"false,omitempty"`
	Note  string `json:"note,omitempty"`
}

// Snapshot is the record of a picture that was ordered and leaves: who, why,
// what. It is kept before the first piece of the picture is.
type Snapshot struct {
	ID      string    `json:"id"` // of the order
	Stream  string    `json:"stream"`
	Who     string    `json:"who"`
	Reason  string    `json:"reason"`
	Format  string    `json:"format"` // jpeg, mp4
	Width   int       `json:"width"`  // pixels
	Height  int       `json:"height"` // pixels
	TakenAt time.Time `json:"taken_at"`
	Size    int       `json:"size"`   // bytes
	SHA256  Hash      `json:"sha256"` // of the bytes
	Pieces  int       `json:"pieces"`
}

// SnapshotPiece is PieceBytes of the picture, the last one less.
type SnapshotPiece struct {
	ID    string `json:"id"`    // of the order
	Index int    `json:"index"` // from 0
	Of    int    `json:"of"`
	Data  []byte `json:"data"` // base64
}

// Bounds of a picture. A piece in base64 fits a record, with its envelope.
const (
	PieceBytes       = 8 << 10
	MaxSnapshotBytes = 1 << 20
)

// CutSnapshot cuts a picture into its pieces.
func CutSnapshot(id string, data []byte) []SnapshotPiece {
	of := (len(data) + PieceBytes - 1) / PieceBytes
	out := make([]SnapshotPiece, 0, of)
	for i := range of {
		out = append(out, SnapshotPiece{ID: id, Index: i, Of: of, Data: data[i*PieceBytes : min((i+1)*PieceBytes, len(data))]})
	}
	return out
}
