package main

import (
	"math"
	"slices"
	"testing"
)

// slope is how fast y grows with x, after Theil and Sen: the median of the slopes
// between every two points. A few readings that are far off, such as those during
// a fault, don't move it.
func slope(x, y []float64) float64 {
	var all []float64
	for i := range x {
		for j := range i {
			if d := x[i] - x[j]; d != 0 {
				all = append(all, (y[i]-y[j])/d)
			}
		}
	}
	if len(all) == 0 {
		return 0
	}
	return median(all)
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	if n == 0 {
		return math.NaN()
	}
	return (list[(n-1)/2] + list[n/2]) / 2
}

// growth is by how much y grew over the second half of the readings: its slope
// there times its length.
func growth(x, y []float64) float64 {
	x, y = x[len(x)/2:], y[len(y)/2:]
	if len(x) < 2 {
		return 0
	}
	return slope(x, y) * (x[len(x)-1] - x[0])
}

func TestGrowth(t *testing.T) {
	series := func(f func(i int) float64) (x, y []float64) {
		for i := range 120 {
			x, y = append(x, float64(i*10)), append(y, f(i))
		}
		return x, y
	}
	noise := func(i int) float64 { return float64(i * 7919 % 13) }
	for name, tt := range map[string]struct {
		f        func(i int) float64
		from, to float64
	}{
		"flat":                          {func(int) float64 { return 80 }, 0, 0},
		"noise around a level":          {func(i int) float64 { return 80 + noise(i) }, -1, 1},
		"a start that settles":          {func(i int) float64 { return 80 + 40*math.Exp(-float64(i)/5) }, -0.1, 0.1},
		"one reading in ten far off":    {func(i int) float64 { return 80 + float64(i%10/9*500) }, -0.1, 0.1},
		"a leak":                        {func(i int) float64 { return 80 + float64(i)/2 }, 29, 30},
		"a leak in noise":               {func(i int) float64 { return 80 + float64(i)/2 + noise(i) }, 26, 33},
		"a leak behind far readings":    {func(i int) float64 { return 80 + float64(i)/2 + float64(i%10/9*500) }, 26, 33},
		"one step up, long ago":         {func(i int) float64 { return 80 + float64(min(i/30, 1)*50) }, 0, 0},
		"a fall is no growth":           {func(i int) float64 { return 80 - float64(i)/2 }, -30, -29},
		"one goroutine every 5 minutes": {func(i int) float64 { return float64(60 + i/30) }, 1, 2.1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := growth(series(tt.f)); got < tt.from || got > tt.to {
				t.Errorf("growth %.2f, want %.2f to %.2f", got, tt.from, tt.to)
			}
		})
	}
}
