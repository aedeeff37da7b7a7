package screen

import (
	"time"

	"kentongan/agent/web"
)

// A PIN has 20 bits. Ten guesses, then one in six seconds, over all tickets, is
// a million in ten weeks; and five wrong ones close a ticket for a quarter of an hour,
// which makes it six years for one that somebody wants. Whoever guesses over the
// network has limits of his own: those here would shut out who stands at the kiosk.
var pinLimits = web.Limits{Burst: 10, Every: 6 * time.Second, Wrong: 5, For: 15 * time.Minute}
