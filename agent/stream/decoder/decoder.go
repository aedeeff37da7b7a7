// Package decoder turns single keyframes into small pictures, for all cameras
// of a device, by one ffmpeg process for each codec that stays warm.
//
// Starting ffmpeg costs 100 ms of CPU and 60 MB; a keyframe of 1080p in one
// that runs costs 13 ms. So all cameras share it, and one that feeds it garbage
// must not spoil or shift another's picture:
//
//	in:   keyframe of A ─ sign of A ─ fill │ keyframe of B ─ sign of B ─ fill │
//	out:  (fill of before) picture of A ─ sign of A │ (fill) picture of B ─ sign of B │
//
// Behind each keyframe goes a sign, a random sequence of grey keyframes of our
// own (see marker.go). What comes out before the sign belongs to the camera,
// whether it is nothing, one picture or several; what comes after can't. The
// grey keyframes also empty the decoder of a camera's pictures, parameter sets
// that they replace, and buffers. When the sign does not come in time, or
// something else than fill comes before a picture, the process is killed and
// another takes its place.
//
// # Limits
//
// One keyframe at a time is in a process, for at most Options.Deadline. The
// process has less priority, little memory, may write no file, and dies with
// us. A camera whose keyframe broke it waits before its next turn. Cameras take
// turns in the order in which they ask, and between two turns the decoder rests
// for as long as the one before took, a second at most: of keyframes that take
// less it uses half a core per codec, and 64 cameras become slower before they
// become a burst.
//
// # Concurrency
//
// Look and Still may be called from any goroutine. Run owns the processes.
package decoder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"
	"time"
)

// Size of a small picture.
const (
	Width  = 160
	Height = 90
)

// Picture is planar yuv420, in limited range: luma, then both chromas.
type Picture [Width * Height * 3 / 2]byte

// Codec is what a keyframe is coded in.
type Codec string

// The codecs. JPEG is decoded by the standard library, without ffmpeg.
const (
	H264 Codec = "H264"
	H265 Codec = "H265"
	JPEG Codec = "JPEG"
)

// Keyframe is one picture of a camera that needs no other.
type Keyframe struct {
	Camera string // who sent it; used to find out who breaks decoders
	Codec  Codec
	Unit   []byte // H264, H265: parameter sets and slices, each behind a start code; JPEG: a file
	Width  int    // pixels, by the parameter set; 0 is not known
	Height int
}

// Answer is what a look gave.
type Answer struct {
	Picture Picture
	Errors  int    // complaints of the decoder about this keyframe
	Detail  string // the first of them
	Took    time.Duration
}

// Defaults and bounds.
const (
	defaultDeadline = 2 * time.Second
	defaultMemory   = 192 << 20
	idleAfter       = 5 * time.Minute // without a look, the process ends
)

// ErrNoFFmpeg is returned for H264 and H265 where there is no ffmpeg.
var ErrNoFFmpeg = errors.New("no ffmpeg: H.264 and H.265 can't be decoded; install it or see pictures.ffmpeg")

// RefusedError says that a keyframe is not decodable: garbage.
type RefusedError struct{ Detail string }

func (e *RefusedError) Error() string { return "keyframe refused: " + e.Detail }

// BrokeError says that the decoder hung or died over a keyframe. The camera
// is not looked at until Until.
type BrokeError struct {
	Err   error
	Until time.Time
	Times int // since the camera was good for half an hour
}

func (e *BrokeError) Error() string {
	return fmt.Sprintf("the decoder broke over this camera's keyframe (%d times of late): %v", e.Times, e.Err)
}
func (e *BrokeError) Unwrap() error { return e.Err }

// QuarantineError says that a camera has to wait after a BrokeError.
type QuarantineError struct {
	Until time.Time
	Times int
}

func (e *QuarantineError) Error() string {
	return fmt.Sprintf("this camera's keyframes broke the decoder %d times of late; it is not looked at until %s", e.Times, e.Until.UTC().Format(time.TimeOnly))
}

// DownError says that there is no decoder now; another is started at Retry.
type DownError struct {
	Err   error
	Retry time.Time
}

func (e *DownError) Error() string { return fmt.Sprintf("the decoder is down: %v", e.Err) }
func (e *DownError) Unwrap() error { return e.Err }

// Options are how a Decoder works.
type Options struct {
	FFmpeg   string        // program; "" is none, see Find
	Deadline time.Duration // of one keyframe; 0 is 2 s
	Memory   int64         // bytes that the process may take beyond what it has when it has started; 0 is 192 MiB
	Log      *slog.Logger
}

// Find is where ffmpeg is, by PATH; "" is nowhere.
func Find() string {
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		return ""
	}
	return path
}

// Decoder decodes for all cameras. Make one with New and keep it running with
// Run.
type Decoder struct {
	o        Options
	families map[Codec]*family
	jpegs    chan *ask
	stills   chan struct{} // holds a token while a snapshot is decoded
}

// ask is one request and where its answer goes.
type ask struct {
	key   Keyframe
	reply chan reply // room for one
}

type reply struct {
	answer Answer
	err    error
}

// New makes a decoder. It starts nothing.
func New(o Options) *Decoder {
	if o.Deadline == 0 {
		o.Deadline = defaultDeadline
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	o.Log = o.Log.With("part", "decoder")
	d := &Decoder{o: o, jpegs: make(chan *ask), stills: make(chan struct{}, 1), families: map[Codec]*family{}}
	if o.FFmpeg != "" {
		for codec := range syntaxes {
			d.families[codec] = newFamily(codec, o)
		}
	}
	return d
}

// Can tells whether keyframes of a codec can be decoded here.
func (d *Decoder) Can(c Codec) bool { return c == JPEG || d.families[c] != nil }

// Run serves looks until ctx ends. When it returns, all processes are gone. It
// returns nil.
func (d *Decoder) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, f := range d.families {
		wg.Go(func() { f.run(ctx) })
	}
	wg.Go(func() { d.runJPEG(ctx) })
	wg.Wait()
	return nil
}

// Look decodes a keyframe into a small picture. It waits for its turn. The
// error is a RefusedError, BrokeError, QuarantineError, DownError, ErrNoFFmpeg
// or ctx's. The keyframe's bytes are not used any more when it returns.
func (d *Decoder) Look(ctx context.Context, k Keyframe) (Answer, error) {
	queue := d.jpegs
	if k.Codec != JPEG {
		f := d.families[k.Codec]
		if f == nil {
			return Answer{}, ErrNoFFmpeg
		}
		queue = f.asks
	}
	a := &ask{key: k, reply: make(chan reply, 1)}
	select {
	case queue <- a:
		r := <-a.reply // within the deadline, or when Run ends
		return r.answer, r.err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// serve answers one ask after the other until ctx ends.
func serve(ctx context.Context, asks <-chan *ask, idle func(), look func(context.Context, Keyframe) (Answer, error)) {
	for {
		timer := time.NewTimer(idleAfter)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			idle()
		case a := <-asks:
			timer.Stop()
			began := time.Now()
			answer, err := look(ctx, a.key)
			answer.Took = time.Since(began)
			a.reply <- reply{answer, err}
			select {
			case <-time.After(min(answer.Took, time.Second)):
			case <-ctx.Done():
			}
		}
	}
}
