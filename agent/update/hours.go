package update

import (
	"fmt"
	"time"
)

// Hours are when a version may be changed, by the device's local time: from
// From up to To, over midnight where To is the smaller. The zero Hours are any
// time.
type Hours struct {
	From, To time.Duration // since midnight
	Set      bool
}

// ParseHours reads 01:00-05:00; "" is any time.
func ParseHours(s string) (Hours, error) {
	if s == "" {
		return Hours{}, nil
	}
	var h1, m1, h2, m2 int
	var rest string
	n, _ := fmt.Sscanf(s+"\n", "%d:%d-%d:%d%s", &h1, &m1, &h2, &m2, &rest)
	h := Hours{clock(h1, m1), clock(h2, m2), true}
	if n != 4 || h1 < 0 || h1 > 23 || h2 < 0 || h2 > 23 || m1 < 0 || m1 > 59 || m2 < 0 || m2 > 59 || h.From == h.To {
		return Hours{}, fmt.Errorf("%.40q: write hours as 01:00-05:00", s)
	}
	return h, nil
}

func clock(h, m int) time.Duration {
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
}

// until is how long to wait for the hours. A clock that is not set says nothing.
func (h Hours) until(now time.Time, known bool) time.Duration {
	if !h.Set || !known {
		return 0
	}
	day := clock(now.Hour(), now.Minute()) + time.Duration(now.Second())*time.Second
	in := day >= h.From && day < h.To
	if h.From > h.To {
		in = day >= h.From || day < h.To
	}
	if in {
		return 0
	}
	return (h.From - day + 24*time.Hour) % (24 * time.Hour)
}
