package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"kentongan/agent/report"
)

// Versions is what the update order needs of the updater.
type Versions interface {
	// Order has a release fetched, once it was found good.
	// After until, unless that is zero, it is not started.
	Order(ctx context.Context, url string, number uint64, now bool, until time.Time) (what string, err error)
}

// updateLimit is for reading two small files over a bad link. The download
// goes on beside the orders, and tells of itself by events.
const updateLimit = 2 * time.Minute

// Update makes the update command.
func Update(v Versions) Handler {
	return Handler{Name: report.OrderUpdate, Limit: updateLimit, Do: func(ctx context.Context, o report.Order) (string, error) {
		var a report.UpdateArgs
		if err := arguments(o, &a); err != nil {
			return "", err
		}
		if a.URL == "" || strings.TrimSpace(a.Who) == "" {
			return "", BadArguments{errors.New("arguments: url and who are needed")}
		}
		var until time.Time
		if a.Until != nil {
			until = *a.Until
		}
		what, err := v.Order(ctx, a.URL, a.Number, a.Now, until)
		if err != nil {
			return "", fmt.Errorf("look for a release: %w", err)
		}
		return what, nil
	}}
}
