package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"

	"kentongan/agent/stream/picture"
)

// encode makes the stream of a clip, an elementary stream, broken where the
// fault is in the stream itself.
func (c *clip) encode(ctx context.Context) ([]byte, error) {
	w, h := c.source()
	rate := fmt.Sprintf("%d/%d", c.GOP, lookEvery)
	args := []string{"-v", "error", "-nostdin", "-threads", "1", "-filter_complex_threads", "1"}
	drawn, ours := weathers[c.Source]
	if ours {
		args = append(args, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", w, h), "-framerate", rate, "-i", "-")
	} else {
		args = append(args, "-f", "lavfi", "-i", fmt.Sprintf(lavfi[c.Source], w, h, rate))
	}
	args = append(args, "-filter_complex", c.graph(), "-an", "-frames:v", fmt.Sprint(c.looks()*c.GOP), "-threads", "1")
	args = append(append(args, c.encoder()...), "-")
	cmd := exec.CommandContext(ctx, "ffmpeg", args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if ours {
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		s := newScene(drawn(c.from()), c.Seed, w, h)
		go feed(in, s, c.looks()*c.GOP, c.fps())
	}
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("encode %s: %w: %s\nffmpeg %s", c.describe(), err, complaints.String(), strings.Join(args, " "))
	}
	return c.spoil(out.Bytes()), nil
}

// feed draws the frames. A write fails when ffmpeg has enough, or has failed,
// which it says itself.
func feed(in io.WriteCloser, s *scene, frames int, fps float64) {
	defer in.Close()
	b := bufio.NewWriterSize(in, 1<<18)
	for i := range frames {
		p := s.frame(float64(i) / fps)
		for _, bytes := range [][]byte{p.y, p.u, p.v} {
			if _, err := b.Write(bytes); err != nil {
				return
			}
		}
	}
	_ = b.Flush()
}

// spoil breaks the stream itself: bytes that are wrong, or the last good
// group of pictures again and again.
func (c *clip) spoil(stream []byte) []byte {
	broken := c.Fault == picture.Garbage
	if !broken && (c.Fault != picture.Frozen || c.Variant != "repeated") {
		return stream
	}
	units := split(c.Codec, stream)
	first := c.Learn*c.GOP + c.Late - 1
	rng := rand.New(rand.NewPCG(c.Seed, 5))
	var out []byte
	for i, u := range units {
		if i > first && i <= first+c.Bad*c.GOP {
			if broken {
				u = c.corrupt(u, rng)
			} else {
				u = units[(c.Learn-1)*c.GOP+(i-first-1+c.Late)%c.GOP]
			}
		}
		out = append(out, u...)
	}
	return out
}

// corrupt changes bytes behind the headers, so that the decoder sets out to
// decode and stumbles.
func (c *clip) corrupt(unit []byte, rng *rand.Rand) []byte {
	u := bytes.Clone(unit)
	every := 1500
	if c.Variant == "many" {
		every = 150
	}
	begin := min(700, len(u)/2)
	for range max(len(u)/every, 3) {
		p, b := begin+rng.IntN(len(u)-begin), byte(1+rng.IntN(255))
		if c.Codec == "mjpeg" && (u[p] == 0xFF || u[p-1] == 0xFF || u[p]^b == 0xFF) {
			continue // a marker: the next picture would be taken for a part of this one
		}
		u[p] ^= b
	}
	return u
}

// split cuts an elementary stream into its access units; each has one frame.
func split(codec string, stream []byte) [][]byte {
	var units [][]byte
	begin, picture := 0, false
	cut := func(at int) {
		if picture {
			units = append(units, stream[begin:at])
			begin, picture = at, false
		}
	}
	if codec == "mjpeg" {
		for i := 2; i+3 < len(stream); i++ {
			if stream[i] == 0xFF && stream[i+1] == 0xD8 && stream[i-2] == 0xFF && stream[i-1] == 0xD9 {
				picture = true
				cut(i)
			}
		}
		return append(units, stream[begin:])
	}
	for i := 0; i+4 < len(stream); i++ {
		if stream[i] != 0 || stream[i+1] != 0 || stream[i+2] != 1 {
			continue
		}
		at := i
		if i > 0 && stream[i-1] == 0 {
			at-- // the start code has four bytes
		}
		cut(at)
		picture = isPicture(codec, stream[i+3])
	}
	return append(units, stream[begin:])
}

// isPicture tells whether a NAL unit is a slice; the encoders here put one
// into each picture.
func isPicture(codec string, header byte) bool {
	if codec == "h265" {
		return header>>1&63 < 32
	}
	t := header & 31
	return t == 1 || t == 5
}
