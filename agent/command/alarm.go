package command

import (
	"context"
	"errors"
	"time"

	"kentongan/agent/report"
)

// Alarms is what the ack-alarm order needs of the alarms.
type Alarms interface {
	// Acknowledge says that who has taken the alarm, or with false that there was
	// nothing.
	Acknowledge(ctx context.Context, alarm, who, note string, isFalse bool) error
}

// AckAlarm makes the ack-alarm command.
func AckAlarm(alarms Alarms) Handler {
	return Handler{Name: report.OrderAckAlarm, Limit: 10 * time.Second, Do: func(ctx context.Context, o report.Order) (string, error) {
		var a report.AckAlarmArgs
		if err := arguments(o, &a); err != nil {
			return "", err
		}
		if a.Alarm == "" || a.Who == "" {
			return "", BadArguments{errors.New("arguments: alarm and who are needed")}
		}
		return "", alarms.Acknowledge(ctx, a.Alarm, report.Clip(a.Who, maxWho), report.Clip(a.Note, maxReason), a.False)
	}}
}
