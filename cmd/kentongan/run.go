package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"kentongan/agent"
	"kentongan/agent/config"
	"kentongan/firmware/units"
)

// configFile is the configuration where nothing else is said: the service's own.
const configFile = units.Config

const runUsage = `kentongan run [--config FILE] [--log-format text|json|journal]

Runs the agent until SIGINT or SIGTERM, and then ends in order; a second signal,
a second or more later, ends it at once. It logs to standard error, at the level
that the configuration says. A changed FILE counts by itself once it is whole, and
SIGHUP asks for a look at once; one that is not valid is not taken. When the centre
orders a restart, or another configuration, it starts anew: under systemd by ending
with status 75, elsewhere by itself. A configuration that the centre ordered stands
in the data directory and is used in the place of FILE, until FILE is changed by
hand.

Options:
  --config FILE        the configuration (default ` + configFile + `)
  --log-format FORMAT  text, json, journal (journald, with fields), or auto: the
                       journal where systemd connects it, text on a terminal, JSON
                       elsewhere

Examples:
  kentongan run --config kiosk.yaml
  kentongan run --config kiosk.yaml --log-format text 2>agent.log`

func runRun(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan run", runUsage)
	file := o.String("config", configFile, "")
	format := o.String("log-format", "auto", "")
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	if !slices.Contains(logFormats, *format) {
		return o.wrong(e, "--log-format %q is not one of %s", *format, strings.Join(logFormats, ", "))
	}
	cfg, missing, ok := loadToRun(e, *file)
	if !ok {
		return exitConfig
	}
	signal.Ignore(syscall.SIGPIPE) // nobody reads the log any more: no reason to take no presses
	cfg, bad := agent.Ordered(cfg)
	ring, level := &agent.LogRing{}, &slog.LevelVar{}
	level.Set(cfg.Log.SlogLevel())
	runDir := os.Getenv("RUNTIME_DIRECTORY")
	if runDir = filepath.Clean(runDir); filepath.IsAbs(runDir) {
		ring.File = filepath.Join(runDir, ringFile)
	} else {
		runDir = ""
	}
	limit := newLimited(ring.Handler(newLog(e.stderr, *format, level).Handler(), level))
	log := slog.New(limit)
	limiting, stopLimiting := context.WithCancel(context.Background())
	var flushed sync.WaitGroup
	flushed.Go(func() { limit.run(limiting) })
	defer func() { stopLimiting(); flushed.Wait() }()
	if bad != nil {
		log.Error("ordered configuration not used", "part", "config", "err", bad)
	}
	for _, p := range missing {
		log.Error("configured file not usable", "part", "config", "line", p.Line, "value", p.Path, "detail", p.Text)
	}
	for _, w := range cfg.Warnings() {
		log.Warn("configuration doubtful", "part", "config", "line", w.Line, "value", w.Path, "detail", w.Text)
	}
	look, stop := reloads(ctx)
	defer stop()
	opts := agent.Options{Version: thisBuild().Version, Log: log, Ring: ring, Level: level, Reload: look, RunDir: runDir}
	err := runAgent(ctx, cfg, opts)
	for errors.Is(err, agent.ErrNewEpoch) && ctx.Err() == nil {
		log.Warn("agent starts again", "part", "agent", "err", err)
		opts.NewEpochs++
		err = runAgent(ctx, cfg, opts)
	}
	if errors.Is(err, agent.ErrRestart) && ctx.Err() == nil {
		log.Info("agent starts anew", "part", "agent")
		return startAnew(e)
	}
	if err != nil {
		log.Error("agent ended", "part", "agent", "err", err)
		return exitFailed
	}
	log.Info("agent ended", "part", "agent")
	return exitGood
}

// loadToRun reads a configuration. A file in it that can't be used, as a
// camera's password, the broker's certificate or a language, is no reason to take no
// presses: what needs it fails alone. The example's centre key, which would let
// nothing leave for ever, is.
func loadToRun(e env, file string) (cfg *config.Config, missing config.Problems, ok bool) {
	cfg, err := config.Load(file)
	if err == nil {
		missing, _ = errors.AsType[config.Problems](cfg.CheckFiles())
	}
	if err != nil ||
		slices.ContainsFunc(missing, func(p config.Problem) bool { return p.Path == "uplink.centre_key" }) {
		cfg, ok = loadConfig(e, file) // says all that is wrong
		return cfg, nil, ok
	}
	return cfg, missing, true
}

// exitRestart asks the service manager for another start: sysexits' EX_TEMPFAIL,
// so that Restart=on-failure will do.
const exitRestart = 75

// startAnew puts a new process in the place of this one: under a service manager
// by ending, which also brings a program that was updated meanwhile, elsewhere by
// itself.
func startAnew(e env) int {
	if os.Getenv("INVOCATION_ID") != "" || os.Getenv("NOTIFY_SOCKET") != "" {
		return exitRestart
	}
	program, err := os.Executable()
	if err == nil {
		err = syscall.Exec(program, os.Args, os.Environ())
	}
	fmt.Fprintf(e.stderr, "kentongan run: start anew: %v\n", err)
	return exitRestart
}

// reloads makes a look at the configuration of each SIGHUP.
func reloads(ctx context.Context) (look <-chan struct{}, stop func()) {
	signals, out := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-signals:
			case <-ctx.Done():
				return
			}
			select {
			case out <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	})
	return out, func() { signal.Stop(signals); cancel(); wg.Wait() }
}

func runAgent(ctx context.Context, cfg *config.Config, o agent.Options) error {
	a, err := agent.New(cfg, o)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}
