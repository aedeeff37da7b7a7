package rig

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

func newTestDisk(t *testing.T) *Disk {
	t.Helper()
	d, err := NewDisk(make([]byte, 64*Page), filepath.Join(t.TempDir(), "nbd"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	d.On()
	return d
}

func write(t *testing.T, d *Disk, flags uint16, page int, fill byte, pages int) {
	t.Helper()
	if _, failed, err := d.do(cmdWrite, flags, int64(page*Page), pages*Page, bytes.Repeat([]byte{fill}, pages*Page)); failed != 0 || err != nil {
		t.Fatal(failed, err)
	}
}

func page(t *testing.T, d *Disk, n int) byte {
	t.Helper()
	b, failed, err := d.do(cmdRead, 0, int64(n*Page), Page, nil)
	if failed != 0 || err != nil || !bytes.Equal(b, bytes.Repeat(b[:1], Page)) {
		t.Fatalf("page %d: %d, %v, or it is torn", n, failed, err)
	}
	return b[0]
}

// The disk that the power cuts are made on must forget, or they prove nothing.
func TestDiskForgets(t *testing.T) {
	d := newTestDisk(t)
	write(t, d, 0, 0, 1, 1)
	if _, _, err := d.do(cmdFlush, 0, 0, 0, nil); err != nil {
		t.Fatal(err)
	}
	write(t, d, flagFUA, 1, 2, 1)
	write(t, d, 0, 10, 3, 40)
	if got := page(t, d, 20); got != 3 {
		t.Errorf("before the cut, page 20 is %d", got)
	}
	d.Cut(rand.New(rand.NewPCG(1, 2)))
	if _, _, err := d.do(cmdRead, 0, 0, Page, nil); err == nil {
		t.Error("a disk without power was read")
	}
	d.On()
	kept := 0
	for n := 10; n < 50; n++ {
		if page(t, d, n) == 3 {
			kept++
		}
	}
	if a, b := page(t, d, 0), page(t, d, 1); a != 1 || b != 2 {
		t.Errorf("what was flushed is %d and %d", a, b)
	}
	if kept == 0 || kept == 40 {
		t.Errorf("the cut kept %d of 40 pages that were not flushed", kept)
	}
	if _, lost := d.Counts(); lost != 40-kept {
		t.Errorf("%d lost, want %d", lost, 40-kept)
	}
}

func TestDiskIsCutInTheMiddle(t *testing.T) {
	d := newTestDisk(t)
	dark := d.CutIn(3, rand.New(rand.NewPCG(1, 2)))
	write(t, d, 0, 0, 1, 1)
	write(t, d, 0, 1, 1, 1)
	select {
	case <-dark:
		t.Fatal("cut too soon")
	default:
	}
	if _, _, err := d.do(cmdFlush, 0, 0, 0, nil); err == nil {
		t.Error("the third was done")
	}
	<-dark
}

func TestDiskLies(t *testing.T) {
	d := newTestDisk(t)
	d.Lie()
	write(t, d, flagFUA, 0, 1, 32)
	if _, failed, err := d.do(cmdFlush, 0, 0, 0, nil); failed != 0 || err != nil {
		t.Fatal(failed, err)
	}
	d.Cut(rand.New(rand.NewPCG(1, 2)))
	if _, lost := d.Counts(); lost == 0 {
		t.Error("nothing was lost")
	}
}

func TestHeldFlush(t *testing.T) {
	d := newTestDisk(t)
	release := d.Hold()
	done := make(chan error, 1)
	go func() {
		_, _, err := d.do(cmdFlush, 0, 0, 0, nil)
		done <- err
	}()
	select {
	case <-done:
		t.Fatal("the flush returned while it was held")
	case <-time.After(50 * time.Millisecond):
	}
	write(t, d, 0, 0, 1, 1) // goes on beside it
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A cut is at the write that was asked for: the first with the text in it, or one
// that many later.
func TestDiskIsCutAtAText(t *testing.T) {
	for n, want := range map[int]int{1: 2, 2: 3, 3: 4} { // steps until it is dark
		d := newTestDisk(t)
		dark := d.CutAt("\x02\x02", n, rand.New(rand.NewPCG(1, 2)))
		var err error
		for step := 0; err == nil && step < 10; step++ {
			_, _, err = d.do(cmdWrite, 0, 0, Page, bytes.Repeat([]byte{byte(step%2 + 1)}, Page))
		}
		select {
		case <-dark:
		default:
			t.Errorf("write %d from the text on: never cut", n)
		}
		if d.Steps() != want {
			t.Errorf("write %d from the text on: cut at step %d, want %d", n, d.Steps(), want)
		}
	}
}
