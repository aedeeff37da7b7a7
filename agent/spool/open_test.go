package spool

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"kentongan/agent/report"
	"kentongan/agent/spool/memdisk"
)

// countReads counts the bytes that opening reads, and the memory it keeps.
type countReads struct {
	FS
	bytes atomic.Int64
}

type countFile struct {
	File
	c *countReads
}

func (c *countReads) Open(name string, write bool) (File, error) {
	f, err := c.FS.Open(name, write)
	if err != nil {
		return nil, err
	}
	return countFile{f, c}, nil
}

func (f countFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	f.c.bytes.Add(int64(n))
	return n, err
}

// TestOpeningDoesNotReadTheBacklog: opening reads a header of each segment and
// the newest segments, and keeps no more memory for many records than for few.
func TestOpeningDoesNotReadTheBacklog(t *testing.T) {
	heap := map[int]int64{}
	for _, records := range []int{100, 40_000} {
		disk := memdisk.New()
		s := mustOpen(t, "/s", options(disk))
		for i := range records {
			mustAppend(t, s, report.Event, fmt.Sprint(i))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		c := &countReads{FS: disk}
		before := memory()
		s, err := Open("/s", options(c))
		if err != nil {
			t.Fatal(err)
		}
		heap[records] = memory() - before
		if got := s.Head(report.Event).Next; got != uint64(records+1) {
			t.Errorf("next is %d after %d records", got, records)
		}
		if limit := int64(3*segmentMin*5/2 + 600*headerUsed); c.bytes.Load() > limit {
			t.Errorf("%d records: opening read %d bytes, want at most %d", records, c.bytes.Load(), limit)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if more := heap[40_000] - heap[100]; more > 256<<10 {
		t.Errorf("40,000 records take %d bytes more memory than 100", more)
	}
}

func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
