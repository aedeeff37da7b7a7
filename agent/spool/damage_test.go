package spool

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// place is where a record stands.
type place struct {
	dir, file string
	off, end  int64
}

// store is an undamaged spool, closed, and what is in it.
type store struct {
	disk   *memdisk.Disk
	o      Options
	lines  map[report.Lane]map[uint64]string // not acknowledged
	places map[report.Lane]map[uint64]place
	next   map[report.Lane]uint64
}

// newStore lives a life with acknowledgements, so that some segments have an
// earlier one.
func newStore(t *testing.T, rng *rand.Rand, mirror bool) *store {
	st := &store{disk: memdisk.New(), o: small(nil), lines: map[report.Lane]map[uint64]string{}, next: map[report.Lane]uint64{}}
	if mirror {
		st.o.Mirror = "/m"
	}
	st.o.Quota[report.Complaint] = 12 * 16 << 10
	st.o.FS = st.disk
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, "/s", st.o)
		for range 60 {
			lane := report.Lanes()[rng.IntN(3)]
			for range 1 + rng.IntN(4) {
				body := fmt.Sprint(rng.Uint64(), make([]byte, rng.IntN(500)))
				if _, err := s.Append(context.Background(), lane, "test", body); err != nil {
					t.Fatal(err)
				}
			}
			if h := s.Head(lane); h.Backlog() > 12 {
				if err := s.Ack(lane, h.First+uint64(rng.IntN(8))); err != nil {
					t.Fatal(err)
				}
			}
			if rng.IntN(3) == 0 {
				time.Sleep(11 * time.Second)
				synctest.Wait()
			}
		}
		for _, lane := range report.Lanes() {
			st.lines[lane] = map[uint64]string{}
			for _, e := range readAllOf(t, s, lane) {
				st.lines[lane][e.Seq] = string(e.Line)
			}
			st.next[lane] = s.Head(lane).Next
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
	st.places = placesOf(t, st.disk)
	return st
}

func placesOf(t *testing.T, disk *memdisk.Disk) map[report.Lane]map[uint64]place {
	v, err := openView(disk, "/s")
	if err != nil {
		t.Fatal(err)
	}
	if faults := v.Verify(); len(faults) > 0 {
		t.Fatalf("faults in a good spool: %v", faults)
	}
	out := map[report.Lane]map[uint64]place{}
	for _, lane := range report.Lanes() {
		if out[lane] = placesIn(disk, lane); out[lane] == nil {
			t.Fatalf("lane %s can't be read", lane)
		}
	}
	return out
}

// placesIn is where the records of a lane stand; nil if it can't be read.
func placesIn(disk *memdisk.Disk, lane report.Lane) map[uint64]place {
	v, err := openView(disk, "/s")
	if err != nil {
		return nil
	}
	out := map[uint64]place{}
	for i, seg := range v.lanes[lane] {
		_, w, err := v.walk(lane, i)
		if err != nil {
			return nil
		}
		for _, spot := range w.spots {
			for k := range uint64(spot.count) {
				out[spot.seq+k] = place{"/s/" + string(lane), seg.file, spot.off, spot.off + spot.space()}
			}
		}
	}
	return out
}

// wound is one damaged stretch of a file.
type wound struct {
	dir, file string
	off, end  int64
	what      string
	harmless  bool          // nothing may be lost of it
	node      *memdisk.Node // the file, wherever it stands by now
}

// hurt damages one file of the spool.
func hurt(disk *memdisk.Disk, rng *rand.Rand) []wound {
	dirs := []string{"/s/complaint", "/s/event", "/s/telemetry", "/s/complaint", "/s"}
	dir := dirs[rng.IntN(len(dirs))]
	files, _ := disk.List(dir)
	if len(files) == 0 {
		return nil // an earlier wound took it
	}
	f := files[rng.IntN(len(files))]
	node := disk.Dirs[dir][f.Name]
	w := wound{dir: dir, file: f.Name, node: node}
	at := int64(rng.IntN(int(f.Size) + 1))
	switch rng.IntN(6) {
	case 0, 1:
		w.what, w.off, w.end = "bit flip", at, at+1
		var b [1]byte
		node.Get(b[:], at)
		b[0] ^= 1 << rng.IntN(8)
		node.Put(b[:], at)
	case 2:
		w.what, w.off = "zeroed page", at&^(pageSize-1)
		w.end = w.off + pageSize
		for len(node.Pages) <= int(w.off/pageSize) {
			node.Pages = append(node.Pages, nil)
		}
		node.Pages[w.off/pageSize] = nil
	case 3:
		w.what, w.off, w.end = "truncation", at, f.Size
		kept := make([]byte, at)
		node.Get(kept, 0)
		*node = memdisk.Node{}
		node.Put(kept, 0)
		node.Size = at
	case 4:
		w.what, w.end = "deletion", f.Size
		delete(disk.Dirs[dir], f.Name)
	case 5:
		other := dirs[rng.IntN(4)]
		if dir == "/s" {
			other = dir
		}
		list, _ := disk.List(other)
		if len(list) == 0 {
			return nil
		}
		g := list[rng.IntN(len(list))]
		w.what, w.end, w.harmless = "swap with "+filepath.Join(other, g.Name), f.Size, true
		disk.Dirs[dir][f.Name], disk.Dirs[other][g.Name] = disk.Dirs[other][g.Name], disk.Dirs[dir][f.Name]
	}
	return []wound{w}
}

