package uplink

import (
	"fmt"
	"testing"
	"time"

	"kentongan/agent/report"
)

func TestForgedAcknowledgements(t *testing.T) {
	t.Parallel()
	other := report.HashLine([]byte("another record"))
	for reason, forge := range map[string]func(*report.Ack){
		"epoch": func(a *report.Ack) { a.Epoch++ },
		"hash":  func(a *report.Ack) { a.Hash = &other },
		"bare":  func(a *report.Ack) { a.Hash = nil },
		"ahead": func(a *report.Ack) { a.Seq += 100; a.Hash = nil },
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			want := reason
			if reason == "bare" {
				want = "hash"
			}
			m := startMosquitto(t)
			c := startCentre(t, m.url(), nil)
			c.set(func(c *testCentre) { c.forge = forge })
			store := newMemoryStore()
			last := store.append(t, report.Complaint, 3)
			u := startUplink(t, testConfig(m.url()), store)
			waitFor(t, 5*time.Second, "refused", func() bool {
				u.mu.Lock()
				defer u.mu.Unlock()
				return len(u.refused) > 0 && u.refused[len(u.refused)-1].Reason == want && u.Uplink.Status().Lanes[report.Complaint].RefusedAcks > 0
			})
			if n := store.waiting(report.Complaint); n != 3 {
				t.Errorf("store holds %d complaints, want 3", n)
			}
			c.set(func(c *testCentre) { c.forge = nil })
			if reason == "hash" { // what the centre said is believed until the next start
				u.stop()
				startUplink(t, testConfig(m.url()), store)
			}
			c.wantAll(store, report.Complaint, last, 10*time.Second)
		})
	}
}

// A centre that holds other records than ours (an older copy of the store was
// put back, and its numbers were given again) must not free them by a receipt
// for a later record that does fit.
func TestAFitAfterAMisfitFreesNothing(t *testing.T) {
	l := newLane(report.Complaint, true, 100)
	h := report.HashLine([]byte("theirs"))
	store := newMemoryStore()
	last := store.append(t, report.Complaint, 5)
	s := &session{up: &Uplink{store: store}}
	l.update(store.Head(report.Complaint))
	check := func(seq uint64, hash *report.Hash, want string) {
		t.Helper()
		a := report.Ack{Epoch: l.head.Epoch, Seq: seq, Hash: hash}
		reason, _, err := s.doubt(l, a)
		if err != nil || reason != want {
			t.Errorf("receipt for %d: doubt %q, %v, want %q", seq, reason, err, want)
		}
		if reason != "" {
			l.bar(a, reason)
		}
	}
	at := func(seq uint64) *report.Hash {
		got, err := store.Read(report.Complaint, seq, 1, 1)
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		fit := report.HashLine(got[0].Line)
		return &fit
	}
	check(2, at(2), "")
	check(4, &h, "hash")
	check(last, at(last), "hash")
	check(3, at(3), "")
	check(3, nil, "hash")
}

func TestNoteOfSomebodyElse(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t)
	c := startCentre(t, m.url(), nil)
	c.set(func(c *testCentre) { c.mute = true })
	store := newMemoryStore()
	last := store.append(t, report.Complaint, 3)
	u := startUplink(t, testConfig(m.url()), store)
	waitFor(t, 5*time.Second, "records at the centre", func() bool { return c.thru(report.Complaint) == 3 })
	for i, text := range []string{"garbage", "", fmt.Sprintf("kentongan/v1/%s/ack/complaint\nepoch %s\nseq 3\ntime 2026-11-23T10:00:00Z\n\n— kentongan-centre AAAAAAAAAA==\n", testDevice, testEpoch)} {
		// The records may be there before the device has subscribed, so the first is kept.
		c.client.Publish(report.Topics(testDevice).Ack(report.Complaint), 1, i == 0, text).Wait()
		waitFor(t, 5*time.Second, "counted", func() bool { return u.Status().Lanes[report.Complaint].BadNotes >= uint64(i+1) })
	}
	if n := store.waiting(report.Complaint); n != 3 {
		t.Errorf("store holds %d complaints, want 3", n)
	}
	c.set(func(c *testCentre) { c.mute = false })
	c.wantAll(store, report.Complaint, last, 10*time.Second)
}

// TestReceiptsOfBeforeInTurn: a broker has kept receipts of an epoch that has ended,
// which the centre did sign, and gives them in turn. Each differs from the one before,
// and each was an event and a line of the log. They do not hide the one that tells of
// another history.
func TestReceiptsOfBeforeInTurn(t *testing.T) {
	told, forks := 0, 0
	cfg := testConfig("mqtt://127.0.0.1:1")
	cfg.OnAckRefused = func(r AckRefused) {
		if !r.Quiet {
			told++
		}
		if r.Reason == "hash" {
			forks++
		}
	}
	u, err := New(cfg, newMemoryStore(), testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(1000) {
		u.refuse(AckRefused{Lane: report.Complaint, Reason: "epoch", Ack: report.Ack{Epoch: 7, Seq: 1 + n%2}})
	}
	if told < 2 || told > refusedBurst+1 { // one more where it takes a minute
		t.Errorf("told %d times, want 2 to %d", told, refusedBurst)
	}
	u.refuse(AckRefused{Lane: report.Complaint, Reason: "hash", Ack: report.Ack{Epoch: 8, Seq: 3, Hash: &report.Hash{}}})
	if forks != 1 {
		t.Error("the receipt that tells of another history is not passed on")
	}
}
