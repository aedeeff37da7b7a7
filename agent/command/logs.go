package command

import (
	"context"
	"fmt"
	"time"

	"kentongan/agent/report"
)

// Log is the newest of what the agent logged.
type Log interface {
	// Bundle is it as JSON Lines in gzip, without passwords, of at most so many
	// bytes: the oldest lines are left out.
	Bundle(most int) ([]byte, error)
}

// maxLogBytes is 32 pieces of 8 KiB: a minute of a slow link.
const maxLogBytes = 256 << 10

// Logs makes the logs command: the log leaves as a picture does.
func Logs(log Log, records Records) Handler {
	return Handler{Name: report.OrderLogs, Clock: true, Limit: 30 * time.Second, Do: func(ctx context.Context, o report.Order) (string, error) {
		var a report.LogsArgs
		if err := arguments(o, &a); err != nil {
			return "", err
		}
		if err := named(a.Who, a.Reason); err != nil {
			return "", err
		}
		text, err := log.Bundle(maxLogBytes)
		if err != nil {
			return "", fmt.Errorf("gather the log: %w", err)
		}
		p := Picture{Format: report.LogFormat, Bytes: text, TakenAt: time.Now()}
		return send(ctx, records, o.ID, report.SnapshotArgs{Stream: report.LogStream, Who: a.Who, Reason: a.Reason}, p)
	}}
}
