package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// long tells whether the long forms are asked for: make chaos.
func long() bool { return os.Getenv("KENTONGAN_CHAOS") != "" }

// TestFewFileDescriptors: the device can open no file more, while its network
// breaks and its cameras go. Presses are confirmed from what was opened at the start;
// with descriptors it recovers by itself, and an event tells.
func TestFewFileDescriptors(t *testing.T) {
	t.Parallel() // they wait most of their time
	deviceProgram, centreProgram := buildPrograms(t)
	a := openArena(t, deviceProgram, centreProgram, 3, nil)
	a.mustPress(buttons[0].Line, "before")
	a.settle(90 * time.Second)
	pid := a.device.pid()
	rounds := 1
	if long() {
		rounds = 4
	}
	for n := range rounds {
		refused := a.says("too many open files")
		a.limitFiles(3)
		for _, cam := range a.cameras {
			cam.Unplug()
		}
		a.broker.kill()
		refused()
		<-time.After(2 * time.Second) // the uplink dials as well, and says so once for each outage
		for range 5 {
			a.mustPress(buttons[n%len(buttons)].Line, "without file descriptors")
		}
		startBroker(t, a.broker, a.addr)
		a.limitFiles(0)
		for _, cam := range a.cameras {
			if err := cam.Plug(); err != nil {
				t.Fatal(err)
			}
		}
		a.settle(4 * time.Minute)
	}
	if a.device.pid() != pid || !a.device.running() {
		t.Error("the device was started anew")
	}
	last := a.settle(time.Minute)
	a.verify()
	a.wantTold("too many open files")
	t.Logf("%+v, %d files open", last, openFiles(pid))
	t.Attr("injections", strconv.Itoa(rounds))
}

// memoryGroup makes a control group with a limit, and returns how a process gets
// into it and how often the kernel killed in it. Both versions of cgroups do.
func memoryGroup(t *testing.T, limit int) (join string, killed func() string) {
	t.Helper()
	name := fmt.Sprintf("kentongan-chaos-%d", os.Getpid())
	for _, v := range []struct{ root, limit, oom string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"},
		{"/sys/fs/cgroup", "memory.max", "memory.events"},
	} {
		dir := filepath.Join(v.root, name)
		if _, err := os.Stat(filepath.Join(v.root, "cgroup.procs")); err != nil {
			continue
		}
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			t.Logf("%s: %v", v.root, err)
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, v.limit), []byte(strconv.Itoa(limit)), 0o600); err != nil {
			t.Logf("%s: %v", dir, err)
			_ = os.Remove(dir)
			continue
		}
		_ = os.WriteFile(filepath.Join(dir, "memory.swap.max"), []byte("0"), 0o600) // there is no swap where it is missing
		t.Cleanup(func() {
			waitFor(t.Context(), 10*time.Second, func() bool { return os.Remove(dir) == nil })
			_ = os.Remove(dir)
		})
		return filepath.Join(dir, "cgroup.procs"), func() string {
			text, _ := os.ReadFile(filepath.Join(dir, v.oom))
			return strings.Join(strings.Fields(string(text)), " ")
		}
	}
	t.Skip("no control group with a memory limit can be made here; run it as root")
	return "", nil
}

// TestMemoryLimitOf48MiB runs the whole agent, with the decoder of pictures, under
// a limit of 48 MiB that the kernel enforces: cameras that play, presses as fast as
// they come, a broker that is gone for a while and a backlog. Whatever the kernel
// kills, the agent or its decoder, no confirmed press is lost.
func TestMemoryLimitOf48MiB(t *testing.T) {
	t.Parallel() // they wait most of their time
	deviceProgram, centreProgram := buildPrograms(t)
	procs, killed := memoryGroup(t, 48<<20)
	cameras, presses := 4, 60
	if long() {
		cameras, presses = 16, 600
	}
	a := openArena(t, deviceProgram, centreProgram, cameras, func(d *device) {
		d.args = append([]string{"-c", `echo $$ >"$0" && exec "$@"`, procs, d.path}, d.args...)
		d.path = "/bin/sh"
	})
	starts := 1
	again := func() {
		if !a.device.running() {
			starts++
			powerOn(t, a.device) // as systemd would
		}
	}
	for n := range presses {
		again()
		if n == presses/3 {
			a.broker.kill()
		}
		if n == 2*presses/3 {
			startBroker(t, a.broker, a.addr)
		}
		_ = a.press(buttons[n%len(buttons)].Line, 10)
		<-time.After(20 * time.Millisecond)
	}
	again()
	a.mustPress(buttons[0].Line, "after the flood")
	last := a.settle(3 * time.Minute)
	if last.Confirmed < 3 {
		t.Errorf("%d presses were confirmed: nothing was tested", last.Confirmed)
	}
	a.verify()
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.device.pid()))
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "VmRSS") {
			t.Log(strings.TrimSpace(line))
		}
	}
	t.Logf("%d cameras, %d presses, %d starts, %+v; %s", cameras, presses, starts, last, killed())
	if starts > 1 {
		t.Errorf("the agent was started %d times under 48 MiB", starts)
	}
	t.Attr("injections", strconv.Itoa(presses))
}

