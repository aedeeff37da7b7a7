package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"kentongan/agent"
	"kentongan/agent/config"
	"kentongan/agent/doctor"
	"kentongan/agent/report"
)

var testCommands = []command{
	{"button", "[NAME]... [--for TIME]", "Show each touch of buttons and contacts, and what it is worth.", runTestButton},
	{"lamp", "[NAME]... [--blinks N]", "Let each lamp blink.", runTestLamp},
	{"camera", "[NAME] [--for TIME]", "Play a camera and show its figures.", runTestCamera},
	{"printer", "", "Print a test slip.", runTestPrinter},
	{"broker", "", "Connect to the broker step by step, and publish.", runTestBroker},
	{"watchdog", "[--really]", "Say what the watchdog's driver tells, or let it bite.", runTestWatchdog},
}

const testUsage = `kentongan test button|lamp|camera|printer|broker|watchdog

Tries what is connected to this device, live, one thing at a time:

  button    Show each touch of buttons and contacts, and what it is worth.
  lamp      Let each lamp blink.
  camera    Play a camera and show its figures.
  printer   Print a test slip.
  broker    Connect to the broker step by step, and publish.
  watchdog  Say what the watchdog's driver tells, or let it bite.

No test makes a complaint. The agent has the lines while it runs: then button and
lamp ask it through its page, where it has one.

Examples:
  sudo kentongan test button
  sudo kentongan test camera gate --for 30s
  kentongan test broker --help`

func runTest(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan test", testUsage)
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		for _, c := range testCommands {
			if c.name == args[0] {
				return c.run(ctx, e, args[1:])
			}
		}
		return unknown(e, o.Name(), args[0], names(testCommands)[1:])
	}
	_, status, _ := o.parse(e, args, "subcommand")
	return status
}

const testOptions = `
  --config FILE  the configuration (default ` + configFile + `)
  --lang LANG    id or en (default: en where LC_ALL, LC_MESSAGES or LANG begins
                 with it, else id)`

// bench is what the tests share.
type bench struct {
	env
	options
	file, lang *string
	in         doctor.Lang // once it is open
	json       *bool
	cfg        *config.Config
}

func newBench(e env, name, usage string) *bench {
	b := &bench{env: e, options: newOptions(name, usage)}
	b.file = b.String("config", configFile, "")
	b.lang = b.String("lang", "", "")
	b.json = b.Bool("json", false, "")
	return b
}

// open reads the command line, any number of names at the end of it, and the
// configuration.
func (b *bench) open(args []string, words ...string) (given []string, status int, ok bool) {
	if given, status, ok = b.parse(b.env, args, words...); !ok {
		return nil, status, false
	}
	if b.in, status, ok = b.options.lang(b.env, *b.lang); !ok {
		return nil, status, false
	}
	if b.cfg, _, ok = loadToRun(b.env, *b.file); !ok {
		return nil, exitConfig, false
	}
	b.cfg, _, _ = agent.OrderedNow(b.cfg) // one that can't be used is told by the agent, and the file counts
	return given, exitGood, true
}

// say is a text in the language that was asked for.
func (b *bench) say(id, en string) string {
	return b.in.Of(report.Text{ID: id, EN: en})
}

func (b *bench) print(format string, args ...any) {
	fmt.Fprintf(b.stdout, format+"\n", args...)
}

// encode writes one object a line.
func (b *bench) encode(v any) {
	out := json.NewEncoder(b.stdout)
	out.SetEscapeHTML(false)
	_ = out.Encode(v) // to a pipe that was closed
}

// failed says why the test is over.
func (b *bench) failed(err error) int {
	fmt.Fprintf(b.stderr, "%s: %v\n", b.Name(), err)
	if errors.Is(err, agent.ErrHeld) {
		fmt.Fprintln(b.stderr, b.say(
			"Agen yang berjalan memegang jalur-jalur itu dan tidak punya halaman (page.listen) untuk ditanya.\n"+
				"Hentikan dahulu: sudo kentongan stop; uji; lalu sudo kentongan start.\n"+
				"Selama berhenti, tekanan tombol warga tidak diterima.",
			"The running agent has the lines, and has no page (page.listen) to ask.\n"+
				"Stop it first: sudo kentongan stop; test; then sudo kentongan start.\n"+
				"While it is stopped, no citizen's press is taken."))
	}
	return exitFailed
}

// mark is ✓ or ✗, in colour on a terminal that takes it.
func (b *bench) mark(good bool) string {
	mark, colour := "✗", "\x1b[31m"
	if good {
		mark, colour = "✓", "\x1b[32m"
	}
	if colourful(b.env) {
		return colour + mark + "\x1b[0m"
	}
	return mark
}

// within ends ctx after d; 0 is not at all.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d > 0 {
		return context.WithTimeout(ctx, d)
	}
	return context.WithCancel(ctx)
}

// people tells whether somebody sits there to answer.
func (b *bench) people() bool {
	return terminal(b.stdin) && terminal(b.stdout) && !*b.json
}
