package main

import (
	"context"
	"fmt"
	"time"

	"kentongan/agent"
	"kentongan/agent/stream"
)

const testCameraUsage = `kentongan test camera [NAME] [--for TIME] [--config FILE] [--lang id|en] [--json]

Plays one camera of the configuration as the agent would, beside the agent, and
shows each second its state, codec, size, frames and bits a second, loss, and how
long ago the newest keyframe came; until Ctrl-C, or for the time of --for. Nothing
is decoded and no picture is kept. NAME may be left out where there is one camera.

Options:` + testOptions + `
  --for TIME     end after this, as 30s
  --json         one JSON object a second: name, state, class, detail, codec, width,
                 height, fps, bits_per_s, loss_ratio, keyframes, keyframe_age_s

Status 0 is that it played and a keyframe came within the last 10 s, 1 that not.

Examples:
  kentongan test camera gate
  kentongan test camera gate --for 30s --lang en
  kentongan test camera gate --for 10s --json | tail -n 1`

// cameraFigures are a camera's line of JSON.
type cameraFigures struct {
	Name      string   `json:"name"`
	State     string   `json:"state"`
	Class     string   `json:"class,omitempty"`
	Detail    string   `json:"detail,omitempty"`
	Codec     string   `json:"codec,omitempty"`
	Width     int      `json:"width,omitempty"`
	Height    int      `json:"height,omitempty"`
	FPS       float64  `json:"fps"`
	BitsPerS  int64    `json:"bits_per_s"`
	LossRatio float64  `json:"loss_ratio"`
	Keyframes uint64   `json:"keyframes"` // of the last 10 s
	KeyAge    *float64 `json:"keyframe_age_s,omitempty"`
}

func figures(s stream.Status) cameraFigures {
	m := s.Measure
	f := cameraFigures{
		Name: s.State.Name, State: s.State.State, Class: s.State.Class, Detail: s.State.Detail, Codec: string(m.Codec), Width: int(m.Size.Width), Height: int(m.Size.Height),
		FPS: m.Short.FPS, BitsPerS: m.Short.BitsPerS, LossRatio: m.Short.LossRatio, Keyframes: m.Short.Keyframes,
	}
	if m.Short.Keyframes > 0 && m.Short.FPS > 0 {
		age := float64(m.SinceKey)/m.Short.FPS + max(m.SinceFrame, 0).Seconds()
		f.KeyAge = &age
	}
	return f
}

func (f cameraFigures) good() bool { return f.State == stream.StatePlaying && f.Keyframes > 0 }

func runTestCamera(ctx context.Context, e env, args []string) int {
	b := newBench(e, "kentongan test camera", testCameraUsage)
	span := b.Duration("for", 0, "")
	given, status, ok := b.open(args, "[NAME]")
	if !ok {
		return status
	}
	if *span < 0 {
		return b.wrong(e, "--for %v; write a time such as 30s", *span)
	}
	name := ""
	if len(given) > 0 {
		name = given[0]
	}
	ctx, cancel := within(ctx, *span)
	defer cancel()
	var last cameraFigures
	err := agent.TryStream(ctx, b.cfg, name, func(ctx context.Context, w *stream.Watcher) {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			over := false
			select {
			case <-tick.C:
			case <-ctx.Done():
				over = true
			}
			now := figures(w.Status())
			b.camera(now, last)
			last = now
			if over {
				b.cameraOver(last)
				return
			}
		}
	})
	if err != nil {
		return b.failed(err)
	}
	if !last.good() {
		return exitFailed
	}
	return exitGood
}

// camera shows a second. On a terminal, figures of the same state write over the
// last ones.
func (b *bench) camera(now, before cameraFigures) {
	if *b.json {
		b.encode(now)
		return
	}
	begin, end := "", "\n"
	if terminal(b.stdout) && colourful(b.env) {
		begin, end = "\r", "\x1b[K"
		if now.State != before.State && before.State != "" {
			begin = "\n"
		}
	}
	fmt.Fprintf(b.stdout, "%s%s%s", begin, b.second(now), end)
}

func (b *bench) second(f cameraFigures) string {
	states := map[string]string{
		stream.StateResolving: "mencari nama", stream.StateConnecting: "menyambung", stream.StateAuthenticating: "masuk",
		stream.StateNegotiating: "berunding", stream.StatePlaying: "tayang", stream.StateSilent: "tidak ada gambar", stream.StateFailed: "gagal",
	}
	state := b.say(states[f.State], f.State)
	if f.State != stream.StatePlaying {
		if f.Class != "" || f.Detail != "" {
			return fmt.Sprintf("%s: %s: %s %s", f.Name, state, f.Class, f.Detail)
		}
		return fmt.Sprintf("%s: %s", f.Name, state)
	}
	key := b.say("belum ada keyframe", "no keyframe yet")
	if f.KeyAge != nil {
		key = fmt.Sprintf(b.say("keyframe %.1f dtk lalu", "keyframe %.1f s ago"), *f.KeyAge)
	}
	return fmt.Sprintf("%s: %s %s %dx%d %.1f fps %.0f kbit/s, %s, %s", f.Name, state, f.Codec, f.Width, f.Height, f.FPS, float64(f.BitsPerS)/1000,
		fmt.Sprintf(b.say("hilang %.1f%%", "lost %.1f%%"), 100*f.LossRatio), key)
}

func (b *bench) cameraOver(last cameraFigures) {
	if *b.json {
		return
	}
	if terminal(b.stdout) && colourful(b.env) {
		b.print("")
	}
	text := b.say("kamera ini tayang", "this camera plays")
	if !last.good() {
		text = b.say("kamera ini tidak tayang; sebabnya: sudo kentongan doctor", "this camera does not play; for the cause: sudo kentongan doctor")
	}
	b.print("%s %s", b.mark(last.good()), text)
}
