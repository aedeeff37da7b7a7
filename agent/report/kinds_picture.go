package report

import "time"

// Reasons why a picture is not being checked: PictureState.Reason.
const (
	PictureOff         = "off"         // by configuration
	PictureNotYet      = "not_yet"     // the stream plays, and the first look comes soon
	PictureNoDecoder   = "no_decoder"  // no ffmpeg for this codec; packet sizes alone are a hint
	PictureDecoderDown = "decoder"     // the decoder fails or is being started again
	PictureQuarantine  = "quarantine"  // this camera's keyframes broke the decoder
	PictureNoKeyframe  = "no_keyframe" // none came whole and in time
	PictureTooLarge    = "too_large"   // keyframes are larger than is kept
)

// PictureState is what the look at a camera's picture has found: a part of
// StreamState. A picture that is not checked may show anything.
type PictureState struct {
	Checked bool             `json:"checked"`
	Reason  string           `json:"reason,omitempty"` // why not
	Detail  string           `json:"detail,omitempty"` // of the reason, for the technician
	Looked  *time.Time       `json:"looked,omitempty"` // the newest look when this was said; nil is never
	Found   []PictureVerdict `json:"found,omitempty"`  // what is wrong now; sorted by condition
	Info    []string         `json:"info,omitempty"`   // what is no fault: night, colour_cast; sorted
}

// PictureVerdict is one thing that is wrong with a picture.
type PictureVerdict struct {
	Condition  string    `json:"condition"`  // frozen, black, white, covered, blurred, moved, garbage
	Confidence float64   `json:"confidence"` // 0 to 1
	Since      time.Time `json:"since"`
	Detail     string    `json:"detail,omitempty"`
}
