package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kentongan/agent"
	"kentongan/agent/kiosk"
)

const testButtonUsage = `kentongan test button [NAME]... [--for TIME] [--config FILE] [--lang id|en] [--json]

Shows each edge of the buttons and contacts as it comes: when, which line, and
whether it stands after debouncing or is a bounce. Without --for it ends once each
was pressed and let go, or at Ctrl-C; the lines are opened without the kernel's
debouncing, so that a worn contact is seen.

While the agent runs it has the lines. Then its page is asked (page.listen in the
configuration; as root), which knows debounced levels, every 0.2 s; or the board
that it plays. Where there is neither, this says what to do.

Options:` + testOptions + `
  --for TIME     go on for so long, as 2m, also when all were pressed
  --json         one JSON object a line: name, kind, line, active, verdict (press,
                 release, too_short, bounce; "" is the level at the begin), at_ms,
                 held_ms, via (line, sim, agent)

Status 0 is that each was pressed and let go and none is stuck, 1 that one was not.

Examples:
  sudo kentongan test button
  sudo kentongan test button road water --lang en
  sudo kentongan test button --for 5m --json > presses.jsonl`

// buttonSeen is what came of one line.
type buttonSeen struct {
	name, kind, line        string
	pressed, released, down bool
	bounces                 int
	longest                 float64 // ms from the first edge of a bouncing contact to the last
	first                   float64 // ms of the burst that is on
	burst                   bool
}

func runTestButton(ctx context.Context, e env, args []string) int {
	b := newBench(e, "kentongan test button", testButtonUsage)
	span := b.Duration("for", 0, "")
	given, status, ok := b.open(args, manyNames...)
	if !ok {
		return status
	}
	if *span < 0 {
		return b.wrong(e, "--for %v; write a time such as 30s", *span)
	}
	ctx, cancel := within(ctx, *span)
	defer cancel()
	var order []string
	seen := map[string]*buttonSeen{}
	err := agent.TryInputs(ctx, b.cfg, given, func(t agent.Touch) {
		if *b.json {
			b.encode(t)
		}
		s := seen[t.Name]
		if s == nil {
			if len(order) == 0 {
				b.intro(t.Via)
			}
			order = append(order, t.Name)
			s = &buttonSeen{name: t.Name, kind: t.Kind, line: t.Line}
			seen[t.Name] = s
		}
		s.take(t)
		if !*b.json {
			b.touch(t)
		}
		if *span == 0 && done(seen) {
			cancel()
		}
	})
	if err != nil {
		return b.failed(err)
	}
	return b.buttonsOver(order, seen)
}

// manyNames are words that may all be missing.
var manyNames = strings.Split(strings.Repeat("[NAME] ", 64), " ")[:64]

func (b *bench) intro(via string) {
	if *b.json {
		return
	}
	switch via {
	case agent.ViaAgent:
		b.print("%s", b.say("Agen yang berjalan ditanya lewat halamannya.", "The running agent is asked through its page."))
	case agent.ViaSim:
		b.print("%s", b.say("Papan simulasi milik agen yang berjalan.", "The simulated board of the running agent."))
	}
	b.print("%s\n", b.say("Tekan dan lepas setiap tombol. Ctrl-C mengakhiri.", "Press each one and let it go. Ctrl-C ends."))
}

func (s *buttonSeen) take(t agent.Touch) {
	s.down = t.Active
	switch t.Verdict {
	case kiosk.Bounced:
		s.bounces++
		if !s.burst {
			s.burst, s.first = true, t.AtMS
		}
		return
	case kiosk.Pressed:
		s.pressed = true
	case kiosk.Released, kiosk.TooShort:
		s.released = s.pressed
	}
	if s.burst {
		s.burst, s.longest = false, max(s.longest, t.AtMS-s.first)
	}
}

func done(all map[string]*buttonSeen) bool {
	for _, s := range all {
		if !s.pressed || !s.released {
			return false
		}
	}
	return true
}

// touch shows one edge: time, verdict, and which line is which button.
func (b *bench) touch(t agent.Touch) {
	at := time.Duration(t.AtMS * float64(time.Millisecond)).Round(100 * time.Microsecond)
	words := map[kiosk.Verdict][2]string{
		kiosk.Pressed: {"ditekan", "pressed"}, kiosk.Released: {"dilepas", "let go"},
		kiosk.TooShort: {"terlalu singkat, tidak dihitung", "too short, does not count"}, kiosk.Bounced: {"pantulan, diabaikan", "a bounce, ignored"},
	}
	w, ok := words[t.Verdict]
	if !ok {
		w = [2]string{"lepas", "open"}
		if t.Active {
			w = [2]string{"TERTEKAN sejak awal: macet atau terbalik (active_low)?", "PRESSED from the start: stuck, or active_low wrong?"}
		}
	}
	text := b.say(w[0], w[1])
	if t.HeldMS > 0 {
		text += fmt.Sprintf(" (%.0f ms)", t.HeldMS)
	}
	b.print("%10v  %s = %s: %s", at, t.Line, t.Name, text)
}

func (b *bench) buttonsOver(order []string, seen map[string]*buttonSeen) int {
	status := exitGood
	if !*b.json {
		b.print("")
	}
	for _, name := range order {
		s := seen[name]
		good := s.pressed && s.released && !s.down
		if !good {
			status = exitFailed
		}
		if *b.json {
			continue
		}
		text := b.say("baik", "good")
		switch {
		case !s.pressed && s.down:
			text = b.say("tertekan terus: periksa kabel, bias dan active_low", "pressed all the time: check the wire, bias and active_low")
		case !s.pressed:
			text = b.say("tidak ada tekanan: periksa kabel ke jalur ini, dan nama jalurnya", "no press came: check the wire to this line, and the line's name")
		case !good:
			text = b.say("belum dilepas", "not let go")
		}
		if s.bounces > 0 {
			text += fmt.Sprintf(b.say(", %d pantulan, terlama %.1f ms", ", %d bounces, the longest %.1f ms"), s.bounces, s.longest)
		}
		b.print("%s %s (%s): %s", b.mark(good), name, s.line, text)
	}
	return status
}
