package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kentongan/agent/bench/disk"
	"kentongan/agent/bench/store"
	"kentongan/agent/report"
)

const (
	groupSize = 16      // records at a time in the second table
	diskBytes = 1 << 30 // of the loop device; all contestants together fill half of it
	rawBytes  = 32 << 20
)

// appender is one contestant of the first group, and what was measured of it.
type appender struct {
	store.Kind
	store  store.Store
	next   int // number of its next record
	alone  series
	groups series
}

// series is what was measured, one value for each round.
type series struct {
	rate    []float64 // records per second
	records int
	count   disk.Count // together
}

// measureAppend appends durably, one at a time and in groups, and counts what
// reaches the device.
func measureAppend(s *settings) (tables []table, err error) {
	d, err := disk.Loop(s.dir, diskBytes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Remove()) }()
	if !d.Counted() {
		s.progress("append: %s", d.Why)
	}
	total := s.rounds * s.records * 4
	all, err := openAll(s, d, append(store.Ours(), store.Peers(rawBytes+int64(total)*store.LineBytes)...))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeAll(all)) }()
	for round := range s.rounds {
		if err := s.step("append: round %d of %d", round+1, s.rounds); err != nil {
			return nil, err
		}
		for i := range all {
			if err := all[(i+round)%len(all)].turn(d, s.records); err != nil {
				return nil, err
			}
		}
	}
	return appendTables(s, d, all), nil
}

func openAll(s *settings, d *disk.Disk, kinds []store.Kind) (all []*appender, err error) {
	for i, k := range kinds {
		if err := s.step("append: open %s", k.Name); err != nil {
			return nil, errors.Join(err, closeAll(all))
		}
		dir := filepath.Join(d.Dir, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, err
		}
		st, err := k.Open(dir)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open %s: %w", k.Name, err), closeAll(all))
		}
		a := &appender{Kind: k, store: st, next: 1}
		all = append(all, a)
		// The first records make files and tables; they are not measured.
		if _, _, err := a.write(d, groupSize, groupSize); err != nil {
			return nil, errors.Join(err, closeAll(all))
		}
	}
	return all, nil
}

func closeAll(all []*appender) error {
	var errs []error
	for _, a := range all {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}

// turn is one contestant's part of a round.
func (a *appender) turn(d *disk.Disk, records int) error {
	for _, p := range []struct {
		to         *series
		n, atATime int
	}{{&a.alone, records, 1}, {&a.groups, records * 2, groupSize}} {
		took, count, err := a.write(d, p.n, p.atATime)
		if err != nil {
			return err
		}
		p.to.rate = append(p.to.rate, float64(p.n)/took.Seconds())
		p.to.records += p.n
		p.to.count = p.to.count.Add(count)
	}
	return nil
}

// write writes n records and tells how long that took and what it cost the
// device, with what the file system had still to write afterwards.
func (a *appender) write(d *disk.Disk, n, atATime int) (time.Duration, disk.Count, error) {
	recs, err := store.Records(a.next, n, report.Complaint)
	if err != nil {
		return 0, disk.Count{}, err
	}
	before, err := d.Count()
	if err != nil {
		return 0, disk.Count{}, err
	}
	began := time.Now()
	if err := a.store.Write(recs, atATime); err != nil {
		return 0, disk.Count{}, fmt.Errorf("%s: %w", a.Name, err)
	}
	took := time.Since(began)
	a.next += n
	if t, ok := a.store.(interface{ Trim() error }); ok {
		if err := t.Trim(); err != nil {
			return 0, disk.Count{}, fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	after, err := d.Count()
	return took, after.Sub(before), err
}

func appendTables(s *settings, d *disk.Disk, all []*appender) []table {
	var raw *appender
	for _, a := range all {
		if a.Name == store.Raw {
			raw = a
		}
	}
	head := []string{"contestant", "as durable", "rate beside raw", "µs more than raw per record", "records/s, median (least–most)", "KiB to the device per record", "flushes per record"}
	alone := table{title: fmt.Sprintf("Durable append, one at a time, %d bytes", store.LineBytes), head: head}
	groups := table{title: fmt.Sprintf("The same, %d at a time", groupSize), head: append([]string{}, head...)}
	groups.head = append(groups.head, "times its own rate alone")
	for _, a := range all {
		alone.add(a.row(a.alone, raw.alone, d)...)
		groups.add(append(a.row(a.groups, raw.groups, d), number(median(ratios(a.groups.rate, a.alone.rate))))...)
	}
	alone.notes = []string{
		fmt.Sprintf("%d rounds of %d records each; in the next table of %d.", s.rounds, s.records, s.records*2),
		"“No” under *as durable*: it syncs nothing, so a power cut takes what it confirmed; its rate is that of the page cache, and its bytes are those of one sync at the end of each round.",
		"Kentongan makes its record (JSON, time, number, hash of the record before) within the measured time; the peers are given theirs finished. After each turn its records are acknowledged, so its segments are used again; the peers keep everything, since deleting would cost them more.",
	}
	if !d.Counted() {
		alone.notes = append(alone.notes, d.Why+".")
	}
	groups.notes = []string{fmt.Sprintf("Kentongan: %d goroutines, each waiting for its own records one by one; the peers get %d records in one call where they have such a call (paho's and autopaho's queues have none).", groupSize, groupSize)}
	return []table{alone, groups}
}

// slower is how much longer a record took, in microseconds, round by round.
func slower(rate, than []float64) []float64 {
	out := make([]float64, min(len(rate), len(than)))
	for i := range out {
		out[i] = 1e6/rate[i] - 1e6/than[i]
	}
	return out
}

// row makes the cells; a rate is compared within each round.
func (a *appender) row(mine, raw series, d *disk.Disk) []string {
	durable := "yes"
	if !a.Durable {
		durable = "**no**"
	}
	cells := []string{a.Name + " (" + a.How + ")", durable, number(median(ratios(mine.rate, raw.rate))), fmt.Sprintf("%+.0f", median(slower(mine.rate, raw.rate))), spread(mine.rate)}
	if !d.Counted() {
		return append(cells, "–", "–")
	}
	n := float64(mine.records)
	return append(cells, kib(float64(mine.count.Bytes)/n), number(float64(mine.count.Flushes)/n))
}
