package decoder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"time"
)

// stillDeadline bounds the decoding of one large picture by a process of its
// own; 4K takes 0.2 s on a PC and some seconds on a small board.
const stillDeadline = 20 * time.Second

// Still decodes a keyframe into a picture of w x h pixels, both even, in full
// range. One is decoded at a time, since a large JPEG takes up to 50 MB. H.264
// and H.265 have a process of their own, which costs 100 ms of CPU: snapshots
// are rare, and nothing of another camera can be in it. The error is a RefusedError, ErrNoFFmpeg, ctx's, or the process's.
func (d *Decoder) Still(ctx context.Context, k Keyframe, w, h int) (*image.YCbCr, error) {
	select {
	case d.stills <- struct{}{}:
		defer func() { <-d.stills }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if k.Codec == JPEG {
		img, err := DecodeJPEG(k.Unit)
		if err != nil {
			return nil, err
		}
		return Scale(img, w, h), nil
	}
	if !d.Can(k.Codec) {
		return nil, ErrNoFFmpeg
	}
	if err := checkSize(k); err != nil {
		return nil, err
	}
	args := []string{
		"-nostdin", "-hide_banner", "-loglevel", "repeat+error", "-protocol_whitelist", "pipe",
		"-noautorotate", // or privacy masks would be painted beside what they hide
		"-threads", "1", "-f", syntaxes[k.Codec].format, "-i", "pipe:0", "-map", "0:v:0", "-filter_threads", "1",
		"-frames:v", "1", "-vf", fmt.Sprintf("scale=%d:%d:out_range=pc,format=yuvj420p", w, h), "-f", "rawvideo", "pipe:1",
	}
	c, err := spawn(d.o.FFmpeg, args)
	if err != nil {
		return nil, err
	}
	defer c.kill()
	stop := context.AfterFunc(ctx, func() { _ = c.cmd.Process.Kill() })
	defer stop()
	img, err := c.still(k.Unit, w, h)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return nil, &RefusedError{c.because(errors.New("no picture came out of it")).Error()}
	case err != nil:
		return nil, fmt.Errorf("decode a still: %w", err)
	}
	return img, nil
}

func (c *child) still(unit []byte, w, h int) (*image.YCbCr, error) {
	until := time.Now().Add(stillDeadline)
	_ = c.in.SetWriteDeadline(until)
	_ = c.out.SetReadDeadline(until)
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.Copy(struct{ io.Writer }{c.in}, bytes.NewReader(unit)) // that it ends early is seen by its output
		_ = c.in.Close()
	}()
	img := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	var err error
	for _, plane := range [][]byte{img.Y, img.Cb, img.Cr} {
		if _, err = io.ReadFull(c.out, plane); err != nil {
			break
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errHung
	}
	_ = c.cmd.Process.Kill() // it has given what we want, or never will
	<-written
	return img, err
}

// Scale makes a picture of w x h pixels in 4:2:0.
func Scale(img *image.YCbCr, w, h int) *image.YCbCr {
	out := image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
	average(out.Y, w, h, img.Y, img.YStride, img.Rect.Dx(), img.Rect.Dy())
	cw, ch := chromaSize(img)
	average(out.Cb, out.CStride, (h+1)/2, img.Cb, img.CStride, cw, ch)
	average(out.Cr, out.CStride, (h+1)/2, img.Cr, img.CStride, cw, ch)
	return out
}