// fault is one that can be begun and ended while others last.
type fault struct {
	name       string
	begin, end func(a *arena)
	off        bool   // the device can't take a press meanwhile
	told       string // words of the event that tells of it; "" where another fault may hide it
}

func arenaFaults() []fault {
	signal := func(p func(a *arena) *process, s syscall.Signal) func(*arena) {
		return func(a *arena) { _ = syscall.Kill(p(a).pid(), s) }
	}
	device := func(a *arena) *process { return a.device.process }
	broker := func(a *arena) *process { return a.broker }
	centre := func(a *arena) *process { return a.centre.process }
	return []fault{
		{"the device is killed", func(a *arena) { a.device.kill() }, func(a *arena) { powerOn(a.t, a.device) }, true, "boot "},
		{"the device is paused", signal(device, syscall.SIGSTOP), signal(device, syscall.SIGCONT), true, ""},
		{"the broker is killed", func(a *arena) { a.broker.kill() }, func(a *arena) { startBroker(a.t, a.broker, a.addr) }, false, "uplink "},
		{"the broker is paused", signal(broker, syscall.SIGSTOP), signal(broker, syscall.SIGCONT), false, ""},
		{"the centre is killed", func(a *arena) { a.centre.kill() }, func(a *arena) {
			if err := a.centre.restart(a.t.Context()); err != nil {
				a.t.Fatal(err)
			}
		}, false, ""},
		{"the centre is paused", signal(centre, syscall.SIGSTOP), signal(centre, syscall.SIGCONT), false, ""},
		{"the network is cut", func(a *arena) { a.network.cut() }, func(a *arena) { a.network.join() }, false, ""},
		{"the disk is full", func(a *arena) { a.fill() }, func(a *arena) { a.free() }, false, ""},
		{"no file descriptors", func(a *arena) {
			if a.device.running() {
				a.limitFiles(3)
			}
		}, func(a *arena) {
			if a.device.running() {
				a.limitFiles(0)
			}
		}, false, ""},
		{"the cameras lose their power", func(a *arena) {
			for _, c := range a.cameras {
				c.Unplug()
			}
		}, func(a *arena) {
			for _, c := range a.cameras {
				if err := c.Plug(); err != nil {
					a.t.Fatal(err)
				}
			}
		}, false, ""},
		{"the button chatters", func(a *arena) {
			for range 30 {
				if !a.device.running() || a.press(buttons[2].Line, 1) != nil {
					return // a device that is paused answers none of them
				}
			}
		}, func(*arena) {}, false, ""},
	}
}

// TestTwoFaultsAtOnce draws two faults from a seed, begins one in the other, presses
// meanwhile, ends them in any order and presses again, round after round. At the end
// the centre holds each confirmed press, once, all is proven, and nothing has no
// explanation.
func TestTwoFaultsAtOnce(t *testing.T) {
	t.Parallel() // they wait most of their time
	deviceProgram, centreProgram := buildPrograms(t)
	random := rand.New(rand.NewPCG(seed(t), 2))
	arenas, rounds := 1, 2
	if long() {
		arenas, rounds = 5, 3
	}
	for range arenas {
		twoFaults(t, deviceProgram, centreProgram, random, rounds)
	}
	t.Attr("injections", strconv.Itoa(2*arenas*rounds))
}

// A new arena for every few rounds: the device's pauses between its tries grow with
// each fault, up to five minutes, until it has been connected for one.
func twoFaults(t *testing.T, deviceProgram, centreProgram string, random *rand.Rand, rounds int) {
	t.Helper()
	a := openArena(t, deviceProgram, centreProgram, 2, nil)
	faults := arenaFaults()
	a.mustPress(buttons[0].Line, "before") // over what stays open when no more can be opened
	for n := range rounds {
		two := random.Perm(len(faults))[:2]
		if !a.mounted {
			for i, f := range two {
				if faults[f].name == "the disk is full" {
					two[i] = (f + 1) % len(faults)
				}
			}
		}
		first, second := faults[two[0]], faults[two[1]]
		t.Logf("round %d: %s, and in it %s", n, first.name, second.name)
		press := func(when string, off bool) {
			line := buttons[random.IntN(2)].Line
			if off {
				return
			}
			a.mustPress(line, when)
		}
		first.begin(a)
		press(first.name, first.off)
		second.begin(a)
		for range 3 {
			press(first.name+", and in it "+second.name, first.off || second.off)
		}
		<-time.After(time.Duration(random.IntN(2000)) * time.Millisecond)
		if random.IntN(2) == 0 {
			first, second = second, first
		}
		first.end(a)
		press(second.name+", after "+first.name, second.off)
		second.end(a)
		press("all is well", false)
	}
	last := a.settle(5 * time.Minute)
	checkChain(t, a.centre, last)
	a.verify()
	a.wantTold("boot ", "uplink ")
	t.Logf("%d rounds: %+v", rounds, last)
	a.device.stop()
}
