// Package picture judges whether a camera's picture is of use, from one
// decoded keyframe every few seconds.
//
// A Judge belongs to one camera. It takes frames of 160x90 pixels and says
// which conditions began and which ended:
//
//	Frame ──► measure ──► what this look shows ──► debounce ──► []Verdict
//	             ▲                  │
//	             └──── learned ◄────┘ (only from looks that show nothing bad)
//
// It has no goroutine, does no I/O and reads no clock: time comes with the
// frames. A Judge is for one goroutine at a time. Its memory does not grow.
// Formulas, thresholds and their sources are in docs/explanation/pictures.md.
package picture

import "time"

// Width and Height are those of the frames that a Judge takes.
const (
	Width  = 160
	Height = 90
)

// Frame is a decoded picture, planar YUV 4:2:0 in limited range (black is 16,
// white 235), as `ffmpeg -vf scale=160:90 -pix_fmt yuv420p` gives it.
type Frame struct {
	Y    [Width * Height]byte
	U, V [Width / 2 * Height / 2]byte
}

// Conditions of a Verdict; the same words as in package stream.
const (
	Frozen  = "frozen"
	Black   = "black"
	White   = "white"
	Covered = "covered"
	Blurred = "blurred"
	Moved   = "moved"
	Garbage = "garbage"
)

// Informations: a Verdict with Info set says one of these. They are no alarms.
const (
	Night = "night" // infrared or too dark for colours
	Cast  = "cast"  // a colour lies over the whole picture
	Still = "still" // nothing in the living picture changes, so a freeze could not be seen
)

// Rect is a part of the picture, in thousandths of its width and height.
type Rect struct{ X, Y, W, H int }

// Config is what is known of a camera beforehand.
type Config struct {
	// Masks are parts that are not looked at: the camera's own clock and
	// name. A clock is also found without them, within some twenty looks.
	Masks []Rect
	// Every is the usual time between two looks, 0 for 5 s.
	Every time.Duration
}

// Hint is what is known of one keyframe besides its pixels.
type Hint struct {
	Bytes        int  // size of the compressed keyframe, 0 is not known
	Errors       int  // what the decoder complained of in it, and still gave a picture
	ConstantRate bool // the camera keeps its bit rate constant, so that sizes say nothing
	ClockSet     bool // the time of the look can be trusted; hours are learned only then
}

// Verdict says that a condition began or ended.
type Verdict struct {
	Condition  string
	Present    bool
	Info       bool    // an information, no alarm
	Confidence float64 // 0 to 1
	Detail     string  // English, with figures
}
