package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/orders"
	"kentongan/cmd/kentongan-centre/internal/rollout"
	"kentongan/cmd/kentongan-centre/internal/store"
)

var rolloutCommands = []command{
	{"start", "--data DIR --url URL --number N --reason TEXT [--agency ID | --found TEXT | DEVICE...] [flags]", "bring a release to devices, in stages; without devices to all", rolloutStart},
	{"list", "--data DIR", "list the rollouts", rolloutList},
	{"show", "--data DIR ID", "say how one stands, and which devices failed, why", rolloutShow},
	{"pause", "--data DIR [--reason TEXT] ID", "give no more orders", rolloutSteer(rollout.Pause)},
	{"resume", "--data DIR [--reason TEXT] ID", "go on; failures so far don't count again", rolloutSteer(rollout.Resume)},
	{"cancel", "--data DIR [--reason TEXT] ID", "end it for good", rolloutSteer(rollout.Cancel)},
}

// runRollout works beside a running centre, which gives the orders.
func runRollout(ctx context.Context, e env, args []string) int {
	return group(ctx, e, "rollout", rolloutCommands, args)
}

// rolloutWords are the flags of all of these.
type rolloutWords struct {
	words
	database databaseOptions
}

func newRolloutWords(e env, name string) *rolloutWords {
	w := &rolloutWords{words: newWords(e, "rollout "+name)}
	w.database.flags(w.FlagSet)
	return w
}

// noDesk is for a process that gives no orders: the centre does.
type noDesk struct{}

func (noDesk) RolloutUpdate(context.Context, orders.Rollout) (store.Order, error) {
	return store.Order{}, errors.New("the command line gives no orders")
}

