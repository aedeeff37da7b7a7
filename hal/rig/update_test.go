package rig

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/firmware"
)

// TestPowerCutsInUpdates cuts the power while new versions are fetched, written,
// switched to, started, committed and taken back, under the launcher and on a
// disk that forgets what was not flushed. The board comes up with the old or the
// new version, whole, and what was confirmed to citizens reaches the centre once.
// KENTONGAN_RIG_UPDATE_CUTS is how often, KENTONGAN_RIG_SEED makes them others.
func TestPowerCutsInUpdates(t *testing.T) {
	if testing.Short() {
		t.Skip("an emulated machine takes a while")
	}
	for _, b := range boards() {
		t.Run(b.Name, func(t *testing.T) { cutsInUpdates(t, b) })
	}
}

// stage is a part of an update in which the power is cut: at a drawn byte of the
// download, and else at a write or flush of the disk that is drawn out of the first
// ones of the stage.
type stage struct {
	name string
	text string // is written to the disk when it begins; "" is told by the web server
	most int    // writes and flushes; 0 is as many as the first update, which nobody cut, had
	back bool   // the version is one that goes back
}

// What the launcher writes tells where an update is: its file of the trial.
var stages = []stage{
	{"switch", `"state":"trying","starts":0`, 14, false},
	{"rollback", `"state":"going-back"`, 14, true},
	{"first start", `"state":"trying","starts":1`, 60, false},
	{"write", "", 0, false},
	{"commit", `"state":"committed"`, 6, false},
	{"download", "", 0, false},
}

// short is how often the power is cut where nobody says how often: in the first
// stages.
const short = 2

func cutsInUpdates(t *testing.T, b Board) {
	if !full() {
		t.Skip("make rig cuts the power in updates, 30 times on each board; two cuts take some two minutes beside all other tests")
	}
	cuts, seed := number("KENTONGAN_RIG_UPDATE_CUTS", short), number("KENTONGAN_RIG_SEED", 1)
	chance := rand.New(rand.NewPCG(uint64(seed), 13))
	s := newSite(t, b)
	s.whole = false
	s.updates = newPublisher(t, s.dir, b)
	s.ready()
	u := newUpdating(s)
	u.begin()
	if cuts > short {
		u.whole()
	}
	for i := range cuts {
		u.cut(stages[i%len(stages)], chance, i%5 == 4)
		progress(t, "%s: cut %d of %d in an update; %s", b.Name, i+1, cuts, u.last)
	}
	u.settle()
	if err := u.now.Link(true); err != nil {
		t.Fatal(err)
	}
	u.confirmed = append(u.confirmed, u.now.confirmed()...)
	var all []complaint
	u.now.until("the centre has all that was confirmed", slow, func() bool {
		all = s.complaints()
		return len(missing(u.confirmed, all)) == 0
	})
	tickets := map[string]int{}
	for _, c := range all {
		if tickets[c.Ticket]++; tickets[c.Ticket] > 1 {
			t.Errorf("the centre has ticket %s %d times", c.Ticket, tickets[c.Ticket])
		}
	}
	var problems struct {
		Problems []any `json:"problems"`
	}
	if s.get("/api/v1/problems", &problems); len(problems.Problems) > 0 {
		t.Errorf("the centre has problems: %v", problems.Problems)
	}
	_, lost := s.disk.Counts()
	for _, what := range slices.Sorted(maps.Keys(u.found)) {
		t.Logf("%s: %d", what, u.found[what])
		figures.add(b.Name, "cut in an update; "+what, "%d", u.found[what])
	}
	t.Logf("%d cuts in updates, seed %d: %d presses confirmed, %d complaints at the centre, %d pages lost that were not flushed", cuts, seed, len(u.confirmed), len(all), lost)
	figures.add(b.Name, fmt.Sprintf("power cuts in updates (seed %d)", seed), "%d", cuts)
	figures.add(b.Name, "presses confirmed in them; of these at the centre once", "%d; %d", len(u.confirmed), len(u.confirmed))
	if len(u.confirmed) < cuts || cuts >= 10 && lost == 0 {
		t.Errorf("%d presses confirmed and %d pages lost prove nothing", len(u.confirmed), lost)
	}
}

// updating takes a board from version to version.
type updating struct {
	*site
	now       *running
	programs  []payload         // that are good
	stillborn payload           // that goes back
	hashes    map[uint64]string // of the program, by the number of its release
	number    uint64            // of the newest release
	running   uint64            // what was found last
	ordered   int               // bytes of the console before the newest order
	writes    int               // and flushes of the disk, from the download to the switch
	confirmed []string
	found     map[string]int
	last      string
}

func newUpdating(s *site) *updating {
	s.t.Helper()
	u := &updating{site: s, number: 1, found: map[string]int{}, hashes: map[uint64]string{}}
	two, stillborn := filepath.Join(s.dir, "two"), filepath.Join(s.dir, "stillborn")
	s.buildAs("two", two, "kentongan/cmd/kentongan", s.board.Env...)
	s.build(stillborn, "kentongan/hal/rig/stillborn", s.board.Env...)
	u.programs = []payload{pack(s.t, "one", s.program), pack(s.t, "two", two)}
	u.stillborn = pack(s.t, "stillborn", stillborn)
	u.hashes[0] = u.programs[0].hash // the first, which came from no release
	return u
}

// begin boots the first version.
func (u *updating) begin() {
	u.t.Helper()
	u.now = u.boot()
	u.now.firstPress()
	u.check(u.now.status())
}

