package decoder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Pauses after a failure, doubling.
const (
	firstPause = time.Second // before the next process
	lastPause  = time.Minute

	firstQuarantine = 30 * time.Second // of the camera that broke one
	lastQuarantine  = 30 * time.Minute
)

// family is the process of one codec, and what is known of those before it.
// It belongs to its run goroutine.
type family struct {
	codec Codec
	o     Options
	log   *slog.Logger
	asks  chan *ask

	child  *child // nil is none
	fails  int    // processes that failed since the last answer
	why    error  // the newest failure
	retry  time.Time
	strike map[string]QuarantineError // by camera; those that were good for long are not in it
	style  int                        // of the options that this ffmpeg knows
}

func newFamily(codec Codec, o Options) *family {
	return &family{
		codec: codec, o: o, log: o.Log.With("codec", string(codec)),
		asks: make(chan *ask), strike: map[string]QuarantineError{},
	}
}

func (f *family) run(ctx context.Context) {
	defer f.stop()
	serve(ctx, f.asks, f.stop, f.look)
}

// stop ends the process, which is no failure.
func (f *family) stop() {
	if f.child != nil {
		f.child.kill()
		f.child = nil
	}
}

// look has a keyframe decoded, by a new process if there is none.
func (f *family) look(ctx context.Context, k Keyframe) (Answer, error) {
	if s, ok := f.strike[k.Camera]; ok && time.Now().Before(s.Until) {
		return Answer{}, &s
	}
	if err := checkSize(k); err != nil {
		return Answer{}, err
	}
	if err := f.ready(ctx); err != nil {
		return Answer{}, err
	}
	f.child.errs.take() // nobody's
	answer, err := f.child.look(k.Unit, time.Now().Add(f.o.Deadline))
	var refused *RefusedError
	switch {
	case err == nil || errors.As(err, &refused):
		f.fails = 0
		f.forgive(k.Camera, time.Now())
		return answer, err
	case ctx.Err() != nil:
		return Answer{}, ctx.Err()
	}
	err = f.child.because(err)
	f.stop()
	f.failed(err)
	if errors.Is(err, errShifted) {
		return Answer{}, &DownError{err, f.retry} // not this camera's doing
	}
	s := f.struck(k.Camera, time.Now())
	f.log.Warn("keyframe broke the decoder", "stream", k.Camera, "bytes", len(k.Unit), "times", s.Times, "err", err)
	return Answer{}, &BrokeError{Err: err, Until: s.Until, Times: s.Times}
}

// struck notes that a camera broke a process.
func (f *family) struck(camera string, now time.Time) QuarantineError {
	s := f.strike[camera]
	s.Times++
	s.Until = now.Add(pause(firstQuarantine, s.Times, lastQuarantine))
	f.strike[camera] = s
	return s
}

// forgive forgets that, once the camera has been good for as long as the longest
// quarantine: one that sends a good picture in between would break the decoder
// of all each half minute.
func (f *family) forgive(camera string, now time.Time) {
	if s, ok := f.strike[camera]; ok && now.Sub(s.Until) >= lastQuarantine {
		delete(f.strike, camera)
	}
}

// ready sees to it that there is a process that decodes.
func (f *family) ready(ctx context.Context) error {
	if f.child != nil && f.child.gone() {
		err := f.child.because(f.child.state())
		f.stop()
		f.failed(err)
	}
	if f.child != nil {
		return nil
	}
	if time.Now().Before(f.retry) {
		return &DownError{f.why, f.retry}
	}
	began := time.Now()
	c, err := start(ctx, f.o, syntaxes[f.codec], f.style)
	if errors.Is(err, errOptions) {
		f.style = (f.style + 1) % len(styles)
		c, err = start(ctx, f.o, syntaxes[f.codec], f.style)
	}
	f.child = c // also when ctx has ended meanwhile: stop ends it
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		f.failed(err)
		return &DownError{f.why, f.retry}
	}
	f.log.Info("decoder started", "pid", c.cmd.Process.Pid, "took", time.Since(began), "failures", f.fails)
	return nil
}

func (f *family) failed(err error) {
	f.fails++
	f.why = err
	wait := pause(firstPause, f.fails, lastPause)
	f.retry = time.Now().Add(wait)
	f.log.Warn("decoder failed", "err", err, "retry_in", wait, "failures", f.fails)
}

// pause doubles with each time, from the first.
func pause(first time.Duration, times int, last time.Duration) time.Duration {
	return min(first<<min(max(times-1, 0), 20), last)
}

// maxPixels is 8192x4320, the largest picture of H.264's and H.265's level 6.2:
// a parameter set that says more is a bomb.
const maxPixels = 8192 * 4320

func checkSize(k Keyframe) error {
	if k.Width < 0 || k.Height < 0 || k.Width*k.Height > maxPixels {
		return &RefusedError{fmt.Sprintf("%dx%d is no size of a camera", k.Width, k.Height)}
	}
	if len(k.Unit) == 0 {
		return &RefusedError{"it is empty"}
	}
	return nil
}
