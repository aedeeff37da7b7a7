package stream

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/agent/stream/streamtest"
)

// TestMulticast reads a stream that goes to a group, in a namespace with
// an interface that can do it.
func TestMulticast(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	run(t, "ip", "link", "add", "cam0", "type", "veth", "peer", "name", "cam1")
	run(t, "ip", "addr", "add", "10.9.0.1/24", "dev", "cam0")
	run(t, "ip", "link", "set", "cam1", "up")
	run(t, "ip", "link", "set", "cam0", "up")
	run(t, "ip", "route", "add", "239.0.0.0/8", "dev", "cam0")
	s, m := serve(t, streamtest.Options{Listen: "10.9.0.1:0", Multicast: true})
	feed(t, s, m)
	w, out := watch(t, Config{URL: s.URL(), Transport: TransportMulticast})
	st, _ := out.wait(t, "playing", 0, is(StatePlaying, ""))
	if st.Proto != "multicast" {
		t.Errorf("plays over %s, want multicast", st.Proto)
	}
	if got := waitMeasure(t, w, func(m Measure) bool { return m.Packets > 50 }); got.Lost != 0 || got.Duplicates != 0 {
		t.Errorf("%d lost, %d doubled, want none", got.Lost, got.Duplicates)
	}
}

// TestMulticastThenTCP: a camera that has no multicast.
func TestMulticastThenTCP(t *testing.T) {
	s, m := serve(t, streamtest.Options{})
	feed(t, s, m)
	_, out := watch(t, Config{URL: s.URL(), Transport: TransportMulticast})
	if st, _ := out.wait(t, "playing", 0, is(StatePlaying, "")); st.Proto != "tcp" {
		t.Errorf("plays over %s, want tcp", st.Proto)
	}
}

// TestUDPDiesLater: a network that lets UDP through for a while, such as a
// firewall that forgets. The stream goes on over TCP, and stays there.
func TestUDPDiesLater(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s, m := serve(t, streamtest.Options{UDP: true})
	feed(t, s, m)
	var steps chan report.Recovery
	var out *record
	var st report.StreamState
	var n int
	// A busy machine may not bring the first packet in time, which is a network
	// without UDP.
	for range 5 {
		told := make(chan report.Recovery, 64)
		var w *running
		w, out = watch(t, Config{URL: s.URL(), Transport: TransportUDP, SilentAfter: 4 * time.Second, Recovery: Recovery{Tell: func(r report.Recovery) { told <- r }}})
		steps = told
		if st, n = out.wait(t, "playing", 0, is(StatePlaying, "")); st.Proto == "udp" {
			break
		}
		w.stop()
	}
	if st.Proto != "udp" {
		t.Fatalf("plays over %s, want udp", st.Proto)
	}
	run(t, "nft", "add table inet faults; add chain inet faults in { type filter hook input priority 0; }; add rule inet faults in meta l4proto udp drop")
	// It is told as silent first, but where the library's own 5 s were over before
	// a busy machine had looked.
	if st, _ = out.wait(t, "playing again", n, is(StatePlaying, "")); st.Proto != "tcp" {
		t.Errorf("plays over %s, want tcp", st.Proto)
	}
	if r := <-steps; r.Step != report.RecoveryTransport || r.Result != report.RecoveryDone {
		t.Errorf("told %+v, want the other transport", r)
	}
	for late := time.After(patience); ; {
		select {
		case r := <-steps:
			if r.Result == report.RecoveryHealed {
				return
			}
			t.Logf("told %+v before that it is healed", r)
		case <-late:
			t.Fatal("never told that it is healed")
		}
	}
}

// TestSixtyFourStreams: one process watches 64, none of them at the cost of
// another, and leaves nothing behind. A busy machine may be late with the first
// answers to so many; none is lost that has played.
func TestSixtyFourStreams(t *testing.T) {
	const n = 64
	s, m := serve(t, streamtest.Options{})
	feed(t, s, m)
	before := runtime.NumGoroutine()
	site := NewSite()
	var all []*running
	var outs []*record
	for i := range n {
		w, out := watch(t, Config{Name: fmt.Sprintf("s%d", i), URL: s.URL(), Site: site, SilentAfter: patience})
		all, outs = append(all, w), append(outs, out)
	}
	for _, out := range outs {
		out.wait(t, "playing", 0, is(StatePlaying, ""))
	}
	for i, w := range all {
		got := waitMeasure(t, w, func(m Measure) bool { return m.Packets > 75 })
		if got.Lost > 0 || got.SeqJumps > 0 {
			t.Errorf("stream %d lost %d packets, %d jumps", i, got.Lost, got.SeqJumps)
		}
	}
	for i, out := range outs {
		_, first := out.wait(t, "playing", 0, is(StatePlaying, ""))
		for _, st := range out.all()[first:] {
			if st.State == StateFailed || st.State == StateSilent {
				t.Errorf("stream %d became %s: %s", i, st.State, st.Detail)
			}
		}
	}
	for _, w := range all {
		w.stop()
	}
	for late := time.After(patience); runtime.NumGoroutine() > before+n; { // the server's own may take a moment
		select {
		case <-late:
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
