package spool

import (
	"context"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// TestModel holds the spool against maps in memory, through appends, reads,
// acknowledgements, reopening, crashes and damage.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		disk := memdisk.New()
		open := func() *Spool {
			s, err := Open("/s", small(disk))
			if err != nil {
				rt.Fatal(err)
			}
			return s
		}
		s := open()
		defer func() { _ = s.Close() }()
		lines := map[report.Lane]map[uint64]string{}
		first := map[report.Lane]uint64{}
		for _, lane := range report.Lanes() {
			lines[lane], first[lane] = map[uint64]string{}, 1
		}
		lane := rapid.SampledFrom(report.Lanes())
		var told []report.Gap                     // by events that were acknowledged
		lost := map[report.Lane]map[uint64]bool{} // complaints and measurements that a gap record explained once
		lost[report.Complaint], lost[report.Telemetry] = map[uint64]bool{}, map[uint64]bool{}
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				l := lane.Draw(rt, "lane")
				seq, err := s.Append(context.Background(), l, "test", rapid.StringN(0, 300, 900).Draw(rt, "body"))
				if err != nil {
					rt.Skip(err) // full
				}
				got, err := s.Read(l, seq, 1, 1)
				if err != nil || len(got) != 1 || got[0].Seq != seq || lines[l][seq] != "" {
					rt.Fatalf("append %s/%d: read %v, %v", l, seq, got, err)
				}
				lines[l][seq] = string(got[0].Line)
			},
			"read": func(rt *rapid.T) {
				l := lane.Draw(rt, "lane")
				h := s.Head(l)
				from := h.First + rapid.Uint64Range(0, h.Backlog()).Draw(rt, "from")
				got, err := s.Read(l, from, rapid.IntRange(1, 9).Draw(rt, "records"), rapid.IntRange(0, 5000).Draw(rt, "bytes"))
				if err != nil {
					rt.Fatal(err)
				}
				for i, e := range got {
					if want, ok := lines[l][e.Seq]; ok && want != string(e.Line) || e.Seq < from || i > 0 && e.Seq <= got[i-1].Seq {
						rt.Fatalf("read %s from %d: %d", l, from, e.Seq)
					}
				}
				for seq := range lines[l] {
					if len(got) == 0 && seq >= max(from, first[l]) {
						rt.Fatalf("nothing of %s from %d, but there is %d", l, from, seq)
					}
				}
			},
			"ack": func(rt *rapid.T) {
				l := lane.Draw(rt, "lane")
				h := s.Head(l)
				if h.Backlog() == 0 {
					rt.Skip("empty")
				}
				seq := h.First + rapid.Uint64Range(0, h.Backlog()-1).Draw(rt, "seq")
				if l == report.Event {
					for _, e := range readAllOf(t, s, l) {
						if e.Seq <= seq {
							told = append(told, gaps(t, []report.Entry{e})...)
						}
					}
				}
				if err := s.Ack(l, seq); err != nil {
					rt.Fatal(err)
				}
				first[l] = max(first[l], seq+1) // a cursor that was lost goes back
				if got := s.Head(l).First; got != seq+1 {
					rt.Fatalf("first of %s is %d after %d", l, got, seq)
				}
			},
			"reopen": func(rt *rapid.T) {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				s = open()
				if !s.Status().Clean {
					rt.Fatal("not clean")
				}
			},
			"crash": func(rt *rapid.T) {
				old := s
				disk = disk.Clone()
				s = open()
				_ = old.Close()
				for seq := range lines[report.Telemetry] { // what was in memory only is gone
					if got, err := s.Read(report.Telemetry, seq, 1, 1); err != nil || len(got) == 0 || got[0].Seq != seq {
						delete(lines[report.Telemetry], seq)
					}
				}
			},
			"damage": func(rt *rapid.T) {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				where := map[report.Lane]map[uint64]place{}
				for _, l := range report.Lanes() {
					if where[l] = placesIn(disk, l); where[l] == nil {
						rt.Fatal("no view of a closed spool")
					}
				}
				wounds := hurt(disk, rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "damage"), 0)))
				next := map[report.Lane]uint64{}
				for _, l := range report.Lanes() {
					next[l] = s.Head(l).Next
				}
				s = open()
				have := map[report.Lane]map[uint64]bool{}
				for _, l := range report.Lanes() {
					have[l] = map[uint64]bool{}
					for _, e := range readAllOf(t, s, l) { // finds what opening did not
						have[l][e.Seq] = true
					}
					if got := s.Head(l).Next; got < next[l] {
						rt.Fatalf("%+v: next of %s is %d, was %d", wounds, l, got, next[l])
					}
				}
				mustAppend(t, s, report.Event, "behind what was found")
				holes := gaps(t, readAllOf(t, s, report.Event))
				for l, all := range lines {
					h := s.Head(l)
					for seq := range all {
						switch {
						case seq < first[l] || have[l][seq]:
							continue
						case seq < h.First && l != report.Complaint && explained(holes, l, seq, report.GapFull):
						case !mayLose(wounds, where[l][seq]):
							rt.Fatalf("%+v: %s/%d is lost, but stood at %+v; first %d, head %+v, have %v, %+v", wounds, l, seq, where[l][seq], first[l], h, have[l], holes)
						case !explained(holes, l, seq):
							rt.Fatalf("%+v: %s/%d is lost and not named; %+v", wounds, l, seq, holes)
						}
						delete(all, seq)
						if lost[l] != nil {
							lost[l][seq] = true
						}
					}
				}
				for l, all := range lost { // the damage may have hit the gap record itself
					for seq := range all {
						if !explained(append(holes, told...), l, seq) {
							delete(all, seq)
						}
					}
				}
			},
			"": func(rt *rapid.T) {
				mustAppend(t, s, report.Event, "behind the notes")
				holes := append(gaps(t, readAllOf(t, s, report.Event)), told...)
				for l, all := range lost {
					for seq := range all {
						if !explained(holes, l, seq) {
							rt.Fatalf("%s/%d was named once, and is not any more: %+v", l, seq, holes)
						}
					}
				}
				for l, all := range lines {
					h := s.Head(l)
					for seq, want := range all {
						if seq < first[l] || seq < h.First && l != report.Complaint {
							continue
						}
						got, err := s.Read(l, seq, 1, 1)
						if err != nil || len(got) != 1 || got[0].Seq != seq || string(got[0].Line) != want {
							rt.Fatalf("%s/%d: %v, %v; head %+v", l, seq, got, err, h)
						}
					}
				}
			},
		})
	})
}
