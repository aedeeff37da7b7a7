package command

import (
	"context"
	"errors"
	"time"

	"kentongan/agent/report"
)

// Keyring is whom the device believes as its centre.
type Keyring interface {
	// Change trusts and retires keys as an order says that by signed. It returns
	// when that is on the disk.
	Change(by string, trust, retire []string) error
}

// Keys makes the keys command.
func Keys(ring Keyring) Handler {
	return Handler{Name: report.OrderKeys, Limit: 10 * time.Second, Do: func(_ context.Context, o report.Order) (string, error) {
		var a report.KeysArgs
		if err := arguments(o, &a); err != nil {
			return "", err
		}
		if len(a.Trust)+len(a.Retire) == 0 {
			return "", BadArguments{errors.New("arguments: trust or retire is needed")}
		}
		return "", ring.Change(o.Key, a.Trust, a.Retire)
	}}
}
