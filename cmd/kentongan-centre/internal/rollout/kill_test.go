package rollout_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

const (
	killDir = "KENTONGAN_TEST_ROLLOUT_DIR" // set in the process that is killed
	killRun = "KENTONGAN_TEST_ROLLOUT_RUN"
	// KENTONGAN_TEST_ROLLOUT_KILLS is how often; the test run by default does few.
	killMany = "KENTONGAN_TEST_ROLLOUT_KILLS"
)

// A centre that is killed at any moment, again and again, goes on where it was: in
// the end each device got one order, and none was left out.
func TestKilledAtAnyPoint(t *testing.T) {
	t.Parallel()
	kills := 3
	if many, err := strconv.Atoi(os.Getenv(killMany)); err == nil {
		kills = many
	}
	n := max(12, 4*kills)
	dir := t.TempDir()
	f := newFleet(t, dir)
	f.add(40, names(n)...)
	s := spec()
	s.Stages, s.AtOnce, s.Soak, s.AnyTime = []int{5, 30, 100}, 4, 10*time.Minute, true
	r := f.start(s)
	if err := f.st.Close(); err != nil {
		t.Fatal(err)
	}
	died := 0
	for run := 2; ; run++ {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTheCentreThatIsKilled$", "-test.v")
		cmd.Env = append(os.Environ(), killDir+"="+dir, killRun+"="+strconv.Itoa(run))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ready := make(chan struct{})
		go func() { // until it is over
			for in := bufio.NewScanner(out); in.Scan(); {
				if in.Text() == "begun" {
					close(ready)
				}
			}
		}()
		if died < kills {
			<-ready
			time.Sleep(rand.N(60 * time.Millisecond)) // when it dies does not matter, but that it differs
			_ = cmd.Process.Kill()                    // or it has ended already
		}
		if err := cmd.Wait(); err == nil {
			break
		} else if died >= kills {
			t.Fatalf("the centre that was not killed: %v", err)
		}
		died++
	}
	t.Logf("killed %d times", died)
	f.open(dir)
	f.want(r.ID, fmt.Sprintf("done 3: %d committed", n))
	for _, id := range names(n) {
		if got := f.orders(id); got != 1 {
			t.Errorf("%s got %d orders", id, got)
		}
	}
}

// TestTheCentreThatIsKilled is that centre, in a process of its own, with devices
// that know what they did from what the centre has. It ends when the rollout has.
func TestTheCentreThatIsKilled(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		t.Skip("TestKilledAtAnyPoint runs it")
	}
	run, err := strconv.Atoi(os.Getenv(killRun))
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, dir)
	ctx := context.Background()
	rows := f.devices(1)
	for _, d := range rows {
		f.now = later(f.now, d.Changed)
	}
	for _, d := range rows {
		dev := newDevice(t, d.Device, report.Epoch(run))
		dev.release, dev.session = d.Runs, run*1000
		f.devs[d.Device] = dev
		if d.Step == report.UpdateFetched || d.Step == report.UpdateCommitted || d.OrderState == report.CommandSucceeded { // it went on meanwhile
			dev.release = 41
			f.connect(d.Device, report.UpdateCommitted)
		}
	}
	r, err := f.st.Rollout(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	f.now = later(later(f.now, r.StageAt), r.Changed)
	os.Stdout.WriteString("begun\n")
	for r.State == store.RolloutRunning {
		f.step()
		f.answer()
		f.now = f.now.Add(5 * time.Minute)
		if r, err = f.st.Rollout(ctx, 1); err != nil {
			t.Fatal(err)
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
