package console

import "kentongan/cmd/kentongan-centre/internal/store"

// manyOffline is from how many on devices that are offline become one line: a
// province whose broker is down must not hide the one camera that matters. Ten
// alarms in ten minutes are what one operator can take (EEMUA 191); half of it
// is left for everything else.
const manyOffline = 5

// gathered makes one problem of many devices that are offline, at the place of
// the first of them and with the time of the oldest.
func gathered(list []store.Problem) []store.Problem {
	n := 0
	for _, p := range list {
		if p.What == "device" {
			n++
		}
	}
	if n < manyOffline {
		return list
	}
	out := make([]store.Problem, 0, len(list)-n+1)
	at := -1
	for _, p := range list {
		switch {
		case p.What != "device":
			out = append(out, p)
		case at < 0:
			at = len(out)
			out = append(out, store.Problem{What: "devices", State: p.State, Count: uint64(n), Since: p.Since})
		case p.Since.Before(out[at].Since):
			out[at].Since = p.Since
		}
	}
	return out
}
