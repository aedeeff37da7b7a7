package ingest_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/broker-config/brokertest"
	"kentongan/cmd/kentongan-centre/internal/broker"
	"kentongan/cmd/kentongan-centre/internal/ingest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// patience is how long a test waits for what has to happen on a busy machine.
const patience = 2 * time.Minute

// keys signs the receipts of all tests.
func keys(t testing.TB) (note.Signer, note.Verifiers) {
	t.Helper()
	secret, public, err := note.GenerateKey(rand.Reader, "kentongan-centre")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, note.VerifierList(v)
}

// embedded starts the broker of the centre.
func embedded(t testing.TB) *url.URL {
	t.Helper()
	b, err := broker.Start(brokertest.FreeAddress(t), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	return b.URL()
}

// centre is a running ingest over a store.
type centre struct {
	*store.Store
	in   *ingest.Ingest
	dir  string
	stop func()
}

func startCentre(t testing.TB, dir string, u *url.URL, s note.Signer) *centre {
	t.Helper()
	st, err := store.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	in, err := ingest.New(ingest.Config{Broker: u, Name: "centre", Signer: s}, st, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := in.Run(ctx); err != nil {
			t.Errorf("run ingest: %v", err)
		}
	}()
	c := &centre{Store: st, in: in, dir: dir}
	c.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		if err := st.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	t.Cleanup(c.stop)
	until(t, "centre connected", func() bool { return in.Status().Connected })
	return c
}

// until waits for a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s in vain for: %s", patience, what)
		}
	}
}

// phone is a device as a plain MQTT client.
type phone struct {
	t    testing.TB
	id   string
	c    mqtt.Client
	acks chan report.Ack
}

func dial(t testing.TB, u *url.URL, id string, v note.Verifiers) *phone {
	t.Helper()
	p := &phone{t: t, id: id, acks: make(chan report.Ack, 1000)}
	o := mqtt.NewClientOptions().AddBroker("tcp://" + u.Host).SetClientID(id).
		SetProtocolVersion(4).SetAutoReconnect(false).SetConnectTimeout(patience)
	p.c = mqtt.NewClient(o)
	p.done(p.c.Connect())
	t.Cleanup(func() { p.c.Disconnect(50) })
	for _, lane := range []report.Lane{report.Complaint, report.Event} {
		p.done(p.c.Subscribe(report.Topics(id).Ack(lane), 1, func(_ mqtt.Client, m mqtt.Message) {
			a, err := report.OpenAck(m.Payload(), id, lane, v)
			if err != nil {
				t.Errorf("receipt: %v", err)
				return
			}
			p.acks <- a
		}))
	}
	return p
}

func (p *phone) done(tok mqtt.Token) {
	p.t.Helper()
	if !tok.WaitTimeout(patience) {
		p.t.Fatal("the broker does not answer")
	}
	if err := tok.Error(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *phone) send(topic string, payload []byte) {
	p.t.Helper()
	p.done(p.c.Publish(topic, 1, false, payload))
}

// acked waits for a receipt that fits.
func (p *phone) acked(what string, fits func(report.Ack) bool) report.Ack {
	p.t.Helper()
	deadline := time.After(patience)
	var last report.Ack
	for {
		select {
		case a := <-p.acks:
			if last = a; fits(a) {
				return a
			}
		case <-deadline:
			p.t.Fatalf("waited %s in vain for a receipt: %s; the last was %+v", patience, what, last)
		}
	}
}

const epoch report.Epoch = 0xabc

// entry makes record seq of a lane.
func entry(t testing.TB, dev string, lane report.Lane, seq uint64, kind string, body any) report.Entry {
	t.Helper()
	at := report.Stamp{Time: time.Date(2026, 11, 23, 3, 0, int(seq), 0, time.UTC), Clock: report.ClockSynced, Boot: "b001b001", Uptime: time.Duration(seq) * time.Second}
	r, err := report.NewRecord(dev, lane, epoch, seq, report.Hash{byte(seq - 1)}, at, kind, body)
	if err != nil {
		t.Fatal(err)
	}
	line, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return report.Entry{Seq: seq, Line: line}
}

func presses(t testing.TB, dev string, seqs ...uint64) []report.Entry {
	t.Helper()
	var out []report.Entry
	for _, seq := range seqs {
		out = append(out, entry(t, dev, report.Complaint, seq, report.KindPress, report.Press{Ticket: report.NewTicket(7, seq).String(), Category: "infrastruktur", Label: report.Text{ID: "Jalan rusak", EN: "Damaged road"}, Presses: 1}))
	}
	return out
}

func head(lane report.Lane, first, next uint64) report.Head {
	return report.Head{Lane: lane, Epoch: epoch, First: first, Next: next}
}

func (c *centre) lane(t testing.TB, dev string, lane report.Lane) store.Lane {
	t.Helper()
	list, err := c.Lanes(context.Background(), dev)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		if l.Lane == string(lane) {
			return l
		}
	}
	return store.Lane{}
}

