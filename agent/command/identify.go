package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"kentongan/agent/report"
)

// Blinker shows people which device this is.
type Blinker interface {
	// Identify begins to blink for d, says what does, and returns at once.
	Identify(d time.Duration) (what string, err error)
}

// Identify makes the identify command.
func Identify(b Blinker) Handler {
	return Handler{Name: report.OrderIdentify, Limit: 10 * time.Second, Do: func(_ context.Context, o report.Order) (string, error) {
		var a report.IdentifyArgs
		if err := arguments(o, &a); err != nil {
			return "", err
		}
		switch {
		case a.Seconds < 1 || a.Seconds > report.MaxIdentifySeconds:
			return "", BadArguments{fmt.Errorf("arguments: seconds: 1 to %d", report.MaxIdentifySeconds)}
		case strings.TrimSpace(a.Who) == "":
			return "", BadArguments{errors.New("arguments: who is needed")}
		}
		return b.Identify(time.Duration(a.Seconds) * time.Second)
	}}
}
