package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"kentongan/agent"
	"kentongan/agent/config"
	"kentongan/agent/doctor"
)

const doctorUsage = `kentongan doctor [--config FILE] [--lang id|en] [--json]

Examines this device from its power to the centre, in the order in which things
depend on one another, and says what was seen and what to do. The first ✗ is the
cause; what depends on it is not checked. Nothing is changed, and the agent may
run. Without root, some of it can't be seen.

  ✓ good   ! works, but look at it   ✗ failed   – not checked

Options:
  --config FILE  the configuration (default ` + configFile + `)
  --lang LANG    id or en (default: en where LC_ALL, LC_MESSAGES or LANG begins
                 with it, else id)
  --json         one JSON object a line, as each check is done: check, subject,
                 state (ok, warn, fail, skipped), cause, title, seen, next, because

Status 0 is no ✗ and no !, 1 an ✗, 3 an invalid configuration, 4 a ! alone.
The causes stand in docs/reference/troubleshooting.md.

Examples:
  sudo kentongan doctor
  kentongan doctor --lang en --config kiosk.yaml
  sudo kentongan doctor --json | grep '"state":"fail"'`

// exitDegraded is a device that works, and at which somebody should look.
const exitDegraded = 4

func runDoctor(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan doctor", doctorUsage)
	file := o.String("config", configFile, "")
	lang := o.String("lang", "", "")
	asJSON := o.Bool("json", false, "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	in, status, ok := o.lang(e, *lang)
	if !ok {
		return status
	}
	cfg, err := config.Load(*file)
	if err == nil {
		cfg, _, _ = agent.OrderedNow(cfg) // one that can't be used is told by the agent, and the file counts
	}
	d := agent.NewDoctor(cfg, agent.DoctorOptions{File: *file, Problem: err, Service: serviceVerdict})
	count := examine(ctx, e, d, in, *asJSON)
	switch {
	case ctx.Err() != nil:
		return exitFailed
	case err != nil:
		return exitConfig
	case count.Failed > 0:
		return exitFailed
	case count.Warned > 0:
		return exitDegraded
	}
	return exitGood
}

// examine runs a doctor and writes what it finds.
func examine(ctx context.Context, e env, d *doctor.Doctor, lang doctor.Lang, asJSON bool) doctor.Count {
	var count doctor.Count
	if asJSON {
		out := json.NewEncoder(e.stdout)
		out.SetEscapeHTML(false)
		d.Run(ctx, func(f doctor.Finding) {
			count.Add(f)
			_ = out.Encode(f) // to a pipe that was closed
		})
		return count
	}
	show := doctor.Show{W: e.stdout, Lang: lang, Colours: colourful(e)}
	titles := d.Titles()
	waits := func() {
		if n := count.Total(); terminal(e.stderr) && n < len(titles) {
			fmt.Fprintf(e.stderr, "\r… %s\x1b[K", lang.Of(titles[n]))
		}
	}
	waits()
	d.Run(ctx, func(f doctor.Finding) {
		if terminal(e.stderr) {
			fmt.Fprint(e.stderr, "\r\x1b[K")
		}
		count.Add(f)
		show.Finding(f)
		waits()
	})
	show.Summary(count)
	return count
}

// colourful tells whether standard output takes colours (no-color.org).
func colourful(e env) bool {
	return terminal(e.stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// serviceVerdict is what `kentongan status` sees, as the doctor says it.
func serviceVerdict(context.Context) doctor.Verdict {
	return verdictOf(lookAtService())
}

func verdictOf(s serviceStatus) doctor.Verdict {
	causes := map[serviceState]string{
		stateRuns: "service.ok", stateStarts: "service.starting", stateCrashLoop: "service.crash_loop",
		stateStopped: "service.stopped", stateFailed: "service.failed", stateNotInstalled: "service.missing",
	}
	cause := causes[s.State]
	if s.State == stateRuns && s.Boot == "disabled" {
		cause = "service.not_at_boot"
	}
	detail := s.LastEnd
	if detail == "" {
		detail = s.Trouble
	}
	if detail == "" {
		detail = "-"
	}
	return doctor.Say(cause, "detail", detail, "restarts", strconv.Itoa(s.Restarts))
}
