package longrun

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/hal/sim"
)

var noChange sim.Environment

// world is all that lives in the bubble. Its loop starts and ends faults; what it
// shares with other goroutines is atomic or has its own lock.
type world struct {
	t       *testing.T
	rng     *rand.Rand // of the faults; nothing that the scheduler decides may draw from it
	cuts    *rand.Rand // of what a power cut leaves
	net     *network
	broker  *broker
	centre  *centre
	device  *device
	cameras map[string]*camera
	wg      sync.WaitGroup // citizens

	brokerHost *host
	offset     atomic.Int64 // of the device's wall clock
	unsynced   atomic.Bool
	unsure     atomic.Bool // a press may have met a device that was not there
	presses    atomic.Int64
	fingers    map[string]chan struct{}         // one at a time on each button; no mutex, for who waits for one stops the bubble's clock
	before     struct{ presses, arrived int64 } // at the look before
	dialled    map[string]int                   // until then
	every      string                           // stats_every
	diskBad    string                           // fault of the disk; "" when it is good
	diskSince  time.Time                        // when that began, or one that it followed at once
	diskOver   time.Time                        // when the one before ended
	diskPast   []string                         // for who looks at a failure
	excused    time.Time                        // until then the disk is a reason for the watchdog to bite
	resets     int
	stacks     bool // were logged: once
	hurt       map[string]int

	mu      sync.Mutex // guards what follows
	longest map[string]time.Duration
	endings []error
	calm    []sample
}

// sample is what was measured when all was well.
type sample struct {
	day        float64
	goroutines int
	heap       uint64 // bytes
}

func (s sample) mib() float64 { return float64(s.heap) / (1 << 20) }

// TestDays is the whole device for some days, which KENTONGAN_DAYS says: 30 in `make
// soak`. It draws its faults, so it is no part of `make test`, which has to pass.
// KENTONGAN_SEED draws the same faults again; what happens at one moment still
// comes in an order that the scheduler gives.
func TestDays(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("KENTONGAN_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("KENTONGAN_SEED: %v", err)
		}
	}
	s := os.Getenv("KENTONGAN_DAYS")
	if s == "" {
		t.Skip("KENTONGAN_DAYS says how many; a day takes some 15 s")
	}
	days, err := strconv.Atoi(s)
	if err != nil || days < 1 {
		t.Fatalf("KENTONGAN_DAYS is %q; write a number of days", s)
	}
	quarters := 4 * days
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm") // SQLite and small files wait for their disk in real time
	}
	t.Logf("%d quarters of a day; KENTONGAN_SEED=%d repeats the faults", quarters, seed)
	began := time.Now()
	synctest.Test(t, func(t *testing.T) { live(t, rand.New(rand.NewPCG(seed, 1)), quarters) })
	t.Logf("%.2f days in %v", float64(quarters)/4, time.Since(began).Round(time.Second))
}

// A quarter of a day: trouble, then calm, then a look.
const (
	trouble = 4*time.Hour + 30*time.Minute
	calm    = 90 * time.Minute
)