// brokers runs a test against the embedded broker and a real Mosquitto.
func brokers(t *testing.T, test func(t *testing.T, u *url.URL)) {
	t.Run("embedded NATS", func(t *testing.T) { test(t, embedded(t)) })
	t.Run("Mosquitto", func(t *testing.T) { test(t, startMosquitto(t).url) })
}

func TestReceiptsFollowTheCommit(t *testing.T) {
	brokers(t, func(t *testing.T, u *url.URL) {
		signer, verifiers := keys(t)
		c := startCentre(t, t.TempDir(), u, signer)
		p := dial(t, u, "kiosk-7", verifiers)
		up := report.Topics(p.id).Up

		list := presses(t, p.id, 1, 2, 3, 4, 5)
		p.send(up(report.Complaint, false, false), report.EncodeBatch(head(report.Complaint, 1, 6), list))
		a := p.acked("up to 5", func(a report.Ack) bool { return a.Lane == report.Complaint && a.Seq == 5 })
		if want := report.HashLine(list[4].Line); a.Hash == nil || *a.Hash != want {
			t.Errorf("hash of record 5 is %v, want %s", a.Hash, want)
		}
		if a.Epoch != epoch || len(a.Want) != 0 {
			t.Errorf("receipt %+v, want epoch %s and nothing wanted", a, epoch)
		}

		// All of it again, compressed and as history: doubles, and a receipt still.
		p.send(up(report.Complaint, true, true), report.Gzip(report.EncodeBatch(head(report.Complaint, 1, 6), list)))
		p.acked("the same again", func(a report.Ack) bool { return a.Lane == report.Complaint && a.Seq == 5 })
		until(t, "five doubles", func() bool { return c.lane(t, p.id, report.Complaint).Duplicates == 5 })

		// A hole that the device still has is asked for.
		p.send(up(report.Complaint, false, false), report.EncodeBatch(head(report.Complaint, 6, 11), presses(t, p.id, 9, 10)))
		a = p.acked("a want", func(a report.Ack) bool { return len(a.Want) > 0 })
		if want := (report.Range{From: 6, To: 8}); a.Seq != 5 || len(a.Want) != 1 || a.Want[0] != want {
			t.Errorf("receipt %+v, want seq 5 and 6-8 wanted", a)
		}

		// 6 comes, 7 and 8 are explained in the event lane: all is accounted for.
		p.send(up(report.Complaint, false, false), report.EncodeBatch(head(report.Complaint, 6, 11), presses(t, p.id, 6)))
		gap := entry(t, p.id, report.Event, 1, report.KindGap, report.Gap{Lane: report.Complaint, Epoch: epoch, From: 7, To: 8, Count: 2, Reason: report.GapTorn})
		p.send(up(report.Event, false, false), report.EncodeBatch(head(report.Event, 1, 2), []report.Entry{gap}))
		var complaints, events bool // in either order
		p.acked("complaints up to 10 and event 1", func(a report.Ack) bool {
			complaints = complaints || a.Lane == report.Complaint && a.Seq == 10
			events = events || a.Lane == report.Event && a.Seq == 1
			return complaints && events
		})
		l := c.lane(t, p.id, report.Complaint)
		if l.Received != 8 || l.Explained != 2 || l.Missing != 0 || l.Waiting != 0 || l.Thru != 10 {
			t.Errorf("account %+v, want 8 received, 2 explained, none missing or waiting, thru 10", l)
		}
		got, err := c.Complaints(context.Background(), store.ComplaintFilter{})
		if err != nil || len(got) != 8 {
			t.Errorf("%d complaints (%v), want 8", len(got), err)
		}
	})
}

// The last receipt is retained, and said again to a device whose cursor lags.
func TestMissedReceiptIsSaidAgain(t *testing.T) {
	brokers(t, func(t *testing.T, u *url.URL) {
		signer, verifiers := keys(t)
		startCentre(t, t.TempDir(), u, signer)
		first := dial(t, u, "kiosk-8", verifiers)
		first.send(report.Topics(first.id).Up(report.Complaint, false, false), report.EncodeBatch(head(report.Complaint, 1, 3), presses(t, first.id, 1, 2)))
		first.acked("up to 2", func(a report.Ack) bool { return a.Seq == 2 })
		first.c.Disconnect(50)

		again := dial(t, u, "kiosk-8", verifiers)
		again.acked("the retained one", func(a report.Ack) bool { return a.Seq == 2 })
		// Nothing new, but the cursor stands at 1: only a head in a batch, …
		again.send(report.Topics(again.id).Up(report.Complaint, false, false), report.EncodeBatch(head(report.Complaint, 1, 3), nil))
		again.acked("after an empty batch", func(a report.Ack) bool { return a.Seq == 2 })
		// … or in the birth.
		birth := fmt.Appendf(nil, `{"v":1,"state":"online","session":"b1.2","since":"2026-11-23T10:00:00Z","epoch":"%s","heads":[{"lane":"complaint","epoch":"%s","first":1,"next":3}]}`, epoch, epoch)
		again.send(report.Topics(again.id).State(), birth)
		again.acked("after a birth", func(a report.Ack) bool { return a.Seq == 2 })
	})
}
