package main

import (
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(tt.in); got != tt.want {
			t.Errorf("median of %v: %v, want %v", tt.in, got, tt.want)
		}
	}
}

func TestRatiosAreMadeWithinARound(t *testing.T) {
	// Both are twice as slow in the second round: the ratio stays.
	if got := median(ratios([]float64{10, 5, 10}, []float64{20, 10, 20})); got != 0.5 {
		t.Errorf("got %v, want 0.5", got)
	}
}

func TestNumber(t *testing.T) {
	for in, want := range map[float64]string{0: "0", 0.0221: "0.022", 0.814: "0.81", 4.15: "4.15", 46.74: "46.7", 999.6: "1,000", 1234567: "1,234,567"} {
		if got := number(in); got != want {
			t.Errorf("%v is written %q, want %q", in, got, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	tab := table{title: "Speed", head: []string{"who", "rate"}, notes: []string{"On a desk."}}
	tab.add("we", "1.00")
	want := "\n## Speed\n\n| who | rate |\n| --- | ---: |\n| we | 1.00 |\n\nOn a desk.\n"
	if got := tab.markdown(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, strings.TrimSpace(want))
	}
}

func TestSettingsAreRefused(t *testing.T) {
	t.Setenv("KENTONGAN_BENCH_ONLY", "nothing")
	if _, err := readSettings(); err == nil {
		t.Error("a group that does not exist was taken")
	}
	t.Setenv("KENTONGAN_BENCH_ONLY", "drain,hour")
	t.Setenv("KENTONGAN_BENCH_ROUNDS", "-3")
	if _, err := readSettings(); err == nil || !strings.Contains(err.Error(), "KENTONGAN_BENCH_ROUNDS") {
		t.Errorf("-3 rounds: %v", err)
	}
}
