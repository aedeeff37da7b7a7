package command

import (
	"context"
	"fmt"
	"time"

	"kentongan/agent/report"
)

// Configurations takes another configuration.
type Configurations interface {
	// Try checks a configuration, keeps it for a trial, and has the agent start
	// anew with it. BadArguments says what is wrong with it, field by field.
	Try(id string, version uint64, text []byte) error
	// Tried says what became of the trial; ok false means that it goes on.
	Tried(id string) (state, detail string, ok bool)
}

// Configure makes the config command. Its result comes when the centre was reached
// with the new configuration, or when the old one is back.
func Configure(c Configurations) Handler {
	return Handler{
		Name: report.OrderConfig, Limit: 30 * time.Second,
		Do: func(_ context.Context, o report.Order) (string, error) {
			var a report.ConfigArgs
			if err := arguments(o, &a); err != nil {
				return "", err
			}
			if err := named(a.Who, a.Reason); err != nil {
				return "", err
			}
			if len(a.Text) == 0 || len(a.Text) > report.MaxConfigBytes {
				return "", BadArguments{fmt.Errorf("arguments: text: 1 to %d bytes", report.MaxConfigBytes)}
			}
			if err := c.Try(o.ID, a.Version, []byte(a.Text)); err != nil {
				return "", err
			}
			return "", ErrLater
		},
		Resume: c.Tried,
	}
}
