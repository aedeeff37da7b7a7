package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Seeds of the two parts. Thresholds were tuned on the first only; the second
// is held out.
const (
	tuningSeed  = 1
	heldOutSeed = 20261126
)

// settings is how much is proven.
type settings struct {
	only  string  // parts: tuning, heldout, days, or day1 and so on; "" for all
	share float64 // of the clips, and of each day
	held  uint64  // seed of the part that is held out
	cache string
}

const usage = `set KENTONGAN_PROOF_ONLY to some of tuning,heldout,days,day1,...,day5; KENTONGAN_PROOF_SHARE to a
share of the clips and hours above 0, up to 1; KENTONGAN_SEED to another seed for the part
that is held out; KENTONGAN_PROOF_CACHE to a directory for what clips decode to`

func readSettings() (*settings, error) {
	s := &settings{only: os.Getenv("KENTONGAN_PROOF_ONLY"), share: 1, held: heldOutSeed, cache: os.Getenv("KENTONGAN_PROOF_CACHE")}
	for p := range strings.SplitSeq(s.only, ",") {
		if number, ok := strings.CutPrefix(p, "day"); ok {
			if n, err := strconv.Atoi(number); err == nil && n >= 1 && n <= len(days) {
				continue
			}
		}
		if p != "" && p != "tuning" && p != "heldout" && p != "days" {
			return nil, fmt.Errorf("KENTONGAN_PROOF_ONLY names %q, which is no part\n%s", p, usage)
		}
	}
	if text := os.Getenv("KENTONGAN_PROOF_SHARE"); text != "" {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v > 0 && v <= 1) {
			return nil, fmt.Errorf("KENTONGAN_PROOF_SHARE is %q, not a number above 0 and up to 1\n%s", text, usage)
		}
		s.share = v
	}
	if text := os.Getenv("KENTONGAN_SEED"); text != "" {
		v, err := strconv.ParseUint(text, 10, 64)
		if err != nil || v == tuningSeed {
			return nil, fmt.Errorf("KENTONGAN_SEED is %q, not a whole number other than %d, the seed of the tuning part\n%s", text, tuningSeed, usage)
		}
		s.held = v
	}
	return s, nil
}

// wants tells whether a part was asked for.
func (s *settings) wants(part string) bool {
	return s.only == "" || strings.Contains(","+s.only+",", ","+part+",")
}