func live(t *testing.T, rng *rand.Rand, quarters int) {
	time.Sleep(time.Until(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))) // the bubble begins in 2000
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{t: t, rng: rng, cuts: rand.New(rand.NewPCG(rng.Uint64(), 3)), net: newNetwork(), broker: newBroker(), cameras: map[string]*camera{}, every: "10m", longest: map[string]time.Duration{}, hurt: map[string]int{}, dialled: map[string]int{}, fingers: map[string]chan struct{}{}}
	for _, line := range lines {
		w.fingers[line] = make(chan struct{}, 1)
	}
	w.brokerHost = w.net.host(brokerAddr)
	w.wg.Go(func() { w.broker.serve(w.brokerHost) })
	pictures := film(t)
	for name, addr := range cameras {
		w.cameras[name] = newCamera(t, ctx, w.net, addr, pictures)
	}
	w.centre = newCentre(t, w.net)
	w.centre.start()
	w.device = newDevice(t, w.net, w.centre.key)
	w.device.wall, w.device.synced = w.wall, func() bool { return !w.unsynced.Load() }
	w.device.ended = func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.endings = append(w.endings, err)
	}
	w.device.retries = func(what string, d time.Duration) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.longest[what] = max(w.longest[what], d)
	}
	w.device.powerOn()
	seeds := rand.New(rand.NewPCG(rng.Uint64(), 2))
	w.wg.Go(func() { w.citizens(ctx, seeds) })

	w.rest(30*time.Minute, nil)
	w.look(0)
	for quarter := range quarters {
		w.unsure.Store(false)
		w.trouble()
		w.rest(calm, nil)
		w.look(float64(quarter+1) / 4)
	}
	w.judge()

	cancel()
	w.device.end(w.device.life)
	w.centre.stop()
	w.brokerHost.Close()
	w.wg.Wait()
	synctest.Wait()
	time.Sleep(time.Minute) // what still counts down ends
}

func (w *world) wall() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) }

func (w *world) step(d time.Duration)     { w.offset.Add(int64(d)) }
func (w *world) setClock(d time.Duration) { w.offset.Store(int64(d)) }

// citizens press now and then.
func (w *world) citizens(ctx context.Context, rng *rand.Rand) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second + time.Duration(rng.ExpFloat64()*float64(10*time.Minute))):
		}
		w.press(draw(rng, slices.Sorted(maps.Values(lines))), 150*time.Millisecond)
	}
}

// press is one press of a button, of whatever board there is.
func (w *world) press(line string, hold time.Duration) {
	b := w.device.lines()
	if b == nil {
		return
	}
	w.fingers[line] <- struct{}{}
	defer func() { <-w.fingers[line] }()
	w.presses.Add(1)
	_ = b.Set(line, true)
	time.Sleep(hold)
	_ = b.Set(line, false)
	time.Sleep(hold)
}

// order takes that there may be too many of them already.
func (w *world) order(_ any, err error) {
	if err != nil && !strings.Contains(err.Error(), "orders wait") {
		w.t.Errorf("order: %v", err)
	}
}

// running is a fault and when it ends.
type running struct {
	fault
	until time.Time
}

// trouble starts faults, up to three at once, and ends all of them.
func (w *world) trouble() {
	all := w.faults()
	var now []running
	end := func(f running) {
		if f.end != nil {
			f.end()
		}
		if f.group == "disk" {
			w.diskBad, w.diskOver = "", time.Now()
			w.note("over")
		}
	}
	w.rest(trouble, func() {
		now = slices.DeleteFunc(now, func(f running) bool {
			over := !time.Now().Before(f.until)
			if over {
				end(f)
			}
			return over
		})
		if len(now) >= 3 || w.rng.IntN(6) != 0 {
			return
		}
		f := draw(w.rng, all)
		if f.group != "" && slices.ContainsFunc(now, func(r running) bool { return r.group == f.group }) {
			return
		}
		if slices.ContainsFunc(now, func(r running) bool { return r.group == "centre" }) && (strings.Contains(f.name, "order") || f.group == "centre") {
			return // nobody is there to give one
		}
		w.hurt[f.name]++
		if f.group == "disk" {
			// The agent asks the disk each half minute: what comes sooner is the same
			// trouble to it.
			if w.diskBad = f.name; time.Since(w.diskOver) > 2*time.Minute {
				w.diskSince = time.Now()
			}
			w.note(f.name)
		}
		f.begin()
		if f.most > 0 {
			now = append(now, running{f, time.Now().Add(f.least + time.Duration(w.rng.Int64N(int64(f.most-f.least))))})
		}
	})
	for _, f := range now {
		end(f)
	}
	w.setClock(0)
}

