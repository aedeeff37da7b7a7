package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"kentongan/agent/stream/picture"
)

// decoded is what a decoder made of a clip.
type decoded struct {
	Frames []picture.Frame
	Looks  []int // to which look each frame belongs
	Errors []int // that the decoder complained of, for each look
	Peers  peers
}

// peers is what ffmpeg's own detectors say of the same clip, in seconds from
// its beginning.
type peers struct {
	Freezes []float64 // when freezedetect said that the picture stands still for a minute
	Blacks  []float64 // when blackdetect said that it is black for 30 s
	Blur    []float64 // what blurdetect measures, every 30 s
}

// blurEvery is the number of looks between two of blurdetect, which takes
// 20 ms for each.
const blurEvery = 6

// decode decodes the keyframes to 160x90 pixels as the agent does, and runs
// ffmpeg's detectors over all frames, in one go.
func (c *clip) decode(ctx context.Context, stream []byte) (*decoded, error) {
	graph := fmt.Sprintf("[0:v]split=3[a][b][c];"+
		"[a]select='lt(mod(t+0.01,%d),0.1)',scale=160:90,format=yuv420p,showinfo=checksum=0[o];"+
		"[b]freezedetect=n=-60dB:d=60,blackdetect=d=30,nullsink;"+
		"[c]select='lt(mod(t+0.01,%d),0.1)',blurdetect,metadata=print:key=lavfi.blur,nullsink", lookEvery, lookEvery*blurEvery)
	cmd := exec.CommandContext(ctx, "ffmpeg", "-hide_banner", "-nostats", "-noautorotate", "-threads", "1", "-filter_complex_threads", "1",
		"-f", map[string]string{"h264": "h264", "h265": "hevc", "mjpeg": "mjpeg"}[c.Codec], "-framerate", fmt.Sprintf("%d/%d", c.GOP, lookEvery), "-i", "-",
		"-filter_complex", graph, "-map", "[o]", "-vsync", "passthrough", "-f", "rawvideo", "-")
	var out, says bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stream), &out, &says
	if err := cmd.Run(); err != nil {
		said := says.String()
		return nil, fmt.Errorf("decode %s: %w: %s", c.describe(), err, said[max(len(said)-500, 0):])
	}
	d := &decoded{Errors: make([]int, c.looks())}
	d.read(says.String())
	const size = picture.Width * picture.Height * 3 / 2
	raw := out.Bytes()
	if len(raw) != size*len(d.Looks) {
		return nil, fmt.Errorf("decode %s: %d bytes for %d frames", c.describe(), len(raw), len(d.Looks))
	}
	d.Frames = make([]picture.Frame, len(d.Looks))
	for i := range d.Frames {
		f, b := &d.Frames[i], raw[i*size:]
		n := copy(f.Y[:], b)
		n += copy(f.U[:], b[n:])
		copy(f.V[:], b[n:])
	}
	return d, nil
}

var (
	sayFrame  = regexp.MustCompile(`Parsed_showinfo.* pts_time:([0-9.]+)`)
	sayFreeze = regexp.MustCompile(`freezedetect.*freeze_start: ([0-9.]+)`)
	sayBlack  = regexp.MustCompile(`blackdetect.*black_start:([0-9.]+)`)
	sayBlur   = regexp.MustCompile(`lavfi.blur=([0-9.]+)`)
	sayError  = regexp.MustCompile(`^\[(h264|hevc|mjpeg|NULL) @|Error while decoding|Invalid data`)
)

// read takes what ffmpeg said line by line. With one thread a complaint stands
// before the frame that it is about.
func (d *decoded) read(says string) {
	errors := 0
	for line := range strings.Lines(says) {
		number := func(re *regexp.Regexp) (float64, bool) {
			m := re.FindStringSubmatch(line)
			if m == nil {
				return 0, false
			}
			v, err := strconv.ParseFloat(m[1], 64)
			return v, err == nil
		}
		if t, ok := number(sayFrame); ok {
			look := int(t/lookEvery + 0.5)
			if look < len(d.Errors) {
				d.Errors[look] = errors
			}
			d.Looks = append(d.Looks, look)
			errors = 0
		} else if t, ok := number(sayFreeze); ok {
			d.Peers.Freezes = append(d.Peers.Freezes, t+60)
		} else if t, ok := number(sayBlack); ok {
			d.Peers.Blacks = append(d.Peers.Blacks, t+30)
		} else if b, ok := number(sayBlur); ok {
			d.Peers.Blur = append(d.Peers.Blur, b)
		} else if sayError.MatchString(line) {
			errors++
		}
	}
}
