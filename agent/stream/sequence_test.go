package stream

import "testing"

func TestSequence(t *testing.T) {
	type totals struct{ packets, lost, reordered, duplicates, jumps uint64 }
	tests := map[string]struct {
		in   []uint16
		want totals
	}{
		"in order":                  {[]uint16{1, 2, 3}, totals{packets: 3}},
		"over the wrap":             {[]uint16{65534, 65535, 0, 1}, totals{packets: 4}},
		"three lost":                {[]uint16{10, 14, 15}, totals{packets: 3, lost: 3}},
		"lost over the wrap":        {[]uint16{65534, 1}, totals{packets: 2, lost: 2}},
		"duplicate":                 {[]uint16{10, 11, 11, 12}, totals{packets: 4, duplicates: 1}},
		"duplicate of an older one": {[]uint16{10, 11, 12, 10}, totals{packets: 4, duplicates: 1}},
		"two swapped":               {[]uint16{10, 12, 11, 13}, totals{packets: 4, reordered: 1}},
		"late over the wrap":        {[]uint16{65534, 0, 65535, 1}, totals{packets: 4, reordered: 1}},
		"late and doubled":          {[]uint16{10, 12, 11, 11}, totals{packets: 4, reordered: 1, duplicates: 1}},
		"before the first":          {[]uint16{10, 9, 11}, totals{packets: 3, reordered: 1}},
		"largest loss":              {[]uint16{0, maxGap}, totals{packets: 2, lost: maxGap - 1}},
		"counting anew":             {[]uint16{5000, 12, 13}, totals{packets: 3, jumps: 1}},
		"far ahead":                 {[]uint16{0, maxGap + 1, maxGap + 2}, totals{packets: 3, jumps: 1}},
		"after a long loss the old ones are late, not doubled": {[]uint16{0, 70, 69}, totals{packets: 3, lost: 68, reordered: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var s sequence
			sum := 0
			for _, n := range tt.in {
				_, lost := s.add(n)
				sum += lost
			}
			got := totals{s.packets, s.lost, s.reordered, s.duplicates, s.jumps}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if sum != int(tt.want.lost) {
				t.Errorf("the steps of loss add up to %d, want %d", sum, tt.want.lost)
			}
		})
	}
}
