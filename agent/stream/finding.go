package stream

// Conditions that a Watcher or the look at its picture can find. A condition
// is present or not; whether it becomes an alarm is for who takes the findings.
const (
	CondDown    = "down"    // no session can be had; Detail begins with the class
	CondSilent  = "silent"  // a session, but no picture
	CondLossy   = "lossy"   // packets are lost
	CondClock   = "clock"   // the camera's clock is off, or drifts
	CondFPS     = "fps"     // frame rate, bit rate, keyframe interval, codec,
	CondBitrate = "bitrate" // or size are not what the configuration expects
	CondGOP     = "gop"
	CondCodec   = "codec"
	CondSize    = "size"

	CondFrozen  = "frozen"
	CondBlack   = "black"
	CondWhite   = "white"
	CondCovered = "covered"
	CondBlurred = "blurred"
	CondMoved   = "moved"
	CondGarbage = "garbage"
)

// Causes of a finding: who has to act.
const (
	CauseCamera      = "camera"
	CausePower       = "power" // of the camera, or of the switch before it
	CauseNetwork     = "network"
	CauseCredentials = "credentials"
	CauseBoard       = "board" // our own
)

// Finding is what is wrong with a stream, or that it is not wrong any more.
// Findings may repeat; who takes them has to bear that.
type Finding struct {
	Condition  string
	Present    bool
	Confidence float64 // 0 to 1
	Cause      string  // "" is not known
	Detail     string  // English, for the technician: what was seen, with figures
}
