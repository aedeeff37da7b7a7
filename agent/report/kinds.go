package report

import "time"

// Kinds of records, by lane, with the type of their body.
const (
	KindPress = "press" // complaint: Press

	KindBoot    = "boot"    // event: Boot
	KindGap     = "gap"     // event: Gap
	KindDamage  = "damage"  // event: Damage
	KindClock   = "clock"   // event: ClockSet
	KindStream  = "stream"  // event: StreamState
	KindLine    = "line"    // event: LineState
	KindUplink  = "uplink"  // event: UplinkState
	KindReceipt = "receipt" // event: ReceiptRefused

	KindStreamStats = "stream_stats" // telemetry: StreamStats
	KindDeviceStats = "device_stats" // telemetry: DeviceStats
)

// Text is a text for people, in Indonesian and in English.
type Text struct {
	ID string `json:"id"`
	EN string `json:"en"`
}

// Press is a citizen's complaint: one confirmed press of a button.
type Press struct {
	Ticket      string `json:"ticket"`
	Line        string `json:"line"`
	ServiceCode string `json:"service_code"` // as in Open311
	Category    string `json:"category"`
	Label       Text   `json:"label"`
	Presses     int    `json:"presses"`       // how many were counted into this one, at least 1
	PIN         string `json:"pin,omitempty"` // printed beside the ticket: who has it may ask for the complaint's state
}

// Boot is the start of an agent.
type Boot struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	Arch    string `json:"arch"`
	Board   string `json:"board"`
	Epoch   Epoch  `json:"epoch"`
	Clean   bool   `json:"clean"` // the run before ended in order
}

// Reasons of a gap.
const (
	GapFull   = "full"   // dropped to make room
	GapDamage = "damage" // lost to a damaged disk
	GapTorn   = "torn"   // begun and never confirmed when the power went; the numbers are not used again
	GapWrite  = "write"  // given out, then the disk refused the write; the numbers are not used again
	GapEpoch  = "epoch"  // of an epoch that has ended: its records have other numbers now; or never given out in a new one, so that no ticket comes twice
)

// Gap says which numbers of a lane will never arrive and why. Count is how
// many are missing; fewer than the range holds when it was thinned.
type Gap struct {
	Lane   Lane   `json:"lane"`
	Epoch  Epoch  `json:"epoch"`
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
	Count  uint64 `json:"count"`
	Reason string `json:"reason"`
}

// Damage is a fault of the store that was found and survived.
type Damage struct {
	Lane    Lane   `json:"lane"`
	Segment string `json:"segment"` // file name
	Offset  int64  `json:"offset"`  // bytes
	Bytes   int64  `json:"bytes"`
	Detail  string `json:"detail"`
	Saved   string `json:"saved,omitempty"` // where the span was set aside
}

// ClockSet is a step of the wall clock, its first setting in this boot, or, with
// no step, how it was set when the agent started: wall time = boot time + offset. Boot is the one that the offset holds for.
type ClockSet struct {
	Boot     string    `json:"boot"`
	BootedAt time.Time `json:"booted_at"` // wall time of uptime 0, by the new clock
	StepMS   int64     `json:"step_ms"`   // new minus old
	Clock    Clock     `json:"clock"`
}

// StreamState is what a camera's stream does: an event at each change, and the
// retained topic state/stream/{name}.
type StreamState struct {
	Name     string    `json:"name"`
	State    string    `json:"state"`           // resolving, connecting, authenticating, negotiating, playing, silent, failed
	Class    string    `json:"class,omitempty"` // of the failure: dns, refused, timeout, tls, auth, not_found, codec, no_media, protocol, closed, unreachable
	Detail   string    `json:"detail,omitempty"`
	Since    time.Time `json:"since"`
	URL      string    `json:"url"` // without the password
	Codec    string    `json:"codec,omitempty"`
	Width    int       `json:"width,omitempty"`  // pixels
	Height   int       `json:"height,omitempty"` // pixels
	Proto    string    `json:"transport,omitempty"`
	Attempts int       `json:"attempts,omitempty"` // failed connections since it last played
	Audio    string    `json:"audio,omitempty"`    // codec of the sound that the camera offers
	Sub      bool      `json:"sub,omitempty"`      // the camera's smaller stream is the one that is watched
	Quirks   string    `json:"quirks,omitempty"`   // what the camera does in its own way, for the technician; joined by "; "
	Shared   bool      `json:"shared,omitempty"`   // the centre may pass it on as SharedStream

	Picture *PictureState `json:"picture,omitempty"` // nil while nothing is known of it; not changed once it is here
}