// origins is where each file stands.
func origins(m *memdisk.Disk) map[*memdisk.Node]place {
	out := map[*memdisk.Node]place{}
	for dir, files := range m.Dirs {
		for name, node := range files {
			out[node] = place{dir: dir, file: name}
		}
	}
	return out
}

// mayLose tells whether a record stood on a page that was damaged.
func mayLose(wounds []wound, p place) bool {
	for _, w := range wounds {
		if !w.harmless && w.dir == p.dir && w.file == p.file && w.off&^(pageSize-1) < p.end && p.off < (w.end+pageSize-1)&^(pageSize-1) {
			return true
		}
	}
	return false
}

// cursorHurt tells whether the cursor may be gone. With a whole segment gone as
// well, nothing says whether its numbers had been acknowledged.
func cursorHurt(wounds []wound) bool {
	return slices.ContainsFunc(wounds, func(w wound) bool { return w.file == cursorName && !w.harmless })
}

// TestDamagedSpools damages closed spools in one place, or in several.
func TestDamagedSpools(t *testing.T) {
	t.Parallel()
	seed := testSeed(t)
	total := 10_000 / slowdown
	const perStore = 250
	began := time.Now()
	var lost atomic.Int64
	for n := 0; n < total && !t.Failed(); n += perStore {
		rng := rand.New(rand.NewPCG(seed, uint64(n)))
		st := newStore(t, rng, n/perStore%2 == 1)
		work := newPool()
		for k := range min(perStore, total) {
			disk := st.disk.Clone()
			at := origins(disk)
			wounds := hurt(disk, rng)
			for single := rng.IntN(4) > 0; !single && rng.IntN(3) > 0; {
				wounds = append(wounds, hurt(disk, rng)...)
			}
			for i, w := range wounds { // swaps have moved some files meanwhile
				wounds[i].dir, wounds[i].file = at[w.node].dir, at[w.node].file
			}
			work.do(func() {
				gone, err := st.check(disk, wounds)
				if err != nil {
					t.Errorf("seed %d, store %d, image %d, mirror %q, %+v: %v", seed, n, k, st.o.Mirror, wounds, err)
				}
				lost.Add(int64(gone))
			})
		}
		work.wait()
	}
	t.Attr("injections", fmt.Sprint(total))
	t.Logf("%d damaged spools in %v, %d records lost and named", total, time.Since(began).Round(time.Millisecond), lost.Load())
}

func (st *store) check(disk *memdisk.Disk, wounds []wound) (lost int, err error) {
	o := st.o
	o.FS = disk
	s, err := Open("/s", o)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	have := map[report.Lane]map[uint64]string{}
	for _, lane := range report.Lanes() {
		if have[lane], err = st.read(s, lane); err != nil {
			return 0, err
		}
	}
	one := len(wounds) == 1
	for _, lane := range report.Lanes() {
		if next := s.Head(lane).Next; one && next < st.next[lane] {
			return 0, fmt.Errorf("lane %s: next is %d, was %d", lane, next, st.next[lane])
		}
		if _, err := s.Append(context.Background(), lane, "test", "after"); err != nil {
			return 0, err
		}
	}
	// What reading found is in the event lane by now: each append above was
	// behind it in the writer's order.
	if have[report.Event], err = st.read(s, report.Event); err != nil {
		return 0, err
	}
	holes, err := gapsOf(have[report.Event])
	if err != nil {
		return 0, err
	}
	for _, lane := range report.Lanes() {
		for seq := range st.lines[lane] {
			switch {
			case have[lane][seq] != "":
				continue
			case lane == report.Complaint && o.Mirror != "":
				return 0, fmt.Errorf("complaint %d is lost in spite of the mirror", seq)
			case !mayLose(wounds, st.places[lane][seq]):
				return 0, fmt.Errorf("lane %s: %d is lost, but stood elsewhere: %+v", lane, seq, st.places[lane][seq])
			case !explained(holes, lane, seq) && (one || !cursorHurt(wounds)):
				return 0, fmt.Errorf("lane %s: %d is lost and not named: %v", lane, seq, holes)
			}
			lost++
		}
	}
	return lost, nil
}

func (st *store) read(s *Spool, lane report.Lane) (map[uint64]string, error) {
	have := map[uint64]string{}
	for from := uint64(1); ; {
		got, err := s.Read(lane, from, 20, 1<<20)
		if err != nil || len(got) == 0 {
			return have, err
		}
		for _, e := range got {
			if want, ok := st.lines[lane][e.Seq]; ok && want != string(e.Line) {
				return nil, fmt.Errorf("lane %s: %d is another record", lane, e.Seq)
			}
			if e.Seq < from {
				return nil, fmt.Errorf("lane %s: %d after %d", lane, e.Seq, from-1)
			}
			have[e.Seq], from = string(e.Line), e.Seq+1
		}
	}
}

func gapsOf(lines map[uint64]string) (out []report.Gap, err error) {
	var seqs []uint64
	for seq := range lines {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		r, err := report.DecodeRecord([]byte(lines[seq]))
		if err != nil {
			return nil, err
		}
		if r.Kind == report.KindGap {
			g, err := decodeBody[report.Gap](r)
			if err != nil {
				return nil, err
			}
			out = append(out, g)
		}
	}
	return out, nil
}
