package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kentongan/agent/report"
)

// Tickets is what the ticket-status order needs of the kiosk.
type Tickets interface {
	// SetTicket keeps how a complaint stands.
	SetTicket(report.TicketStatus) error
}

// maxTicketNote bounds what is shown to a citizen, in bytes.
const maxTicketNote = 400

// Ticket makes the ticket-status command.
func Ticket(tickets Tickets) Handler {
	return Handler{Name: report.OrderTicket, Limit: 10 * time.Second, Do: func(_ context.Context, o report.Order) (string, error) {
		var s report.TicketStatus
		if err := arguments(o, &s); err != nil {
			return "", err
		}
		switch _, err := report.ParseTicket(s.Ticket); {
		case err != nil:
			return "", BadArguments{fmt.Errorf("arguments: ticket: %w", err)}
		case !slices.Contains(report.TicketStates(), s.State):
			return "", BadArguments{fmt.Errorf("arguments: state %q: there is %v", report.Clip(s.State, 40), report.TicketStates())}
		case s.At.IsZero():
			return "", BadArguments{errors.New("arguments: at is needed, or an older word could follow a newer one")}
		}
		s.Note.ID, s.Note.EN = report.Clip(s.Note.ID, maxTicketNote), report.Clip(s.Note.EN, maxTicketNote)
		return "", tickets.SetTicket(s)
	}}
}
