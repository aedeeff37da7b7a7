package command

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
)

// told is a kiosk that keeps what it is told.
type told struct{ got []report.TicketStatus }

func (s *told) SetTicket(t report.TicketStatus) error {
	s.got = append(s.got, t)
	return nil
}

func TestTicketOrder(t *testing.T) {
	good := report.TicketStatus{Ticket: report.NewTicket(7, 2).String(), State: report.TicketDone, At: time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC), Note: report.Text{ID: "Selesai"}}
	with := func(change func(*report.TicketStatus)) report.TicketStatus {
		s := good
		change(&s)
		return s
	}
	tests := map[string]struct {
		args report.TicketStatus
		want string // of the refusal; "" is none
	}{
		"good":          {good, ""},
		"no ticket":     {with(func(s *report.TicketStatus) { s.Ticket = "0007-0002-0" }), "ticket: not a valid ticket number"},
		"unknown state": {with(func(s *report.TicketStatus) { s.State = "saved" }), `state "saved": there is [received assigned done rejected]`},
		"no time":       {with(func(s *report.TicketStatus) { s.At = time.Time{} }), "at is needed"},
		"a long note":   {with(func(s *report.TicketStatus) { s.Note.EN = strings.Repeat("x", 5000) }), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			raw, err := json.Marshal(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			s := &told{}
			_, err = Ticket(s).Do(t.Context(), report.Order{Name: report.OrderTicket, Arguments: raw})
			bad := errors.As(err, new(BadArguments))
			if bad != (tt.want != "") || bad && !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			if bad {
				return
			}
			if err != nil || len(s.got) != 1 || s.got[0].Ticket != good.Ticket || len(s.got[0].Note.EN) > maxTicketNote {
				t.Errorf("%+v, %v", s.got, err)
			}
		})
	}
}
