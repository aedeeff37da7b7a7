package picture

import (
	"testing"
	"time"
	"unsafe"
)

// BenchmarkAdd is one look at a camera whose day and night are known; streams.md
// 3.3 wants 0.2 ms.
func BenchmarkAdd(b *testing.B) {
	j := New(Config{})
	if err := j.UnmarshalBinary(learnedState(b)); err != nil {
		b.Fatal(err)
	}
	c := newCamera(Config{})
	var frames [16]*Frame
	for i := range frames {
		frames[i] = living(c, i)
	}
	at := time.Unix(0, 0)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		j.Add(at, frames[i%len(frames)], Hint{})
		at = at.Add(5 * time.Second)
		i++
	}
}

// TestAddDoesNotAllocate: a healthy look costs no garbage.
func TestAddDoesNotAllocate(t *testing.T) {
	c := newCamera(Config{})
	c.looks(100, func(i int) *Frame { return living(c, i) })
	f, at := living(c, 0), c.at
	n := 0
	got := testing.AllocsPerRun(100, func() {
		f.Y[n%len(f.Y)] ^= 1
		n += 97
		c.j.Add(at, f, Hint{})
		at = at.Add(5 * time.Second)
	})
	if got > 0 {
		t.Errorf("%.0f allocations a look", got)
	}
}

// TestSize holds the memory of a Judge that has learned all classes under what
// a stream may have.
func TestSize(t *testing.T) {
	size := unsafe.Sizeof(Judge{}) + uintptr(classes)*unsafe.Sizeof(known{})
	t.Logf("%d bytes", size)
	if size > 110<<10 {
		t.Errorf("%d bytes, want 110 KiB or less", size)
	}
}