// rest lets time pass, minute by minute, and starts the board anew when its
// watchdog was not fed.
func (w *world) rest(d time.Duration, minute func()) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(time.Minute)
		if w.diskBad == "disk hangs" || w.diskBad != "" && time.Since(w.diskSince) > 9*time.Minute {
			w.excused = time.Now().Add(2 * time.Minute) // its timeout, and a minute of this loop
		}
		select {
		case <-w.device.resets:
			w.resets++
			if time.Now().After(w.excused) {
				w.t.Errorf("%s: the watchdog was not fed, and the disk (%s) is no reason; the agent said %q; the disk before: %q", w.when(), w.diskBad, w.device.reason(), w.diskPast)
				if !w.stacks {
					w.stacks = true
					text := make([]byte, 4<<20)
					w.t.Logf("what everybody does:\n%s", text[:runtime.Stack(text, true)])
				}
			}
			w.powerCut(2 * time.Second)
		default:
		}
		if minute != nil {
			minute()
		}
	}
}

// note keeps what happened to the disk last.
func (w *world) note(what string) {
	w.diskPast = append(w.diskPast[max(0, len(w.diskPast)-9):], time.Now().Format("15:04 ")+what)
}

func (w *world) when() string { return time.Now().Format("2006-01-02 15:04") }

// powerCut takes the power away for a while. A disk that a boot mounts anew
// takes records again.
func (w *world) powerCut(off time.Duration) {
	w.unsure.Store(true)
	w.device.powerOff(w.cuts)
	time.Sleep(off)
	w.diskBad, w.diskOver, w.excused = "", time.Time{}, time.Time{}
	w.note("mounted anew")
	w.device.powerOn()
}

// look holds the promises against what is, when all is well for a while.
func (w *world) look(day float64) {
	c, d := w.centre, w.device
	c.read()
	d.mu.Lock()
	missing := 0
	for ticket, n := range d.kept {
		if c.seen[ticket] != n {
			if missing++; missing < 4 {
				w.t.Errorf("day %.2f: ticket %s: %d presses confirmed, the centre has %d", day, ticket, n, c.seen[ticket])
			}
		}
	}
	d.mu.Unlock()
	if len(c.twice) > 0 {
		w.t.Errorf("day %.2f: %d tickets came twice: %v", day, len(c.twice), c.twice[:min(3, len(c.twice))])
		c.twice = nil
	}
	if most := w.presses.Load(); int64(c.count) > most {
		w.t.Errorf("day %.2f: the centre has %d presses of %d", day, c.count, most)
	}
	if lit, err := d.lines().Level("GPIO24"); err != nil || lit {
		w.t.Errorf("day %.2f: the fault lamp is lit (%v)", day, err)
	}
	var state report.DeviceState
	if err := json.Unmarshal(w.broker.kept(report.Topics(deviceID).State()), &state); err != nil || state.State != report.Online {
		w.t.Errorf("day %.2f: the device is %q (%v)", day, state.State, err)
	}
	for name := range cameras {
		var s report.StreamState
		if err := json.Unmarshal(w.broker.kept(report.Topics(deviceID).StreamState(name)), &s); err != nil || s.State != "playing" {
			w.t.Errorf("day %.2f: camera %s is %q: %s (%v)", day, name, s.State, s.Detail, err)
		}
	}
	if list := c.undone(); len(list) > 0 {
		w.t.Errorf("day %.2f: orders without an end: %v", day, list)
	}
	arrived, pressed := int64(c.count), w.presses.Load()
	if got, want := arrived-w.before.arrived, pressed-w.before.presses; !w.unsure.Load() && got != want {
		w.t.Errorf("day %.2f: %d presses since the last look, with a device that was always there, and the centre has %d of them", day, want, got)
	}
	w.before.presses, w.before.arrived = pressed, arrived
	w.dials(day)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.calm = append(w.calm, sample{day, runtime.NumGoroutine(), m.HeapAlloc})
}

