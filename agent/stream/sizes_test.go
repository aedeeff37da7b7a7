package stream

import (
	"math"
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	var s sizes
	if got := s.quantile(0.5); got != 0 {
		t.Errorf("median of nothing is %d", got)
	}
	for i := range 100 {
		n := uint64(2000)
		if i >= 90 {
			n = 30000
		}
		s.add(time.Duration(i)*time.Second, n)
	}
	for q, want := range map[float64]float64{0.5: 2000, 0.95: 30000} {
		if got := float64(s.quantile(q)); math.Abs(got-want) > want/10 {
			t.Errorf("quantile %v is %v, want %v within 10 %%", q, got, want)
		}
	}
}

// TestSizesForget: what is older than ten minutes does not count.
func TestSizesForget(t *testing.T) {
	var s sizes
	for i := range 1000 {
		s.add(time.Duration(i)*time.Second/4, 9000)
	}
	for at := 6 * time.Minute; at < 18*time.Minute; at += time.Second {
		s.add(at, 100)
	}
	if got := s.quantile(0.99); got > 110 {
		t.Errorf("99 of 100 frames are below %d bytes, want about 100", got)
	}
	s.add(time.Hour, 5000)
	if got := s.quantile(0); got < 4500 {
		t.Errorf("after a pause the smallest frame has %d bytes, want about 5000", got)
	}
}

func TestSizeBuckets(t *testing.T) {
	last := -1
	for n := uint64(0); n < 9<<20; n += n/50 + 1 {
		b := sizeBucket(n)
		if b < last || b > last+1 && last >= 0 {
			t.Fatalf("%d bytes are in bucket %d, after %d", n, b, last)
		}
		last = b
		if mid := float64(bucketSize(b)); n >= leastSize && n < 8<<20 && math.Abs(mid-float64(n)) > float64(n)*0.13 {
			t.Errorf("%d bytes are called %v", n, mid)
		}
	}
	if b := sizeBucket(math.MaxUint64); b != lastSizeSlot {
		t.Errorf("the largest number is in bucket %d of %d", b, sizeBuckets)
	}
}
