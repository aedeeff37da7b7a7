package command

import (
	"context"
	"errors"
	"strings"
	"time"

	"kentongan/agent/report"
)

// Restart makes the restart command. restart asks the agent to end and start
// anew; it returns at once. The order's result is kept when the agent is back.
func Restart(restart func()) Handler {
	return Handler{
		Name: report.OrderRestart, Limit: 10 * time.Second,
		Do: func(_ context.Context, o report.Order) (string, error) {
			var a report.RestartArgs
			if err := arguments(o, &a); err != nil {
				return "", err
			}
			if err := named(a.Who, a.Reason); err != nil {
				return "", err
			}
			restart()
			return "", ErrLater
		},
		Resume: func(string) (string, string, bool) {
			return report.CommandSucceeded, "the agent has started anew", true
		},
	}
}

// named wants to know who orders something and why: both go into the device's
// own log.
func named(who, reason string) error {
	if strings.TrimSpace(who) == "" || strings.TrimSpace(reason) == "" {
		return BadArguments{errors.New("arguments: who and reason are needed")}
	}
	return nil
}
