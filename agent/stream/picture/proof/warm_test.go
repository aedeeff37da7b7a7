package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"kentongan/agent/stream/decoder"
	"kentongan/agent/stream/picture"
)

// TestWarmDecoder shows clips to a Judge through the agent's own decoder,
// which all cameras share, one keyframe at a time.
func TestWarmDecoder(t *testing.T) {
	needFFmpeg(t)
	d := decoder.New(decoder.Options{FFmpeg: decoder.Find(), Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended }) // after the parallel tests below
	tests := map[string]struct {
		codec, fault, variant string
		decoder               decoder.Codec
	}{
		"H.264, cloth on the lens": {"h264", picture.Covered, "cloth", decoder.H264},
		"H.265, frozen":            {"h265", picture.Frozen, "sensor", decoder.H265},
		"MJPEG, no signal":         {"mjpeg", picture.Black, "signal", decoder.JPEG},
		"H.264, garbage":           {"h264", picture.Garbage, "many", decoder.H264},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &clip{
				Name: name, Seed: 12, Source: "street", Fault: tt.fault, Variant: tt.variant, Width: 480, Height: 270, Noise: 5,
				Codec: tt.codec, Rate: "crf28", GOP: 2, Clock: true, Learn: 40, Bad: 16, Late: 1,
			}
			stream, err := c.encode(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r := c.judge(c.warm(t, d, tt.decoder, stream))
			if w := tally(tt.fault, []result{r}); w.found != 1 || w.false > 0 {
				t.Errorf("%s found %d times and falsely %d times: %+v", tt.fault, w.found, w.false, r.events)
			}
			for _, e := range r.events {
				if !e.Info && e.Condition != tt.fault {
					t.Errorf("%+v as well", e)
				}
			}
		})
	}
}

// warm decodes the keyframes of a clip.
func (c *clip) warm(t *testing.T, d *decoder.Decoder, codec decoder.Codec, stream []byte) *decoded {
	out := &decoded{Errors: make([]int, c.looks())}
	for i, u := range split(c.Codec, stream) {
		look := i / c.GOP
		if i%c.GOP != 0 || look >= c.looks() {
			continue
		}
		a, err := d.Look(t.Context(), decoder.Keyframe{Camera: c.Name, Codec: codec, Unit: u, Width: c.Width, Height: c.Height})
		if _, refused := errors.AsType[*decoder.RefusedError](err); refused {
			continue // the Judge hears that nothing came of it
		}
		if err != nil {
			t.Fatalf("look %d: %v", look, err)
		}
		var f picture.Frame
		n := copy(f.Y[:], a.Picture[:])
		n += copy(f.U[:], a.Picture[n:])
		copy(f.V[:], a.Picture[n:])
		out.Frames, out.Looks = append(out.Frames, f), append(out.Looks, look)
		out.Errors[look] = a.Errors
	}
	return out
}
