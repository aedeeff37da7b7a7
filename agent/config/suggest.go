package config

import "strings"

// Suggest returns the word of known that s was probably meant to be, or "".
func Suggest(s string, known []string) string {
	best, bestDistance := "", 3 // more than two slips is another word
	folded := fold(s)
	for _, k := range known {
		limit := min(bestDistance-1, (len(k)+1)/2)
		if d := distance(folded, fold(k), limit); d <= limit {
			best, bestDistance = k, d
		}
	}
	return best
}

func fold(s string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s))
}

// distance counts the letters to change, add, drop or swap with their
// neighbour; it gives up beyond limit (optimal string alignment).
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			change := row[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			next[j] = min(change, row[j]+1, next[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
