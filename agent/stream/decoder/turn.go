package decoder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// A decoder holds pictures back, in case one comes that belongs before them: as
// many as a camera's parameter set says, at most 16 (H.264, A.3.1 and H.265,
// A.4.2), and keeps holding them for the cameras after it. The fill pushes them
// out. How much is needed is learned.
const (
	firstSlack = 2
	maxSlack   = 20
	firstNudge = 150 * time.Millisecond // without a picture, until more fill is sent
)

// maxPictures is how many pictures may come out of one keyframe before that is
// called an attack.
const maxPictures = 16

var (
	errHung    = errors.New("no answer in time")
	errShifted = errors.New("a picture came that belongs to nobody")
	errFlood   = fmt.Errorf("more than %d pictures came out of one keyframe", maxPictures)
)

// turn is one camera's turn: what came out so far.
type turn struct {
	sign     sign
	matched  int // greys of the sign, in succession
	pictures int // before it
	picture  Picture
}

// take looks at the next picture that came out. It tells whether the turn is
// over.
func (t *turn) take(p *Picture) (over bool) {
	g := grey(p)
	if g == int(t.sign[t.matched]) {
		if t.matched == 0 && t.pictures == 0 {
			t.picture = *p // if it is not the sign
		}
		t.matched++
		return t.matched == len(t.sign)
	}
	// Greys that matched and are not the sign were the camera's. The sign's
	// first does not come again in it, so it can only begin with this one.
	t.pictures += t.matched
	t.matched = 0
	if g == beginGrey {
		if t.pictures == 0 {
			t.picture = *p
		}
		t.matched = 1
		return false
	}
	if t.pictures == 0 {
		t.picture = *p
	}
	t.pictures++
	return false
}

// look decodes one keyframe. An error that is not a RefusedError means that the
// process can't be used any more.
func (c *child) look(unit []byte, until time.Time) (Answer, error) {
	t := &turn{sign: newSign()}
	written := make(chan error, 1)
	_ = c.in.SetWriteDeadline(until)
	go func() { written <- c.write(unit, t.sign, c.slack) }()
	owed := c.owed
	c.owed = c.slack
	err := c.read(t, owed, until, written)
	if err != nil {
		_ = c.in.SetWriteDeadline(time.Now())
		if written != nil {
			<-written
		}
		return Answer{}, err
	}
	if err := <-written; err != nil {
		return Answer{}, fmt.Errorf("write: %w", err)
	}
	var a Answer
	a.Errors, a.Detail = c.errs.take()
	switch {
	case t.pictures == 0:
		return a, &RefusedError{"no picture came out of it: " + a.Detail}
	case t.pictures > 1:
		return a, &RefusedError{fmt.Sprintf("%d pictures came out of it", t.pictures)}
	}
	a.Picture = t.picture
	return a, nil
}

// write sends the keyframe, the sign and the fill.
func (c *child) write(unit []byte, s sign, fills int) error {
	if _, err := c.in.Write(unit); err != nil {
		return err
	}
	tail := append([]byte(nil), c.s.delimiter...)
	for _, g := range s {
		tail = append(tail, c.markers[g]...)
	}
	for range fills {
		tail = append(tail, c.markers[fillGrey]...)
	}
	_, err := c.in.Write(tail)
	return err
}

// read takes pictures until the sign is there. While nothing comes, and all is
// written, it sends more fill.
func (c *child) read(t *turn, owed int, until time.Time, written chan error) error {
	nudge := firstNudge
	for {
		over, err := c.next(t, &owed, earlier(until, time.Now().Add(nudge)))
		switch {
		case over:
			return nil
		case err == nil:
			nudge = firstNudge
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case !time.Now().Before(until):
			return errHung
		default:
			nudge *= 2
			if err := c.nudge(written); err != nil {
				return err
			}
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// nudge doubles the fill.
func (c *child) nudge(written chan error) error {
	select {
	case err := <-written:
		written <- err
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
	default:
		return nil // it still takes the keyframe
	}
	for n := min(c.slack, maxSlack-c.slack); n > 0; n-- {
		if _, err := c.in.Write(c.markers[fillGrey]); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		c.slack++
		c.owed++
	}
	return nil
}

// next reads one picture.
func (c *child) next(t *turn, owed *int, until time.Time) (over bool, err error) {
	_ = c.out.SetReadDeadline(until)
	for c.got < len(c.frame) {
		n, err := c.out.Read(c.frame[c.got:])
		if c.got += n; errors.Is(err, io.EOF) {
			select {
			case <-c.done:
			case <-time.After(killDeadline):
			}
			return false, c.state()
		}
		if err != nil {
			return false, err
		}
	}
	c.got = 0
	if *owed > 0 {
		if grey(&c.frame) != fillGrey {
			return false, errShifted
		}
		*owed--
		return false, nil
	}
	if over = t.take(&c.frame); t.pictures > maxPictures {
		return false, errFlood
	}
	return over, nil
}
