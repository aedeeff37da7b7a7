package picture

import "math"

// histogram counts what was seen of one figure, in bins that grow by a
// quarter of an octave, and forgets: when it is full, all counts are halved.
// Its quantiles are right within a tenth.
type histogram struct {
	Total  uint16
	Counts [histogramBins]uint16
}

const (
	histogramBins = 64
	binsPerOctave = 4
	leastBin      = 1.0 / 256 // of the second bin; the first is for all below
	histogramFull = 8640      // 12 h of looks: after a day, half of it is from today
)

func (h *histogram) add(v float32) {
	if h.Total >= histogramFull {
		h.Total = 0
		for i := range h.Counts {
			h.Counts[i] /= 2
			h.Total += h.Counts[i]
		}
	}
	h.Counts[bin(v)]++
	h.Total++
}

// recount makes the total right, for counts that come from a file.
func (h *histogram) recount() {
	total := 0
	for _, n := range h.Counts {
		total += int(n)
	}
	if total > histogramFull { // not one of ours
		*h, total = histogram{}, 0
	}
	h.Total = uint16(total)
}

func bin(v float32) int {
	if v < leastBin {
		return 0
	}
	return min(1+int(binsPerOctave*math.Log2(float64(v)/leastBin)), histogramBins-1)
}

// quantile returns the value that the share p of what was counted is below of;
// 0 when nothing was.
func (h *histogram) quantile(p float64) float32 {
	want := p * float64(h.Total)
	for i, n := range h.Counts {
		if want < float64(n) {
			if i == 0 {
				return 0
			}
			return float32(leastBin * math.Exp2((float64(i-1)+want/float64(n))/binsPerOctave))
		}
		want -= float64(n)
	}
	return 0
}

func sqrt(v float32) float32 { return float32(math.Sqrt(float64(v))) }