// mostDials is how often an address may be dialled in six hours of trouble: a
// camera each half minute, and again to see whether it is there; a broker less.
const mostDials = 1500

func (w *world) dials(day float64) {
	w.device.mu.Lock()
	defer w.device.mu.Unlock()
	for addr, n := range w.device.dials {
		if n-w.dialled[addr] > mostDials {
			w.t.Errorf("day %.2f: %s was dialled %d times within six hours", day, addr, n-w.dialled[addr])
		}
		w.dialled[addr] = n
	}
}

// longestPauses are bounds of what the log says as retry_in.
var longestPauses = map[string]time.Duration{
	"not connected":         5 * time.Minute,  // a broker
	"session over":          time.Minute,      // a camera
	"event not kept":        10 * time.Second, // a disk
	"sensor does not read":  5 * time.Minute,
	"watchdog not opened":   time.Minute,
	"time not kept":         2 * time.Minute,
	"new epoch not begun":   time.Minute,
	"checkpoint not signed": 10 * time.Minute,
}

// judge is the end: the whole database is audited, and nothing has grown.
func (w *world) judge() {
	t := w.t
	r, err := w.centre.audit()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.All() {
		t.Errorf("audit: %s", f)
	}
	var records, explained uint64
	for _, d := range r.Devices {
		for _, l := range d.Lanes {
			records, explained = records+l.Records, explained+l.Explained
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, err := range w.endings {
		t.Errorf("the agent ended: %v", err)
	}
	for what, d := range w.longest {
		if most, known := longestPauses[what]; !known || d > most {
			t.Errorf("a pause of %v behind %q; at most %v (known: %v)", d, what, most, known)
		}
	}
	w.flat()
	t.Logf("%d presses, %d of them confirmed in %d records; the centre has %d", w.presses.Load(), w.device.count, len(w.device.kept), w.centre.count)
	t.Logf("%d records audited, %d more numbers explained; %d resets by the watchdog; %d times the power came", records, explained, w.resets, w.device.num)
	t.Logf("alarms raised, by condition: %v", w.centre.alarms)
	t.Logf("faults: %v", w.hurt)
	t.Logf("longest pauses: %v", w.longest)
	t.Logf("log: %v", w.device.worse)
	t.Logf("dialled: %v", w.device.dials)
}

// Bounds of the heap when all is well, in MiB. It is of everything in the bubble:
// the agent, the centre, the cameras' servers, and what the test itself keeps, which
// are the files of the disk and the tickets that it has seen. 4 to 10 were measured.
const (
	mostHeap   = 24
	mostGrowth = 4 // of the least in one half of the days over the least in the other
)

// flat holds what was measured at the looks against bounds, and against the first
// ones.
func (w *world) flat() {
	for _, s := range w.calm {
		w.t.Logf("day %5.2f: %3d goroutines, heap %6.2f MiB", s.day, s.goroutines, s.mib())
		if s.mib() > mostHeap {
			w.t.Errorf("day %.2f: a heap of %.1f MiB, at most %d", s.day, s.mib(), mostHeap)
		}
	}
	if len(w.calm) < 4 {
		return
	}
	early, late := w.calm[1:len(w.calm)/2+1], w.calm[len(w.calm)/2:]
	least := func(list []sample, of func(sample) float64) float64 {
		n := of(list[0])
		for _, s := range list {
			n = min(n, of(s))
		}
		return n
	}
	goroutines := func(s sample) float64 { return float64(s.goroutines) }
	if a, b := least(early, goroutines), least(late, goroutines); b > a+5 {
		w.t.Errorf("%v goroutines when all is well, and %v before", b, a)
	}
	if a, b := least(early, sample.mib), least(late, sample.mib); b > a+mostGrowth {
		w.t.Errorf("a heap of %.1f MiB when all is well, and %.1f before", b, a)
	}
}
