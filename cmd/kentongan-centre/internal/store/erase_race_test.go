package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
)

// PostgreSQL lets ingest and erasure go on at the same time; each test here stops the
// one in the middle of its transaction until the other waits for it.

// inFlight is a Commit that has written all and not ended.
func inFlight(t *testing.T, s *Store, group ...Arrival) *writer {
	t.Helper()
	w := s.writer(context.Background())
	if _, err := w.conn.begin(w.ctx); err != nil {
		t.Fatal(err)
	}
	for _, a := range group {
		w.now = a.At.UnixMilli()
		if err := w.arrival(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	return w
}

// waitFor returns when somebody waits for the connection of Commit.
func waitFor(t *testing.T, s *Store) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		var n int
		if err := s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE ? = ANY(pg_blocking_pids(pid))`, committerPID(s)).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the erasure does not wait for the ingest")
		}
	}
}

// copyOf is a batch with one record in its epoch.
func copyOf(r report.Received) Arrival {
	a := batch(r.Device, r.Lane, 1, r.Seq+1, r)
	a.Batch.Head.Epoch = r.Epoch
	return a
}

func TestCopyComesWhileErasing(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.URL(t))
	first, cancel := press(t, "k1", 2), cancelOf(t, 3, 2)
	commit(t, s, batch("k1", report.Complaint, 1, 4, press(t, "k1", 1), first, cancel))
	id := complaintAt(t, s, testEpoch, 2).ID

	// What was not searched before is searched in the transaction, which holds nobody
	// up: the copy is noticed all the same.
	one := moved(t, first, testEpoch+1, 7)
	w := inFlight(t, s, copyOf(one))
	tr, err := s.trace(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- s.eraseTrace(context.Background(), tr) }()
	waitFor(t, s)
	if err := w.conn.commit(w.ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, errCameMeanwhile) {
		t.Fatalf("%v, want to search again", err)
	}
	gone(t, s, map[bool][]report.Received{false: {first, cancel, one}})

	two, back := moved(t, first, testEpoch+2, 8), moved(t, cancel, testEpoch+2, 9)
	w = inFlight(t, s, copyOf(two), copyOf(back))
	go func() {
		_, err := s.EraseComplaint(context.Background(), id)
		ended <- err
	}()
	waitFor(t, s)
	if err := w.conn.commit(w.ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	gone(t, s, map[bool][]report.Received{true: {first, cancel, one, two, back}, false: {press(t, "k1", 1)}})
}

// Ingest and erasure want what the other holds. The server ends one of them, and that
// one tries again.
func TestErasureAndIngestWaitForEachOther(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.URL(t))
	first, cancel := press(t, "k1", 2), cancelOf(t, 3, 2)
	commit(t, s, batch("k1", report.Complaint, 1, 3, press(t, "k1", 1), first))
	id := complaintAt(t, s, testEpoch, 2).ID
	copied := copyOf(moved(t, first, testEpoch+1, 7))
	late := batch("k1", report.Complaint, 1, 4, cancel)

	w := inFlight(t, s, copied) // holds the press's record
	ended := make(chan error)
	go func() {
		_, err := s.EraseComplaint(context.Background(), id) // holds the complaint
		ended <- err
	}()
	waitFor(t, s)
	err := w.arrival(late) // wants the complaint
	if err == nil {
		err = w.flush()
	}
	if err == nil {
		err = w.conn.commit(w.ctx)
	}
	if err != nil {
		if !w.conn.passing(err) {
			t.Fatal(err)
		}
		if err := w.conn.rollback(w.ctx); err != nil {
			t.Fatal(err)
		}
		s.believeNothing()
		commit(t, s, copied, late)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	gone(t, s, map[bool][]report.Received{true: {first, cancel, copied.Batch.Records[0]}})
}

// A complaint is erased while all that names it comes in, in any order: copies of it
// and of its being taken back, also under numbers of other records. Nothing says its
// ticket in the end.
func TestErasureBesideTheIngest(t *testing.T) { onEach(t, testErasureBesideTheIngest) }

func testErasureBesideTheIngest(t *testing.T, place func(testing.TB) string) {
	s := open(t, place(t))
	ctx := context.Background()
	for round := range 8 {
		dev := fmt.Sprint("k", round)
		of := func(seq uint64, kind string, body any) report.Received {
			return rec(t, dev, report.Complaint, seq, kind, body)
		}
		ticket := report.NewTicket(7, uint64(1000+round)).String()
		first := of(2, report.KindPress, report.Press{Ticket: ticket, Presses: 1})
		cancel := of(3, report.KindCancel, report.Cancel{Ticket: ticket, By: "button"})
		commit(t, s, batch(dev, report.Complaint, 1, 3, press(t, dev, 1), first))
		var id int64
		if err := s.read.QueryRowContext(ctx, `SELECT id FROM complaint WHERE ticket = ?`, ticket).Scan(&id); err != nil {
			t.Fatal(err)
		}
		under := func(seq uint64, r report.Received) report.Received { // the same, where another one stands
			r.Seq = seq
			line, err := r.Encode()
			if err != nil {
				t.Fatal(err)
			}
			return report.Received{Record: r.Record, Line: line}
		}
		late := []Arrival{
			batch(dev, report.Complaint, 1, 4, cancel),
			batch(dev, report.Complaint, 1, 4, under(1, first)),
			batch(dev, report.Complaint, 1, 4, under(1, cancel)),
			copyOf(moved(t, first, testEpoch+1, 5)),
			copyOf(moved(t, cancel, testEpoch+1, 6)),
			copyOf(moved(t, first, testEpoch+2, 5)),
		}
		rand.Shuffle(len(late), func(a, b int) { late[a], late[b] = late[b], late[a] })
		var both sync.WaitGroup
		both.Go(func() {
			for _, a := range late {
				if _, err := s.Commit(ctx, []Arrival{a}); err != nil {
					t.Error(err)
				}
			}
		})
		both.Go(func() {
			_, err := s.EraseComplaint(ctx, id)
			for errors.Is(err, errCameMeanwhile) { // each record of the ingest at most once
				_, err = s.EraseComplaint(ctx, id)
			}
			if err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		for _, table := range []string{"record", "conflict"} {
			rows, err := s.read.QueryContext(ctx, `SELECT line FROM `+table)
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var line []byte
				if err := rows.Scan(&line); err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(line, []byte(ticket)) {
					t.Errorf("round %d: the table %s still holds %s", round, table, line)
				}
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
}
