package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"kentongan/agent"
	"kentongan/agent/config"
	"kentongan/firmware"
)

const updateUsage = `kentongan update status|check|apply|back [--config FILE] [--from WHAT] [--json]

Looks for a new version of this program, installs one by hand, goes back to the
one before. A running agent does the first two by itself (update.url), or when
the centre orders it.

  status   which version runs, which was tried, what failed
  check    whether what lies at WHAT would be taken; nothing is changed
  apply    bring it in and hand it over; the service starts anew, and the
           version before comes back by itself if the new one is not well
  back     go back to the version before (as root)

Options:
  --config FILE  the device's configuration (default ` + configFile + `)
  --from WHAT    a bundle file (on a stick), a directory with the same files, or
                 the URL of one; update.url of the configuration without it
  --json         status as JSON

Status 1 is also a version that was refused, with the reason.

Examples:
  kentongan update status
  kentongan update check --from /media/usb/kentongan-41.bundle
  sudo kentongan update apply --from /media/usb/kentongan-41.bundle
  sudo kentongan update back`

// applyLimit is the most that unpacking takes on the slowest board.
const applyLimit = 15 * time.Minute

type updateFlags struct {
	config, from string
	json         bool
}

func runUpdate(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan update", updateUsage)
	var f updateFlags
	o.StringVar(&f.config, "config", configFile, "")
	o.StringVar(&f.from, "from", "", "")
	o.BoolVar(&f.json, "json", false, "")
	given, status, ok := o.parse(e, args, "command: status, check, apply or back")
	if !ok {
		return status
	}
	do := map[string]func(context.Context, env, *config.Config, updateFlags) error{
		"status": updateStatus, "check": updateCheck, "apply": updateApply, "back": updateBack,
	}[given[0]]
	if do == nil {
		return o.wrong(e, "no command %q; write status, check, apply or back", given[0])
	}
	cfg, ok := loadConfig(e, f.config)
	if !ok {
		return exitConfig
	}
	if cfg.Update.Dir == "" {
		fmt.Fprintf(e.stderr, "kentongan update: %s: update.dir: missing; without an update directory no version is managed here\n", f.config)
		return exitConfig
	}
	if f.from == "" {
		f.from = cfg.Update.URL
	}
	if f.from == "" && (given[0] == "check" || given[0] == "apply") {
		return o.wrong(e, "no --from, and no update.url in the configuration")
	}
	if err := do(ctx, e, cfg, f); err != nil {
		fmt.Fprintf(e.stderr, "kentongan update %s: %v\n", given[0], err)
		if next := nextStep[agent.RefusalCode(err)]; next != "" {
			fmt.Fprintf(e.stderr, "→ %s\n", next)
		}
		return exitFailed
	}
	return exitGood
}

// nextStep is what a technician does about a refusal, in both languages.
var nextStep = map[firmware.Code]string{
	firmware.Truncated:   "Salin ulang berkasnya; salinan ini terpotong. / Copy the file again; this copy is cut off.",
	firmware.Mixed:       "Salin ulang semua berkas dari satu rilis. / Copy all files of one release again.",
	firmware.Tampered:    "Jangan dipasang; laporkan ke pusat. / Do not install it; report it to the centre.",
	firmware.UnknownKey:  "Jangan dipasang; laporkan ke pusat. / Do not install it; report it to the centre.",
	firmware.FewRoots:    "Jangan dipasang; laporkan ke pusat. / Do not install it; report it to the centre.",
	firmware.Older:       "Perangkat ini sudah punya versi itu atau yang lebih baru. / This device has had that version or a newer one.",
	firmware.FailedHere:  "Versi ini gagal di sini; tunggu rilis berikutnya. / This version failed here; wait for the next release.",
	firmware.TrialRuns:   "Tunggu 10 menit, lalu coba lagi. / Wait 10 minutes, then try again.",
	firmware.NoSpace:     "Kosongkan ruang di kartu, lalu coba lagi. / Free some space on the card, then try again.",
	firmware.Platforms:   "Bundel ini bukan untuk papan ini; minta yang benar. / This bundle is not for this board; ask for the right one.",
	firmware.Board:       "Bundel ini bukan untuk papan ini; minta yang benar. / This bundle is not for this board; ask for the right one.",
	firmware.TooFar:      "Pasang dulu versi di antaranya. / Install a version in between first.",
	firmware.NoRun:       "Versi ini tidak berjalan di papan ini; laporkan ke pusat. / This version does not run on this board; report it to the centre.",
	firmware.Unavailable: "Periksa kabel, stik, atau alamatnya. / Check the cable, the stick or the address.",
}

func updateStatus(_ context.Context, e env, cfg *config.Config, f updateFlags) error {
	s, err := agent.NewUpdates(cfg, nil).Status()
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(e.stdout, s)
	}
	fmt.Fprintf(e.stdout, "runs      %s\n", versionOf(s.Version, s.Running))
	fmt.Fprintf(e.stdout, "slot      %s\n", s.Slot)
	if s.Other != nil {
		fmt.Fprintf(e.stdout, "other     number %d\n", *s.Other)
	}
	if t := s.Trial; t != nil {
		fmt.Fprintf(e.stdout, "tried     %s: %s", versionOf(t.Version, t.Number), t.State)
		if t.Reason != "" {
			fmt.Fprintf(e.stdout, " (%s)", t.Reason)
		}
		fmt.Fprintf(e.stdout, ", %d starts, %d failed, %d cut off\n", t.Starts, t.Failures, t.Cuts)
	}
	if len(s.Floor.Failed) > 0 {
		fmt.Fprintf(e.stdout, "failed    numbers %v\n", s.Floor.Failed)
	}
	fmt.Fprintf(e.stdout, "keys      list %d\n", s.Keys)
	return nil
}

func versionOf(version string, number uint64) string {
	if number == 0 {
		return "the version that was installed with the package"
	}
	return fmt.Sprintf("%s (number %d)", version, number)
}

func updateCheck(ctx context.Context, e env, cfg *config.Config, f updateFlags) error {
	r, err := agent.NewUpdates(cfg, nil).Check(ctx, f.from)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "version %s would be taken\n", versionOf(r.Version, r.Number))
	return nil
}

func updateApply(ctx context.Context, e env, cfg *config.Config, f updateFlags) error {
	u := agent.NewUpdates(cfg, percent(e.stderr))
	r, err := u.Bring(ctx, f.from)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stderr, "version %s is here; it is verified once more and applied\n", versionOf(r.Version, r.Number))
	ctx, cancel := context.WithTimeout(ctx, applyLimit)
	defer cancel()
	if err := u.Offer(ctx); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "version %s is on trial; `kentongan update status` says how it goes\n", versionOf(r.Version, r.Number))
	return nil
}

// percent prints how far a file is, each tenth of it.
func percent(w io.Writer) func(done, of int64) {
	last := int64(-1)
	return func(done, of int64) {
		if tenth := done * 10 / max(of, 1); tenth != last {
			last = tenth
			fmt.Fprintf(w, "%3d %% of %.1f MiB\n", tenth*10, float64(of)/(1<<20))
		}
	}
}

func updateBack(_ context.Context, e env, cfg *config.Config, _ updateFlags) error {
	d, done, err := firmware.Lock(cfg.Update.Dir)
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w; write `sudo kentongan update back`", err)
	}
	if err != nil {
		return err
	}
	defer done()
	t, err := d.Undo()
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "the version in slot %s runs from the next start on: sudo systemctl restart kentongan\n", t.Previous)
	return nil
}