// with opens the database, and writes down what was done.
func (w *rolloutWords) with(ctx context.Context, do func(st *store.Store, c *rollout.Conductor) (access.Entry, error)) int {
	if err := w.database.check(); err != nil {
		return w.wrong("%v", err)
	}
	if _, err := os.Stat(*w.data); err != nil {
		return w.failed(err)
	}
	log := slog.New(slog.NewTextHandler(w.e.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := w.database.openBeside(*w.data, log)
	if err != nil {
		return w.failed(err)
	}
	entry, err := do(st, rollout.New(rollout.Config{Store: st, Desk: noDesk{}, Log: log}))
	if entry.Action != "" {
		if err != nil {
			entry.Outcome, entry.Detail = access.Refused, entry.Detail+"; "+err.Error()
		}
		read, edit := st.Tables()
		room, err2 := access.New(access.Config{Read: read, Edit: edit, Log: log})
		if err2 == nil {
			err2 = room.Note(ctx, entry)
		}
		err = errors.Join(err, err2)
	}
	if err := errors.Join(err, st.Close()); err != nil {
		return w.failed(err)
	}
	return exitGood
}

func rolloutStart(ctx context.Context, e env, args []string) int {
	w := newRolloutWords(e, "start")
	s := rollout.Default()
	w.StringVar(&s.URL, "url", "", "`url` of the directory with the release, as devices reach it (required)")
	w.Uint64Var(&s.Number, "number", 0, "`number` of the release (required)")
	w.StringVar(&s.Reason, "reason", "", "`why` (required)")
	w.StringVar(&s.Agency, "agency", "", "only devices of this agency (`id`)")
	w.StringVar(&s.Found, "found", "", "only devices whose id or site contains this `text`")
	w.Func("stages", "`per cent` of the devices, cumulative (default 1,10,100)", func(text string) (err error) {
		s.Stages, err = rollout.ParseStages(text)
		return err
	})
	w.StringVar(&s.Hours, "hours", s.Hours, "`hours` in WIB in which devices are ordered, as 01:00-04:00; any is any time")
	w.BoolVar(&s.AnyHour, "any-hour", false, "also outside the hours that devices have set themselves")
	w.DurationVar(&s.Soak, "soak", s.Soak, "`time` that a stage has to be well before the next begins")
	w.DurationVar(&s.Wait, "wait", s.Wait, "`time` for which a stage waits for devices that are offline")
	w.IntVar(&s.Share, "max-failed-percent", s.Share, "halt when more than so many `per cent` of a stage fail")
	w.IntVar(&s.Count, "max-failed", s.Count, "halt when more than so many `devices` fail in all")
	w.IntVar(&s.AtOnce, "at-once", s.AtOnce, "the most `devices` that are under way at a time")
	devices, status, ok := w.parse(args, 0, -1, "--url URL --number N --reason TEXT [DEVICE...]")
	if !ok {
		return status
	}
	if s.Hours == "any" {
		s.AnyTime = true
	}
	given := 0
	for scope, is := range map[string]bool{store.RolloutAgency: s.Agency != "", store.RolloutFound: s.Found != "", store.RolloutList: len(devices) > 0} {
		if is {
			s.Scope, given = scope, given+1
		}
	}
	if given > 1 {
		return w.wrong("--agency, --found and named devices exclude each other")
	}
	s.Devices = devices
	return w.with(ctx, func(st *store.Store, c *rollout.Conductor) (access.Entry, error) {
		entry := byCommandLine("rollout", "command line", fmt.Sprintf("url: %s; number: %d; scope: %s; reason: %s", s.URL, s.Number, s.Scope, s.Reason))
		r, err := c.Start(ctx, st.For(store.Everything()), s, entry.Name)
		if err != nil {
			return entry, err
		}
		entry.Object = fmt.Sprintf("/rollouts/%d", r.ID)
		return entry, printRollout(ctx, e.stdout, st, r)
	})
}

func rolloutList(ctx context.Context, e env, args []string) int {
	w := newRolloutWords(e, "list")
	if _, status, ok := w.parse(args, 0, 0, ""); !ok {
		return status
	}
	return w.with(ctx, func(st *store.Store, _ *rollout.Conductor) (none access.Entry, err error) {
		list, err := st.Rollouts(ctx, maxTokenList)
		if err != nil {
			return none, err
		}
		t := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tRELEASE\tSTATE\tSTAGE\tFOR\tSTARTED\tBY")
		for _, r := range list {
			fmt.Fprintf(t, "%d\t%d\t%s\t%d/%d\t%s\t%s\t%s\n", r.ID, r.Number, r.State, r.Stage, len(r.Stages), strings.TrimSpace(r.Scope+" "+r.ScopeOf), day(r.Created), r.Who)
		}
		return none, t.Flush()
	})
}

func rolloutShow(ctx context.Context, e env, args []string) int {
	w := newRolloutWords(e, "show")
	given, status, ok := w.parse(args, 1, 1, "ID")
	if !ok {
		return status
	}
	return w.with(ctx, func(st *store.Store, _ *rollout.Conductor) (none access.Entry, err error) {
		r, err := rolloutNamed(ctx, st, given[0])
		if err != nil {
			return none, err
		}
		return none, printRollout(ctx, e.stdout, st, r)
	})
}

func rolloutNamed(ctx context.Context, st *store.Store, id string) (store.Rollout, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return store.Rollout{}, fmt.Errorf("%q: write the number of a rollout; rollout list has them", id)
	}
	return st.Rollout(ctx, n)
}

// printRollout writes how one stands.
func printRollout(ctx context.Context, out io.Writer, st *store.Store, r store.Rollout) error {
	hours := r.Hours
	if hours == "" {
		hours = "any"
	}
	fmt.Fprintf(out, "rollout   %d\nrelease   %d  %s\nstate     %s", r.ID, r.Number, r.URL, r.State)
	if r.Why != "" {
		fmt.Fprintf(out, " (%s)", strings.Join(strings.Fields(r.Why+" "+r.WhyWho+" "+r.WhyText), " "))
	}
	fmt.Fprintf(out, "\nfor       %s\nhours     %s WIB\nstage     %d of %d, since %s UTC\n", strings.TrimSpace(r.Scope+" "+r.ScopeOf), hours, r.Stage, len(r.Stages), day(r.StageAt))
	if r.WellAt != nil {
		fmt.Fprintf(out, "well      since %s UTC, to be so for %s\n", day(*r.WellAt), r.Soak.Round(time.Minute))
	}
	if r.LeftOut > 0 {
		fmt.Fprintf(out, "left out  %d devices that say nothing of their versions\n", r.LeftOut)
	}
	sums, err := st.RolloutSums(ctx, r.ID)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nSTAGE\tSTATE\tDEVICES")
	for _, s := range sums {
		stage := strconv.Itoa(s.Stage)
		if s.Stage == 0 {
			stage = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\n", stage, s.State, s.N)
	}
	failed, err := st.RolloutDevices(ctx, r.ID, []string{store.DeviceWentBack, store.DeviceRefused, store.DeviceFailed, store.DeviceLost}, maxTokenList)
	if err != nil {
		return err
	}
	if len(failed) > 0 {
		fmt.Fprintln(t, "\nFAILED\tSTATE\tWHY")
	}
	for _, d := range failed {
		fmt.Fprintf(t, "%s\t%s\t%s\n", d.Device, d.State, strings.TrimSpace(d.Code+" "+d.Detail))
	}
	return t.Flush()
}

func rolloutSteer(what string) func(context.Context, env, []string) int {
	return func(ctx context.Context, e env, args []string) int {
		w := newRolloutWords(e, what)
		reason := w.String("reason", "", "`why`; it is written down")
		given, status, ok := w.parse(args, 1, 1, "ID")
		if !ok {
			return status
		}
		return w.with(ctx, func(st *store.Store, c *rollout.Conductor) (access.Entry, error) {
			entry := byCommandLine("rollout-steer", "/rollouts/"+given[0]+"/"+what, "reason: "+*reason)
			r, err := rolloutNamed(ctx, st, given[0])
			if err != nil {
				return entry, err
			}
			if r, err = c.Steer(ctx, st.For(store.Everything()), r.ID, what, entry.Name, *reason); err != nil {
				return entry, err
			}
			return entry, printRollout(ctx, e.stdout, st, r)
		})
	}
}
