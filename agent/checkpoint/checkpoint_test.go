package checkpoint

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
)

// memory is a store whose records are numbers.
type memory struct {
	mu      sync.Mutex
	seq     map[report.Lane]uint64
	changed map[report.Lane]chan struct{}
}

func newMemory() *memory {
	m := &memory{seq: map[report.Lane]uint64{}, changed: map[report.Lane]chan struct{}{}}
	for _, l := range report.Lanes() {
		m.changed[l] = make(chan struct{})
	}
	return m
}

func (m *memory) add(l report.Lane, n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq[l] += n
	close(m.changed[l])
	m.changed[l] = make(chan struct{})
}

func (m *memory) Newest(l report.Lane) (report.Epoch, uint64, report.Hash) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return 7, m.seq[l], report.HashLine(fmt.Append(nil, l, m.seq[l]))
}

func (m *memory) Changed(l report.Lane) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed[l]
}

// broker notes what was announced, verified with the key.
type broker struct {
	t   *testing.T
	key string
	mu  sync.Mutex
	got []string
}

func (b *broker) SetState(topic string, payload []byte) {
	at, err := report.ParseTopic(topic)
	if err != nil {
		b.t.Error(err)
		return
	}
	c, err := report.OpenCheckpoint(payload, "kiosk-7", at.Lane, b.key)
	if err != nil {
		b.t.Error(err)
		return
	}
	if want := report.HashLine(fmt.Append(nil, c.Lane, c.Seq)); c.Epoch != 7 || c.Hash != want || !c.Time.Equal(time.Unix(5, 0)) {
		b.t.Errorf("signed %+v, want epoch 7, hash %s, 5 s after 1970", c, want)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, fmt.Sprint(c.Lane, " ", c.Seq))
}

func (b *broker) take() []string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.got
	b.got = nil
	return got
}

func TestLaneIsSignedWhenItHasMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret, public, err := report.NewRecordKey(rand.Reader, "kiosk-7")
		if err != nil {
			t.Fatal(err)
		}
		signer, err := note.NewSigner(secret)
		if err != nil {
			t.Fatal(err)
		}
		m, b := newMemory(), &broker{t: t, key: public}
		m.add(report.Event, 1)
		n := New(Config{
			Device: "kiosk-7", Signer: signer, Key: public, Every: time.Hour, Records: 1000,
			Now: func() time.Time { return time.Unix(5, 900_000_000) },
		}, m, b, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- n.Run(ctx) }()
		want := func(what string, list ...string) {
			t.Helper()
			if got := b.take(); !slices.Equal(got, list) {
				t.Errorf("%s: signed %q, want %q", what, got, list)
			}
		}
		want("at the start", "event 1")
		time.Sleep(3 * time.Hour)
		want("nothing moved")
		m.add(report.Complaint, 1)
		want("the first complaint, none signed for an hour", "complaint 1")
		m.add(report.Complaint, 1)
		time.Sleep(59 * time.Minute)
		want("not yet")
		time.Sleep(2 * time.Minute)
		want("an hour later", "complaint 2")
		m.add(report.Complaint, 999)
		want("999 more")
		m.add(report.Complaint, 1)
		want("1,000 more", "complaint 1002")
		m.add(report.Telemetry, 5000)
		time.Sleep(2 * time.Hour)
		want("telemetry is not chained")
		m.add(report.Event, 2) // the lane was quiet for hours
		want("after a quiet time", "event 3")
		m.add(report.Event, 1)
		n.Sign()
		want("asked for", "event 4")
		n.Sign()
		want("asked for again")
		if err := n.Pulses()[0].Ask(t.Context()); err != nil {
			t.Errorf("the loop does not answer: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
