package spool

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/agent/report"
)

// victimDir tells the test program that it is the child of TestKillNine.
const victimDir = "KENTONGAN_SPOOL_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		if err := victim(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// victim opens a spool and appends, reads and acknowledges until it is killed.
// It prints what it was promised.
func victim(dir string) error {
	o := victimOptions()
	s, err := Open(dir, o)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...) // one write: it is whole, or not there
	}
	say("open")
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			lane := report.Lanes()[w%3]
			for n := 0; ; n++ {
				say("begin %s", lane)
				seq, err := s.Append(context.Background(), lane, "test", strings.Repeat("x", n*7919%900))
				if err != nil {
					say("error %s %v", lane, err)
					return
				}
				say("kept %s %d", lane, seq)
				if lane == report.Telemetry {
					time.Sleep(50 * time.Microsecond) // of a measurement
				}
				// Events come faster than they leave, so that their lane overflows, with
				// the gap records in it that this test looks for.
				if n%8 == 7 && w < 3 {
					got, err := s.Read(lane, s.Head(lane).First, 20, 1<<20)
					if err != nil || len(got) == 0 {
						continue
					}
					for _, e := range got {
						if lane == report.Event { // the centre has it then
							say("event %s", e.Line)
						}
					}
					last := got[len(got)-1].Seq
					say("acked %s %d", lane, last)
					if err := s.Ack(lane, last); err != nil {
						say("error %s %v", lane, err)
					}
				}
			}
		})
	}
	wg.Wait()
	return fmt.Errorf("every writer has ended")
}

func victimOptions() Options {
	o := small(nil)
	o.Quota[report.Complaint] = 16 * 16 << 10
	o.Quota[report.Event] = 16 * 16 << 10
	o.TelemetryDelay = 5 * time.Millisecond
	return o
}

// TestKillNine kills a process that uses a spool on a real disk, at random
// moments, also while it opens. Nothing is damaged by that, and it must not be
// said; what was confirmed is there, and no number is given twice.
func TestKillNine(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(testSeed(t), 0))
	dir := t.TempDir()
	kept, acked := map[report.Lane]map[uint64]bool{}, map[report.Lane]uint64{}
	var delivered []report.Entry // events
	for _, lane := range report.Lanes() {
		kept[lane] = map[uint64]bool{}
	}
	const kills, checkEach = 200, 10
	confirmed, exists := 0, false
	for n := range kills {
		for _, line := range killOne(t, dir, rng) {
			var what string
			var lane report.Lane
			var seq uint64
			switch _, _ = fmt.Sscan(line, &what, &lane, &seq); what {
			case "open":
				exists = true
			case "event":
				delivered = append(delivered, report.Entry{Line: []byte(strings.TrimPrefix(line, "event "))})
			case "kept":
				if confirmed++; kept[lane][seq] {
					t.Fatalf("kill %d: %s/%d was given twice", n, lane, seq)
				}
				kept[lane][seq] = true
			case "acked":
				acked[lane] = max(acked[lane], seq)
			case "error":
				if !strings.Contains(line, ErrFull.Error()) {
					t.Fatalf("kill %d: %s", n, line)
				}
			}
		}
		if exists && n%checkEach == checkEach-1 {
			checkKilled(t, dir, kept, acked, delivered)
			delivered = nil
		}
		if t.Failed() {
			t.Fatalf("after %d kills", n+1)
		}
	}
	if confirmed == 0 {
		t.Error("nothing was confirmed, so nothing was tested")
	}
	t.Attr("injections", fmt.Sprint(kills))
	t.Logf("%d kills, %d records confirmed", kills, confirmed)
}

// killOne runs the victim, kills it, and returns what it printed.
func killOne(t *testing.T, dir string, rng *rand.Rand) (said []string) {
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), victimDir+"="+dir, "GORACE=halt_on_error=1")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// Every fourth dies at any moment of an opening, the others among commits.
	wait, opening := time.Duration(rng.IntN(40_000))*time.Microsecond, rng.IntN(4) == 0
	timer := time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	if opening {
		timer.Reset(wait)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if !opening && lines.Text() == "open" {
			timer.Reset(wait)
		}
	}
	if err := c.Wait(); err == nil || c.ProcessState.ExitCode() >= 0 {
		t.Fatalf("the child ended by itself: %v", c.ProcessState)
	}
	return said
}

// checkKilled opens what the last kill left, and closes it as a kill would.
func checkKilled(t *testing.T, dir string, kept map[report.Lane]map[uint64]bool, acked map[report.Lane]uint64, delivered []report.Entry) {
	v, err := OpenView(dir)
	if err != nil {
		t.Fatal(err)
	}
	if faults := v.Verify(); len(faults) > 0 {
		t.Errorf("faults: %v", faults)
	}
	s, err := Open(dir, victimOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	events := append(delivered, readAllOf(t, s, report.Event)...)
	holes := gaps(t, events)
	for _, e := range events {
		if r, _ := report.DecodeRecord(e.Line); r.Kind == report.KindDamage {
			t.Errorf("a kill is reported as damage: %s", r.Body)
		}
	}
	for _, g := range holes {
		if g.Reason == report.GapDamage || g.Lane == report.Complaint && g.Reason == report.GapFull {
			t.Errorf("a kill is reported as %s: %+v", g.Reason, g)
		}
	}
	for _, lane := range report.Lanes() {
		have := map[uint64]bool{}
		for _, e := range readAllOf(t, s, lane) {
			have[e.Seq] = true
		}
		for seq := range kept[lane] {
			switch {
			case seq <= acked[lane] || have[seq]:
			case lane == report.Complaint, !explained(holes, lane, seq) && seq >= s.Head(lane).First:
				t.Errorf("%s/%d was confirmed and is lost; %+v", lane, seq, s.Head(lane))
			}
			if seq >= s.Head(lane).Next {
				t.Errorf("%s/%d was given, next is %d", lane, seq, s.Head(lane).Next)
			}
		}
	}
	// Room for the next ones.
	for _, lane := range report.Lanes() {
		if h := s.Head(lane); h.Backlog() > 0 {
			if err := s.Ack(lane, h.Next-1); err != nil {
				t.Error(err)
			}
			acked[lane] = max(acked[lane], h.Next-1)
		}
	}
}
