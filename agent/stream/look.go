package stream

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/stream/decoder"
	"kentongan/agent/stream/picture"
)

// decoderCodec is a codec as the decoder calls it.
var decoderCodec = map[Codec]decoder.Codec{H264: decoder.H264, H265: decoder.H265, MJPEG: decoder.JPEG}

var (
	errNotPlaying = errors.New(notPlaying)
	errTooLarge   = fmt.Errorf("its keyframes have more than %d bytes, which is more than is kept", maxKeyframe)
)

// once is one look. A picture that makes it panic costs this camera its look,
// and not the whole agent.
func (l *looker) once(ctx context.Context) {
	defer func() {
		if r := recover(); r != nil {
			l.log.Error("look failed", "err", r, "stack", string(debug.Stack()))
			l.blind(report.PictureDecoderDown, "looking at it failed: %v", r)
		}
	}()
	s := l.playing()
	if s == nil {
		return // the state says that it does not play
	}
	m := s.meter.measure(time.Now())
	k, free, err := l.keyframe(ctx, s, m)
	defer free()
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, errNotPlaying):
		return
	case errors.Is(err, errTooLarge):
		l.blind(report.PictureTooLarge, "%v", err)
		return
	case errors.Is(err, decoder.ErrNoFFmpeg):
		l.blind(report.PictureNoDecoder, "%v", err)
		return
	case err != nil:
		l.blind(report.PictureNoKeyframe, "%v", err)
		return
	}
	a, err := l.cfg.Eye.dec.Look(ctx, k)
	if ctx.Err() == nil {
		l.judged(&a, err, picture.Hint{
			Bytes: len(k.Unit), Errors: a.Errors, ClockSet: l.w.cfg.ClockKnown(),
			ConstantRate: m.RateCV > 0 && m.RateCV < constantRate,
		})
	}
}

// judged takes the decoder's answer.
func (l *looker) judged(a *decoder.Answer, err error, hint picture.Hint) {
	refused, isRefused := errors.AsType[*decoder.RefusedError](err)
	broke, isBroke := errors.AsType[*decoder.BrokeError](err)
	waits, isWaiting := errors.AsType[*decoder.QuarantineError](err)
	now := time.Now()
	switch {
	case err == nil:
		l.take(l.judge.Add(now, frame(&a.Picture), hint))
		l.saw()
	case isRefused:
		l.take(l.judge.Failed(now, refused.Detail))
		l.saw() // it was looked at, and there is nothing to see
	case isBroke:
		if broke.Times > 1 { // once may be the board's fault
			l.take(l.judge.Failed(now, broke.Error()))
		}
		l.blind(report.PictureQuarantine, "%v", broke)
	case isWaiting:
		l.blind(report.PictureQuarantine, "%v", waits)
	default:
		l.blind(report.PictureDecoderDown, "%v", err)
	}
}

func frame(p *decoder.Picture) *picture.Frame {
	f := new(picture.Frame)
	n := copy(f.Y[:], p[:])
	n += copy(f.U[:], p[n:])
	copy(f.V[:], p[n:])
	return f
}

// keyframe gets the next keyframe in a form that can be decoded here. free is
// called when it is not used any more.
func (l *looker) keyframe(ctx context.Context, s *session, m Measure) (k decoder.Keyframe, free func(), err error) {
	free = func() {}
	codec := decoderCodec[s.found.codec]
	if !l.cfg.Eye.dec.Can(codec) {
		k, err = l.fetched(ctx)
		return k, free, err
	}
	got, err := s.tap.next(ctx, min(max(3*m.KeyframeTime, leastKeyWait), mostKeyWait))
	if err != nil {
		return k, free, err
	}
	k = decoder.Keyframe{Camera: l.w.cfg.Name, Codec: codec, Unit: got.unit, Width: got.size.Width, Height: got.size.Height}
	return k, func() { l.room().give(got.cap) }, nil
}

// fetched is the camera's own JPEG, where its stream can't be decoded.
func (l *looker) fetched(ctx context.Context) (decoder.Keyframe, error) {
	if l.cfg.SnapshotURL == "" {
		return decoder.Keyframe{}, decoder.ErrNoFFmpeg
	}
	file, err := l.shy.ask(func() ([]byte, error) {
		return fetchJPEG(ctx, l.cfg.SnapshotURL, l.w.cfg.Username, l.w.cfg.Password)
	})
	if err != nil {
		return decoder.Keyframe{}, err
	}
	return decoder.Keyframe{Camera: l.w.cfg.Name, Codec: decoder.JPEG, Unit: file}, nil
}

// next waits for the next keyframe. Who gets it gives its room back. It may be
// called from any goroutine; one after the other is served.
func (t *tap) next(ctx context.Context, wait time.Duration) (keyframe, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return keyframe{}, ctx.Err()
	}
	before := t.counts()
	t.ask()
	defer t.cancel()
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case k := <-t.out:
		return k, nil
	case <-t.ended:
		return keyframe{}, errNotPlaying
	case <-ctx.Done():
		return keyframe{}, ctx.Err()
	case <-late.C:
		select {
		case k := <-t.out: // it is there; a busy machine was late with both
			return k, nil
		default:
		}
	}
	now := t.counts()
	var why []string
	for i, name := range missNames {
		if n := now[i] - before[i]; n > 0 {
			why = append(why, fmt.Sprintf("%d %s", n, name))
		}
	}
	switch {
	case now[missLarge] > before[missLarge]:
		return keyframe{}, errTooLarge
	case why == nil:
		return keyframe{}, fmt.Errorf("no keyframe came within %v", wait)
	}
	return keyframe{}, fmt.Errorf("no keyframe came whole within %v: %s", wait, strings.Join(why, ", "))
}

// missNames are the counts of misses for people.
var missNames = [...]string{"with lost packets", "too large", "while other cameras had the memory", "before any parameter set", "against the rules of RTP"}

const missLarge = 1

func (m *misses) counts() [len(missNames)]int64 {
	return [...]int64{m.lost.Load(), m.large.Load(), m.noRoom.Load(), m.noSets.Load(), m.bad.Load()}
}
