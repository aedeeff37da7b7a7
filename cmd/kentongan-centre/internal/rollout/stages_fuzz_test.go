package rollout

import (
	"errors"
	"testing"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// FuzzStages: the stages that somebody types are numbers, or an error that says how
// they are written.
func FuzzStages(f *testing.F) {
	for _, s := range []string{"1,10,100", "1 %, 100%", "", "1,,2", "1e9", "99999999999999999999", "-5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, err := ParseStages(s)
		if err != nil {
			if e, ok := errors.AsType[*store.InputError](err); !ok || e.Field != "stages" {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if len(out) == 0 {
			t.Errorf("%q is no stage at all", s)
		}
	})
}
