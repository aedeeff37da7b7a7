package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"kentongan/agent"
)

const testLampUsage = `kentongan test lamp [NAME]... [--blinks N] [--config FILE] [--lang id|en] [--json]

Lets each lamp and the buzzer blink, one after the other, and says its name: saved,
received, fault, alive, buzzer. A lamp with a sense line also tells whether current
flowed. On a terminal it asks whether you saw it.

While the agent runs it has the lines. Then it is asked through its page to let its
lamps blink, all together; where it has no page, this says what to do.

Options:` + testOptions + `
  --blinks N     how often each blinks (1 to 100; default 3)
  --json         one JSON object a line: name, line, ok, sensed, seen

Status 0 is that no sense line and no answer said no, 1 that one did.

Examples:
  sudo kentongan test lamp
  sudo kentongan test lamp fault --blinks 20
  sudo kentongan test lamp --json`

// lampResult is one lamp's line of JSON.
type lampResult struct {
	*agent.TriedLamp
	OK     bool  `json:"ok"`
	Sensed *bool `json:"sensed,omitempty"`
	Seen   *bool `json:"seen,omitempty"`
}

func runTestLamp(ctx context.Context, e env, args []string) int {
	b := newBench(e, "kentongan test lamp", testLampUsage)
	blinks := b.Int("blinks", 3, "")
	given, status, ok := b.open(args, manyNames...)
	if !ok {
		return status
	}
	if *blinks < 1 || *blinks > 100 {
		return b.wrong(e, "--blinks %d; write 1 to 100", *blinks)
	}
	answers := bufio.NewScanner(e.stdin)
	all := true
	err := agent.TryLamps(b.cfg, given, func(l *agent.TriedLamp) error {
		r, err := b.lamp(ctx, l, *blinks, answers)
		all = all && r.OK
		return err
	})
	if errors.Is(err, agent.ErrHeld) {
		said, asked := agent.IdentifyByAgent(ctx, b.cfg)
		if asked != nil {
			return b.failed(asked)
		}
		b.blinking(said)
		return exitGood
	}
	if ctx.Err() != nil {
		return exitFailed
	}
	if err != nil {
		return b.failed(err)
	}
	if !all {
		return exitFailed
	}
	return exitGood
}

// blinking tells what the running agent does.
func (b *bench) blinking(said string) {
	if *b.json {
		b.encode(map[string]any{"ok": true, "via": agent.ViaAgent, "detail": said})
		return
	}
	b.print("%s %s", b.say("Agen yang berjalan mengedipkan lampunya selama 30 detik:", "The running agent lets its lamps blink for 30 s:"), said)
}

func (b *bench) lamp(ctx context.Context, l *agent.TriedLamp, blinks int, answers *bufio.Scanner) (r lampResult, err error) {
	if !*b.json {
		b.print(b.say("%s = %s: berkedip %d kali", "%s = %s: blinks %d times"), l.Line, l.Name, blinks)
	}
	r = lampResult{TriedLamp: l, OK: true}
	if r.Sensed, err = l.Blink(ctx, blinks); err != nil {
		return r, err
	}
	r.OK = r.Sensed == nil || *r.Sensed
	if b.people() {
		if r.Seen, err = b.saw(ctx, answers); err != nil {
			return r, err
		}
		r.OK = r.OK && (r.Seen == nil || *r.Seen)
	}
	switch {
	case *b.json:
		b.encode(r)
	case r.Sensed != nil && !*r.Sensed:
		b.print("%s %s", b.mark(false), b.say("tidak ada arus: lampu putus, atau kabel terputus", "no current flowed: the lamp is burnt, or a wire is cut"))
	case r.Sensed != nil:
		b.print("%s %s", b.mark(true), b.say("arus mengalir", "current flowed"))
	case r.Seen != nil && !*r.Seen:
		b.print("%s %s", b.mark(false), b.say("periksa kabel, polaritas (active_low) dan transistornya", "check the wire, the polarity (active_low) and the transistor"))
	}
	return r, nil
}

// saw asks whether the lamp was seen; nil is no answer.
func (b *bench) saw(ctx context.Context, answers *bufio.Scanner) (*bool, error) {
	fmt.Fprint(b.stdout, b.say("Terlihat? [Y/t] ", "Did you see it? [Y/n] "))
	line := make(chan bool, 1)
	go func() { line <- answers.Scan() }()
	select {
	case <-ctx.Done():
		b.print("")
		return nil, ctx.Err()
	case ok := <-line:
		if !ok {
			return nil, nil
		}
	}
	word := strings.ToLower(strings.TrimSpace(answers.Text()))
	yes := word == "" || strings.HasPrefix(word, "y")
	return &yes, nil
}
