package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"kentongan/agent/bench/broker"
	"kentongan/agent/bench/disk"
	"kentongan/agent/bench/drain"
	"kentongan/agent/bench/store"
	"kentongan/agent/report"
)

// hoarder is one contestant with a backlog, and the same without.
type hoarder struct {
	name        string
	records     int
	files       bool
	full, empty string // directories
	with        []opened
	without     []opened
}

// measureBacklog opens each contestant with a backlog and without, each time in
// a process of its own that appends one record durably and reads the oldest.
func measureBacklog(s *settings) (tables []table, err error) {
	base, err := os.MkdirTemp(s.dir, "kentongan-bench-")
	if err != nil {
		return nil, err
	}
	defer func() {
		s.progress("backlog: remove")
		err = errors.Join(err, os.RemoveAll(base))
	}()
	all, err := fillAll(s, base)
	if err != nil {
		return nil, err
	}
	if err := disk.Sync(base); err != nil {
		return nil, err
	}
	for round := range s.opens {
		if err := s.step("backlog: round %d of %d", round+1, s.opens); err != nil {
			return nil, err
		}
		for i := range all {
			if err := all[(i+round)%len(all)].turn(); err != nil {
				return nil, err
			}
		}
	}
	bridge, err := measureBridge(s, base)
	if err != nil {
		return nil, err
	}
	return []table{openTable(s, all), memoryTable(all, bridge)}, nil
}

// fillAll makes the backlogs.
func fillAll(s *settings, base string) ([]*hoarder, error) {
	all := []*hoarder{{name: ourSpool, records: s.backlog}}
	for _, k := range store.Peers(1 << 20) {
		if k.Name == store.Raw {
			continue // it can't be recovered, so there is nothing to open
		}
		h := &hoarder{name: k.Name, records: s.backlog, files: k.Files}
		if k.Files {
			h.records = s.files
		}
		if k.Max > 0 {
			h.records = min(h.records, k.Max-1-s.opens) // room for what is appended
		}
		all = append(all, h)
	}
	for i, h := range all {
		if err := s.step("backlog: %s: %s records", h.name, thousands(int64(h.records))); err != nil {
			return nil, err
		}
		h.full, h.empty = filepath.Join(base, fmt.Sprint("full-", i)), filepath.Join(base, fmt.Sprint("empty-", i))
		if err := errors.Join(os.Mkdir(h.full, 0o700), os.Mkdir(h.empty, 0o700)); err != nil {
			return nil, err
		}
		// Nothing is measured of making it: a spool writes its complaint lane then.
		if err := errors.Join(h.fill(h.full, h.records), h.fill(h.empty, 0)); err != nil {
			return nil, fmt.Errorf("fill %s: %w", h.name, err)
		}
	}
	return all, nil
}

func (h *hoarder) fill(dir string, n int) error {
	if h.name == ourSpool {
		return store.FillTelemetry(dir, n)
	}
	kinds := store.Peers(1 << 20)
	k := kinds[slices.IndexFunc(kinds, func(k store.Kind) bool { return k.Name == h.name })]
	st, err := k.Open(dir)
	if err != nil {
		return err
	}
	// The last record goes alone: raft-wal v0.4.0, closed right after the append
	// that filled a segment, refuses every append once it is opened again
	// ("segment is sealed"), and we want to measure it all the same.
	const some = 5000 // records in a commit
	for at, k := 0, 0; at < n && err == nil; at += k {
		k = max(1, min(some, n-1-at))
		var recs []store.Record
		if recs, err = store.Records(at, k, report.Telemetry); err == nil {
			err = st.Write(recs, k)
		}
	}
	return errors.Join(err, st.Close())
}

// turn opens both once.
func (h *hoarder) turn() error {
	for _, p := range []struct {
		dir string
		n   int
		to  *[]opened
	}{{h.full, h.records, &h.with}, {h.empty, 0, &h.without}} {
		if !h.files {
			if err := dropCache(p.dir); err != nil {
				return err
			}
		}
		o, err := openOne(h.name, p.dir, p.n)
		if err != nil {
			return err
		}
		*p.to = append(*p.to, o)
	}
	return nil
}

// dropCache makes the kernel forget what it holds of the files below dir, so
// that opening reads the disk.
func dropCache(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Sync(); err != nil {
			return err
		}
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

// held is how much memory a Mosquitto takes.
type held struct{ with, without int64 }

// measureBridge gives a Mosquitto that bridges to an absent broker the backlog.
func measureBridge(s *settings, base string) (h held, err error) {
	if err := s.step("backlog: Mosquitto bridge: %s records", thousands(int64(s.backlog))); err != nil {
		return h, err
	}
	absent, err := broker.FreeAddr()
	if err != nil {
		return h, err
	}
	for _, p := range []struct {
		n  int
		to *int64
	}{{0, &h.without}, {s.backlog, &h.with}} {
		m, err := drain.Bridge(base, absent, p.n, 20)
		if err != nil {
			return h, err
		}
		*p.to, err = status(m.PID(), "VmRSS")
		m.Stop()
		if err != nil {
			return h, err
		}
	}
	return h, nil
}

func each(os []opened, f func(opened) int64) (out []float64) {
	for _, o := range os {
		out = append(out, float64(f(o)))
	}
	return out
}

func openTable(s *settings, all []*hoarder) table {
	t := table{
		title: "Open, and first record durable, with a backlog",
		head:  []string{"contestant", "records of backlog", "beside no backlog", "with it, ms (least–most)", "without, ms (least–most)"},
		notes: []string{
			fmt.Sprintf("%d rounds, each in a new process, from the call that opens to the return of the first append; the files' pages were dropped from the cache before, except where a record is a file.", s.opens),
			"Kentongan: the backlog stands in the telemetry lane, and the record is a press into the complaint lane.",
		},
	}
	ms := func(o opened) int64 { return o.TookNS }
	for _, h := range all {
		with, without := scale(each(h.with, ms), 1e-6), scale(each(h.without, ms), 1e-6)
		t.add(h.name, thousands(int64(h.records)), number(median(ratios(with, without))), spread(with), spread(without))
	}
	return t
}

func memoryTable(all []*hoarder, bridge held) table {
	t := table{
		title: "Memory with a backlog",
		head:  []string{"contestant", "records of backlog", "MiB more than without", "RSS, MiB", "RSS without, MiB", "largest RSS until then, MiB", "largest without, MiB"},
		notes: []string{
			"The median process after opening, appending one record and reading the oldest, with its unused heap given back. bbolt's and SQLite's RSS has pages of the file mapped, which the kernel can take back.",
		},
	}
	mid := func(os []opened, f func(opened) int64) float64 { return median(each(os, f)) }
	rss, peak := func(o opened) int64 { return o.RSSBytes }, func(o opened) int64 { return o.Peak }
	for _, h := range all {
		with, without := mid(h.with, rss), mid(h.without, rss)
		t.add(h.name, thousands(int64(h.records)), signed((with-without)/(1<<20)), mib(with), mib(without), mib(mid(h.with, peak)), mib(mid(h.without, peak)))
	}
	with, without := float64(bridge.with), float64(bridge.without)
	t.add("Mosquitto bridge", thousands(int64(all[0].records)), signed((with-without)/(1<<20)), mib(with), mib(without), "–", "–")
	return t
}

func signed(x float64) string { return fmt.Sprintf("%+.1f", x) }

func scale(xs []float64, by float64) []float64 {
	for i := range xs {
		xs[i] *= by
	}
	return xs
}
