package stream

import (
	"fmt"
	"strings"

	"kentongan/agent/report"
)

// pictureKey is what makes another state of a picture: what is checked, found
// and said, not when it was looked at or how sure it is.
func pictureKey(p *report.PictureState) string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%t %s", p.Checked, p.Reason)
	for _, v := range p.Found {
		b.WriteString(" " + v.Condition)
	}
	return b.String() + ";" + strings.Join(p.Info, " ")
}