// StreamStats is what was measured of a stream over a window.
type StreamStats struct {
	Name         string  `json:"name"`
	WindowMS     int64   `json:"window_ms"`
	FPS          float64 `json:"fps"`
	BitsPerS     int64   `json:"bits_per_s"`
	Packets      uint64  `json:"packets"`        // since the session began
	PacketsLost  uint64  `json:"packets_lost"`   // since the session began
	SinceFrameMS int64   `json:"since_frame_ms"` // -1 when there was none

	// Over the window, unless it says otherwise; left out when it is 0 or not
	// known.
	LossRatio  float64 `json:"loss_ratio,omitempty"`  // 0 to 1
	JitterMS   float64 `json:"jitter_ms,omitempty"`   // RFC 3550, of frames
	KeyframeMS int64   `json:"keyframe_ms,omitempty"` // between the two newest keyframes
	GOP        uint64  `json:"gop,omitempty"`         // frames between them
	LargestB   uint64  `json:"largest_frame_bytes,omitempty"`

	// Over the last 5 min; the sizes of frames over 5 to 10 min.
	FPS5m      float64 `json:"fps_5m,omitempty"`
	BitsPerS5m int64   `json:"bits_per_s_5m,omitempty"`
	LossRatio5 float64 `json:"loss_ratio_5m,omitempty"`
	FrameP50   uint64  `json:"frame_p50_bytes,omitempty"`    // of frames that are no keyframes
	FrameP95   uint64  `json:"frame_p95_bytes,omitempty"`    // the same
	KeyP50     uint64  `json:"keyframe_p50_bytes,omitempty"` // of keyframes
	RateCV     float64 `json:"rate_cv,omitempty"`            // standard deviation of the bit rate by its mean; below 0.1 the camera holds it

	// By the newest parameter set.
	Profile     string  `json:"profile,omitempty"`      // baseline, main, high, ...
	Level       string  `json:"level,omitempty"`        // 4.1
	DeclaredFPS float64 `json:"declared_fps,omitempty"` // most cameras declare none

	// Since the session began.
	Reordered  uint64 `json:"reordered,omitempty"`
	Duplicates uint64 `json:"duplicates,omitempty"`
	Jumps      uint64 `json:"jumps,omitempty"`       // of sequence numbers or time stamps
	BackSteps  uint64 `json:"back_steps,omitempty"`  // frames that are not sent in the order of display
	Parameters uint64 `json:"parameters,omitempty"`  // changes of the parameter set
	ClockSteps uint64 `json:"clock_steps,omitempty"` // jumps of the camera's clock

	// The camera's clock minus ours, by its sender reports; nil when it sends
	// none. The drift needs ten minutes.
	ClockOffsetMS *int64   `json:"clock_offset_ms,omitempty"`
	ClockDriftPPM *float64 `json:"clock_drift_ppm,omitempty"`
}

// DeviceStats is how the device itself does.
type DeviceStats struct {
	RSSBytes     int64          `json:"rss_bytes"`
	Goroutines   int            `json:"goroutines"`
	DiskFree     int64          `json:"disk_free_bytes"`
	Backlog      map[Lane]int64 `json:"backlog"` // records
	SpoolBytes   int64          `json:"spool_bytes"`
	LoadAvg1     float64        `json:"load1"`
	TempMilliC   int64          `json:"temp_milli_c,omitempty"`
	UplinkUp     bool           `json:"uplink_up"`
	UplinkSentB  int64          `json:"uplink_sent_bytes"`  // since start
	UplinkRecvB  int64          `json:"uplink_recv_bytes"`  // since start
	UplinkEpochs int64          `json:"uplink_connections"` // since start
	Alarms       *AlarmCounts   `json:"alarms,omitempty"`
}

// LineState is a fault of an input or output line, or its end.
type LineState struct {
	Line   string `json:"line"`
	State  string `json:"state"` // ok, missing, busy, refused, stuck, flood, chatter, lost, unkept
	Detail string `json:"detail,omitempty"`
	Count  uint64 `json:"count,omitempty"` // lost: edges; chatter: bounces; unkept: presses that wait for the store
}

// UplinkState is a change of the connection to the broker.
type UplinkState struct {
	State  string `json:"state"` // connected, lost, refused
	Broker string `json:"broker"`
	Reason string `json:"reason,omitempty"`
}

// ReceiptRefused is a receipt that the centre signed and that does not fit what
// the device holds: a database that was set back, a swapped card, or worse.
type ReceiptRefused struct {
	Lane   Lane   `json:"lane"`
	Reason string `json:"reason"` // epoch, hash, ahead
	Epoch  Epoch  `json:"epoch"`  // of the receipt
	Seq    uint64 `json:"seq"`    // of the receipt
	Detail string `json:"detail,omitempty"`
}

// DeviceState is the retained topic state, and the last will.
type DeviceState struct {
	V            int       `json:"v"`
	State        string    `json:"state"`   // online, offline
	Session      string    `json:"session"` // boot.connection: pairs a will with its birth
	Since        time.Time `json:"since"`
	Version      string    `json:"version,omitempty"`
	Boot         string    `json:"boot,omitempty"`
	Epoch        Epoch     `json:"epoch"`
	Site         string    `json:"site,omitempty"`
	Lat          float64   `json:"lat,omitempty"` // degrees, WGS 84
	Lon          float64   `json:"lon,omitempty"`
	Streams      []string  `json:"streams,omitempty"`
	Apps         []string  `json:"apps,omitempty"`
	Lines        []string  `json:"lines,omitempty"`
	Heads        []Head    `json:"heads,omitempty"`
	Capabilities []string  `json:"capabilities,omitempty"`
	RecordKey    string    `json:"record_key,omitempty"`  // public, a note verifier: it signs the checkpoints
	Firmware     *Firmware `json:"firmware,omitempty"`    // versions, where they are managed
	CentreKeys   []string  `json:"centre_keys,omitempty"` // name+hash of the keys of its centre that the device believes, the newest last
}

// Values of DeviceState.State.
const (
	Online  = "online"
	Offline = "offline"
)
