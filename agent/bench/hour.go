package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/bench/disk"
	"kentongan/agent/bench/store"
	"kentongan/agent/report"
)

const (
	telemetryPeriod = 100 * time.Millisecond // 10 records a second
	telemetryHour   = 36_000                 // records
	telemetryCommit = 100                    // records in 10 s, our default delay
	sampleRecords   = 2_000                  // of raw with a sync for each
)

// measureHour writes an hour of telemetry while the network is away, and counts
// what reaches the device. It takes no hour: ours runs in a bubble of
// testing/synctest, where time passes when all goroutines wait, on a real file
// system; the peers, which have no clock, get the same records in the commits
// that somebody who batches them would make.
func measureHour(s *settings) (tables []table, err error) {
	d, err := disk.Loop(s.dir, diskBytes)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Remove()) }()
	if !d.Counted() {
		s.progress("hour: left out: %s", d.Why)
		return []table{{title: "An hour of telemetry, 10 records a second", notes: []string{d.Why + "."}, head: []string{"not measured"}}}, nil
	}
	each, err := hourOfRaw(s, d)
	if err != nil {
		return nil, err
	}
	t := table{
		title: "An hour of telemetry, 10 records a second, no network",
		head:  []string{"contestant", "commits", "bytes beside a sync for each", "MiB to the device", "flushes", "bytes per record"},
		notes: []string{
			fmt.Sprintf("*A sync for each* is measured with %s records and multiplied. Kentongan's hour is one of a bubble of testing/synctest: all its timers ran, on a real file system, in a few seconds; the files are made, and the spool is opened and closed, within what is counted.", thousands(sampleRecords)),
			fmt.Sprintf("The peers get %d records each 10 s in one call and one commit. paho's and autopaho's queues have no such call and are synced once at the end, so their bytes are the least that they could cost; they would hold %s files.", telemetryCommit, thousands(telemetryHour)),
		},
	}
	row := func(name, commits string, c disk.Count) {
		t.add(name, commits, number(float64(c.Bytes)/float64(each.Bytes)), mib(float64(c.Bytes)), thousands(c.Flushes), number(float64(c.Bytes)/telemetryHour))
	}
	ours, err := hourOfOurs(s, d)
	if err != nil {
		return nil, err
	}
	row("Kentongan, telemetry lane", "each 10 s", ours)
	row(store.Raw+" for each record", thousands(telemetryHour), each)
	for i, k := range store.Peers(2 * telemetryHour * store.LineBytes) {
		c, err := hourOf(s, d, k, fmt.Sprint("hour-", i))
		if err != nil {
			return nil, err
		}
		commits := "each 10 s"
		if !k.Durable {
			commits = "never"
		}
		row(k.Name, commits, c)
	}
	return []table{t}, nil
}

// hourOfRaw is what a sync for each record costs, by a sample.
func hourOfRaw(s *settings, d *disk.Disk) (disk.Count, error) {
	if err := s.step("hour: %s for each", store.Raw); err != nil {
		return disk.Count{}, err
	}
	k := store.Peers(2 * sampleRecords * store.LineBytes)[0]
	c, err := counted(d, k, "sample", sampleRecords, 1)
	const times = telemetryHour / sampleRecords
	return disk.Count{Bytes: c.Bytes * times, Flushes: c.Flushes * times}, err
}

func hourOf(s *settings, d *disk.Disk, k store.Kind, dir string) (disk.Count, error) {
	if err := s.step("hour: %s", k.Name); err != nil {
		return disk.Count{}, err
	}
	return counted(d, k, dir, telemetryHour, telemetryCommit)
}

// counted opens a contestant, and counts what writing costs; making its first
// files does not count.
func counted(d *disk.Disk, k store.Kind, dir string, n, atATime int) (disk.Count, error) {
	dir = filepath.Join(d.Dir, dir)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return disk.Count{}, err
	}
	st, err := k.Open(dir)
	if err != nil {
		return disk.Count{}, fmt.Errorf("%s: %w", k.Name, err)
	}
	defer st.Close()
	recs, err := store.Records(1, n, report.Telemetry)
	if err != nil {
		return disk.Count{}, err
	}
	before, err := d.Count()
	if err != nil {
		return disk.Count{}, err
	}
	if err := st.Write(recs, atATime); err != nil {
		return disk.Count{}, fmt.Errorf("%s: %w", k.Name, err)
	}
	after, err := d.Count()
	return after.Sub(before), err
}

// hourOfOurs runs the hour. The complaint lane's space is written when a spool
// is made, so that is done before.
func hourOfOurs(s *settings, d *disk.Disk) (disk.Count, error) {
	if err := s.step("hour: Kentongan, an hour in a bubble"); err != nil {
		return disk.Count{}, err
	}
	dir := filepath.Join(d.Dir, "ours")
	made, err := store.OpenSpool(dir, 0)
	if err != nil {
		return disk.Count{}, err
	}
	if err := made.Close(); err != nil {
		return disk.Count{}, err
	}
	before, err := d.Count()
	if err != nil {
		return disk.Count{}, err
	}
	if err := inBubble(dir); err != nil {
		return disk.Count{}, err
	}
	after, err := d.Count()
	return after.Sub(before), err
}

// hourWord begins the arguments of the process that has the bubble: what Go has
// to run a test outside of `go test` ends its process.
const hourWord = "hour-in-a-bubble"

func inBubble(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := exec.Command(self, hourWord, dir).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "PASS") {
		return fmt.Errorf("the hour in a bubble: %v: %s", err, out)
	}
	return nil
}

// hourChild is that process. It does not return.
func hourChild(dir string) {
	always := func(string, string) (bool, error) { return true, nil }
	testing.Main(always, []testing.InternalTest{{Name: "Hour", F: func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if err := store.TelemetryFor(dir, telemetryHour, telemetryPeriod); err != nil {
				t.Fatal(err)
			}
		})
	}}}, nil, nil)
}
