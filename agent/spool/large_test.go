package spool

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kentongan/agent/report"
)

// TestOpenGiB really writes 1 GiB of records, and opens it from a cold cache
// beside 1 MiB: the time to the first press must not follow the backlog, nor
// memory. It takes a minute and the space, so only with KENTONGAN_GIB=1.
func TestOpenGiB(t *testing.T) {
	if os.Getenv("KENTONGAN_GIB") == "" {
		t.Skip("writes 1 GiB; KENTONGAN_GIB=1 runs it, TestOpeningDoesNotReadTheBacklog counts what is read")
	}
	o := options(nil)
	o.Quota = map[report.Lane]int64{report.Event: 2 << 30} // segments of 4 MiB
	small, large := t.TempDir(), t.TempDir()
	t.Logf("1 MiB: %d records", fillTo(t, small, o, 1<<20))
	began := time.Now()
	n := fillTo(t, large, o, 1<<30)
	t.Logf("1 GiB: %d records in %v", n, time.Since(began).Round(time.Millisecond))
	const rounds = 7
	var took [2][]time.Duration
	var heap [2]int64
	for range rounds { // in turns, so that what else runs meets both
		for i, dir := range []string{small, large} {
			d, h := openCold(t, dir, o)
			took[i], heap[i] = append(took[i], d), max(heap[i], h)
		}
	}
	a, b := median(took[0]), median(took[1])
	t.Logf("open and first press, median of %d: 1 MiB %v, 1 GiB %v; heap kept: %d and %d KiB", rounds, a, b, heap[0]>>10, heap[1]>>10)
	if b > 300*time.Millisecond && b > 2*a {
		t.Errorf("with 1 GiB it takes %v, with 1 MiB %v", b, a)
	}
	if more := heap[1] - heap[0]; more > 256<<10 {
		t.Errorf("1 GiB takes %d bytes more memory than 1 MiB", more)
	}
}

// fillTo appends events until so many bytes are in use.
func fillTo(t *testing.T, dir string, o Options, bytes int64) (records int) {
	s := mustOpen(t, dir, o)
	body := make([]byte, 8<<10) // base64 of it, and the record around it: some 11 KiB
	for i := range body {
		body[i] = byte(rand.Uint32())
	}
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range bytes/32/(10<<10) + 1 {
				if _, err := s.Append(context.Background(), report.Event, "test", body); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if st := s.Status().Lanes[report.Event]; st.Used < bytes {
		t.Fatalf("%d bytes in use, want %d", st.Used, bytes)
	}
	records = int(s.Head(report.Event).Backlog())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return records
}

// openCold opens a spool of which nothing is in memory, and takes a press.
func openCold(t *testing.T, dir string, o Options) (took time.Duration, heap int64) {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
	if err != nil {
		t.Fatal(err)
	}
	before := memory()
	began := time.Now()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, report.Complaint, "first press")
	took = time.Since(began)
	heap = memory() - before
	runtime.KeepAlive(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return took, heap
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