// whole goes through an update that nobody cuts, counting what the disk does in
// it.
func (u *updating) whole() {
	u.t.Helper()
	u.order(false, 0)
	u.said(here)
	sent := u.disk.Steps()
	u.said(" is in slot ")
	u.writes = max(u.disk.Steps()-sent, 1)
	st := u.settle()
	if st.Running != u.number || st.Trial.State != firmware.Committed {
		u.t.Fatalf("after an update without a cut: %+v, trial %+v", st, st.Trial)
	}
	progress(u.t, "%s: updated without a cut; %d writes and flushes from the download to the switch", u.board.Name, u.writes)
}

// cut goes through an update up to a moment of a stage, and boots again.
func (u *updating) cut(st stage, chance *rand.Rand, online bool) {
	u.t.Helper()
	before := u.settle()
	n := 1 + chance.IntN(cmp.Or(st.most, u.writes))
	at := chance.IntN(len(u.programs[0].packed))
	u.order(st.back, at)
	switch st.name {
	case "download":
		n = at
		u.now.until("the download is at its byte", slow, func() bool {
			select {
			case <-u.updates.told:
				return true
			default:
				return false
			}
		})
	case "write":
		u.said(here)
		u.press(u.disk.CutIn(n, chance), online)
	default:
		dark := u.disk.CutAt(st.text, n, chance)
		u.said(here)
		u.press(dark, online)
	}
	u.now.cut(chance)
	u.confirmed = append(u.confirmed, u.now.confirmed()...)

	u.now = u.boot()
	u.now.firstPress()
	after := u.now.status()
	u.check(after)
	what := "came up with the old version"
	if after.Running == u.number {
		what = "came up with the new version"
	}
	u.found[st.name+", "+what]++
	u.last = fmt.Sprintf("%s, at %d: %s", st.name, n, what)
	if after.Running != u.number && after.Running != before.Running {
		u.t.Errorf("cut in %s: number %d runs; it was %d and should become %d", u.last, after.Running, before.Running, u.number)
	}
	end := u.settle()
	switch {
	case st.back && (end.Running != before.Running || !slices.Contains(end.Floor.Failed, u.number)):
		u.t.Errorf("cut in %s: a version that ends runs on, or its number is not held against it: %+v", u.last, end)
	case (st.name == "first start" || st.name == "commit") && end.Running != u.number:
		u.t.Errorf("cut in %s: a version that is well did not stay: %+v, trial %+v", u.last, end, end.Trial)
	}
}

// settle waits until nothing is on trial.
func (u *updating) settle() (st firmware.Status) {
	u.t.Helper()
	var asked time.Time
	u.now.until("no version is on trial", slow, func() bool {
		if time.Since(asked) < time.Second { // it has other work
			return false
		}
		st = u.now.status()
		asked = time.Now()
		return st.Trial == nil || st.Trial.State == firmware.Committed || st.Trial.State == firmware.WentBack
	})
	u.check(st)
	return st
}

// check holds what runs against its release, byte for byte.
func (u *updating) check(st firmware.Status) {
	u.t.Helper()
	if hash, want := u.now.answer("hash"), u.hashes[st.Running]; hash != want {
		u.t.Errorf("the program in slot %s has the hash %s; number %d has %s", st.Slot, hash, st.Running, want)
	}
	u.running = st.Running
}

// order publishes a release and has the board take it: the one before again
// where a cut kept it from being taken.
func (u *updating) order(back bool, at int) {
	u.t.Helper()
	what := u.stillborn
	if !back {
		// The other one of those that are good.
		i := slices.IndexFunc(u.programs, func(p payload) bool { return p.hash != u.hashes[u.running] })
		what = u.programs[i]
	}
	if u.number == 1 || u.hashes[u.number] != what.hash || u.running == u.number {
		u.number++
	}
	u.hashes[u.number] = what.hash
	u.updates.publish(u.t, u.number, what, at)
	if err := u.now.Link(true); err != nil {
		u.t.Fatal(err)
	}
	u.ordered = len(u.now.text())
	if err := u.now.Type("update " + u.updates.url); err != nil {
		u.t.Fatal(err)
	}
}

// here is said when a release was fetched, before it is written to a slot.
const here = " is here; it is verified"

// said waits until the machine has said something since the order.
func (u *updating) said(what string) {
	u.t.Helper()
	u.now.until("the machine says "+what, slow, func() bool { return strings.Contains(u.now.text()[u.ordered:], what) })
}

// press presses now and then until the disk is dark. If it is not online, what is
// pressed now is on this disk alone.
func (u *updating) press(dark <-chan struct{}, online bool) {
	u.t.Helper()
	if err := u.now.Link(online); err != nil {
		u.t.Fatal(err)
	}
	next := time.Now()
	u.now.until("the power is cut", slow, func() bool {
		select {
		case <-dark:
			return true
		default:
		}
		if time.Now().After(next) {
			next = time.Now().Add(time.Second)
			if err := u.now.click(40 * time.Millisecond); err != nil {
				u.t.Fatal(err)
			}
		}
		return false
	})
}

// status is what the launcher says of its directory.
func (r *running) status() (st firmware.Status) {
	r.t.Helper()
	line := r.answer("status")
	if err := json.Unmarshal([]byte(line), &st); err != nil {
		r.t.Fatalf("status %q: %v", line, err)
	}
	return st
}

// answer gives the machine an order and returns what it says to it.
func (r *running) answer(order string) string {
	r.t.Helper()
	begins := "INIT " + order + " "
	answers := strings.Count(r.text(), begins)
	if err := r.Type(order); err != nil {
		r.t.Fatal(err)
	}
	r.until("the machine answers "+order, slow, func() bool { return strings.Count(r.text(), begins) > answers })
	text := r.text()
	line, _, _ := strings.Cut(text[strings.LastIndex(text, begins)+len(begins):], "\n")
	return line
}
