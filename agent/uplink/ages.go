package uplink

import "time"

// ages remembers when records were first seen in a lane, roughly and in a fixed
// space, so that a record's age is known without reading it.
type ages struct {
	marks []mark // rising
}

type mark struct {
	next uint64 // numbers under it were there
	at   time.Time
}

const (
	maxMarks = 64
	markStep = 100 * time.Millisecond
)

// seen notes that numbers under next exist now.
func (a *ages) seen(next uint64, now time.Time) {
	n := len(a.marks)
	if n > 0 && a.marks[n-1].next >= next {
		return
	}
	if n > 0 && now.Sub(a.marks[n-1].at) < markStep {
		a.marks[n-1].next = next // keeps the earlier time: a record counts as older, not younger
		return
	}
	if n == maxMarks {
		a.marks = append(a.marks[:0], a.marks[maxMarks/2:]...)
	}
	a.marks = append(a.marks, mark{next, now})
}

// at is when seq was first seen, or somewhat earlier; the zero time when it has
// not been noted.
func (a *ages) at(seq uint64) time.Time {
	for _, m := range a.marks {
		if seq < m.next {
			return m.at
		}
	}
	return time.Time{}
}
