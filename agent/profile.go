package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"runtime/pprof"
	"time"

	"kentongan/agent/command"
	"kentongan/agent/report"
	"kentongan/firmware"
)

// profiler tells the centre where the agent's time and memory go. Nothing on the
// device listens for who wants to know it: only a signed order gets it. A profile
// names functions and counts them; no value and no text of ours is in it.
type profiler struct{ agent *Agent }

var _ command.Profiler = profiler{}

// profileRoom is what the pieces of the largest profile take of the telemetry lane:
// 256 KiB in base64, with their envelopes.
const profileRoom = 384 << 10

// Profile implements command.Profiler.
func (p profiler) Profile(ctx context.Context, what string, d time.Duration) ([]byte, error) {
	if err := p.agent.mayProfile(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	switch what {
	case report.ProfileCPU:
		err := duringCPU(&out, func() {
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
		})
		return out.Bytes(), errors.Join(err, ctx.Err())
	case report.ProfileHeap:
		// As the last collection left it: another one now would cost a board of one
		// core more than it tells.
		err := pprof.WriteHeapProfile(&out)
		return out.Bytes(), err
	case report.ProfileGoroutine:
		return squeeze(wordless(stacks()))
	}
	return nil, fmt.Errorf("this version has no %q", what)
}

// maxStacks is some thousand goroutines; what is beyond is cut off.
const maxStacks = 2 << 20

// stacks is where each goroutine stands. pprof has it too, and would make the armv6
// program 64 KiB larger with profiles that nobody asks for; this one also says for
// how long a goroutine has waited.
func stacks() []byte {
	for size := 64 << 10; ; size *= 2 {
		b := make([]byte, size)
		if n := runtime.Stack(b, true); n < size || size >= maxStacks {
			return b[:n]
		}
	}
}

// arguments are the words that a call was made with, in hex: addresses, lengths, and
// what a number of ours was.
var arguments = regexp.MustCompile(`(?m)\([^()\n]*\)$`)

// wordless takes the arguments out of stacks.
func wordless(stacks []byte) []byte { return arguments.ReplaceAll(stacks, []byte("(...)")) }

// duringCPU writes a profile of the processor while do runs; there can be one at a
// time in a program.
func duringCPU(out *bytes.Buffer, do func()) error {
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	do()
	return nil
}

// mayProfile says why this is not the time: a trial is judged by how the agent does,
// and measurements that wait are not given up for a profile.
func (a *Agent) mayProfile() error {
	if a.ordered.onTrial() {
		return errors.New("a configuration is on trial; ask again when it has been taken")
	}
	if a.cfg.Update.Dir != "" {
		s, err := NewUpdates(a.cfg, nil).Status()
		if err == nil && s.Trial != nil && s.Trial.State == firmware.Trying {
			return fmt.Errorf("release %d is on trial; ask again when it is proven", s.Trial.Number)
		}
	}
	lane := a.spool.Status().Lanes[report.Telemetry]
	if left := lane.Quota - lane.Used; left < profileRoom {
		return fmt.Errorf("measurements wait for the uplink, and of their lane %d KiB are left where a profile may take %d", max(left, 0)>>10, profileRoom>>10)
	}
	return nil
}
