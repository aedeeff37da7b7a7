package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"kentongan/agent/report"
	"kentongan/agent/spool"
)

const spoolUsage = `kentongan spool ls|dump|verify|export DIR

Looks at the records that wait on the disk, without changing anything; the
agent may run. DIR is the agent's data directory, or the directory spool in it.

  ls DIR [--json]                     the segments and what they hold
  dump DIR [--lane LANE] [--from N]   records as JSON Lines, acknowledged or not
  verify DIR                          checksums, numbers, chain; 1 if any is wrong
  export DIR OUT [--lane LANE]        every readable record of a damaged spool
                                      into batches in OUT that a centre can read

Options:
  --json        ls: one JSON object a line
  --lane LANE   complaint, event or telemetry; all of them without it
  --from N      dump: begin at that number

Examples:
  kentongan spool ls /var/lib/kentongan
  kentongan spool dump /var/lib/kentongan --lane complaint
  kentongan spool export /mnt/old-card/kentongan rescued
`

// spoolFlags are the options of all spool commands.
type spoolFlags struct {
	json bool
	lane string
	from uint64
}

// runSpool shows, checks and rescues what waits on the disk.
func runSpool(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan spool", spoolUsage)
	var f spoolFlags
	o.BoolVar(&f.json, "json", false, "")
	o.StringVar(&f.lane, "lane", "", "")
	o.Uint64Var(&f.from, "from", 1, "")
	words := []string{"command: ls, dump, verify or export", "DIR"}
	if len(args) > 0 && args[0] == "export" {
		words = append(words, "OUT")
	}
	given, status, ok := o.parse(e, args, words...)
	if !ok {
		return status
	}
	lanes := report.Lanes()
	if f.lane != "" {
		if lanes = []report.Lane{report.Lane(f.lane)}; !lanes[0].Valid() {
			return o.wrong(e, "there is no lane %q", f.lane)
		}
	}
	run := map[string]func() error{}
	var v *spool.View
	run["ls"] = func() error { return spoolList(e.stdout, v, f) }
	run["dump"] = func() error { return spoolDump(ctx, e.stdout, v, lanes, f.from) }
	run["verify"] = func() error { return spoolVerify(e.stdout, v) }
	run["export"] = func() error { return spoolExport(ctx, e.stdout, v, lanes, given[2]) }
	do := run[given[0]]
	if do == nil {
		return unknown(e, "kentongan spool", given[0], []string{"ls", "dump", "verify", "export"})
	}
	var err error
	if v, err = spool.OpenView(spoolDir(given[1])); err == nil {
		err = do()
	}
	if err != nil {
		fmt.Fprintf(e.stderr, "kentongan spool %s: %v\n", given[0], err)
		return exitFailed
	}
	return exitGood
}

// spoolDir finds the spool in a data directory.
func spoolDir(dir string) string {
	if inner := filepath.Join(dir, "spool"); isDir(inner) && !isDir(filepath.Join(dir, string(report.Complaint))) {
		return inner
	}
	return dir
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func spoolList(w io.Writer, v *spool.View, f spoolFlags) error {
	if f.json {
		enc := json.NewEncoder(w)
		for _, seg := range v.Segments() {
			if f.lane != "" && string(seg.Lane) != f.lane {
				continue
			}
			if err := enc.Encode(seg); err != nil {
				return err
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "LANE\tFILE\tID\tFIRST\tLAST\tRECORDS\tWAITING\tUSED\tSIZE\tDAMAGE")
	for _, s := range v.Segments() {
		if f.lane != "" && string(s.Lane) != f.lane {
			continue
		}
		damage := "-"
		if s.Damaged > 0 {
			damage = fmt.Sprintf("%d spans", s.Damaged)
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", s.Lane, s.File, s.ID, s.First, s.Last, s.Records, s.Waiting, s.Used, s.Size, damage)
	}
	return tw.Flush()
}

func spoolDump(ctx context.Context, w io.Writer, v *spool.View, lanes []report.Lane, from uint64) error {
	out := bufio.NewWriter(w)
	for _, lane := range lanes {
		err := v.Records(lane, from, func(r report.Entry) error {
			if _, err := out.Write(r.Line); err != nil {
				return err
			}
			_ = out.WriteByte('\n') // Flush returns the error
			return ctx.Err()
		})
		if err != nil {
			return errors.Join(err, out.Flush()) // what was read before it is not lost
		}
	}
	return out.Flush()
}

func spoolVerify(w io.Writer, v *spool.View) error {
	faults := v.Verify()
	for _, f := range faults {
		fmt.Fprintln(w, f)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d faults; 'kentongan spool export' saves what can be read", len(faults))
	}
	fmt.Fprintln(w, "good")
	return nil
}

// exportBatch bounds one file of an export, well under what a centre takes.
const exportBatch = report.MaxBatchBytes / 2

// spoolExport writes files of one batch each, named LANE-NUMBER.jsonl after
// the first record in them.
func spoolExport(ctx context.Context, w io.Writer, v *spool.View, lanes []report.Lane, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	for _, lane := range lanes {
		head, total, size := v.Head(lane), 0, 0
		var batch []report.Entry
		flush := func() error {
			if len(batch) == 0 {
				return nil
			}
			head.First = min(head.First, batch[0].Seq)
			name := filepath.Join(dir, fmt.Sprintf("%s-%012d.jsonl", lane, batch[0].Seq))
			err := os.WriteFile(name, report.EncodeBatch(head, batch), 0o640)
			total, size, batch = total+len(batch), 0, nil
			return err
		}
		err := v.Records(lane, 1, func(r report.Entry) error {
			if size+len(r.Line) > exportBatch {
				if err := flush(); err != nil {
					return err
				}
			}
			batch, size = append(batch, r), size+len(r.Line)+1
			return ctx.Err()
		})
		if err == nil {
			err = flush()
		}
		if err != nil {
			return fmt.Errorf("export lane %s: %w", lane, err)
		}
		fmt.Fprintf(w, "%s\t%d records\n", strings.ToLower(string(lane)), total)
	}
	return nil
}
