package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

const complaintHelp = `kentongan-centre complaint erase takes away what is known of one complaint. It works beside a running centre.

  kentongan-centre complaint erase --data DIR --ticket TICKET [--device ID] --reason TEXT
      erase the ticket and PIN, button, service, time and status of a complaint, and what was written to its citizen

What stays is that this kiosk was pressed, when that came in, and the record's hash: everything else is proven as before. The reason
stands in the access log: write no names. With a centre that runs on PostgreSQL, add its --database URL.
Copies elsewhere are not reached: the kiosk's own, backups, and what was passed on to other systems.
`

// complaintOptions are the flags of complaint.
type complaintOptions struct {
	data, ticket, device, reason string
	database                     databaseOptions
}

func (o *complaintOptions) flags(stderr io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet("kentongan-centre complaint", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() { fmt.Fprint(stderr, complaintHelp) }
	f.StringVar(&o.data, "data", "", "`directory` of the centre (required)")
	f.StringVar(&o.ticket, "ticket", "", "`ticket` of the complaint")
	f.StringVar(&o.device, "device", "", "`id` of the kiosk, where several have said that ticket")
	f.StringVar(&o.reason, "reason", "", "why, for the access log")
	o.database.flags(f)
	return f
}

// complaintCommand erases a complaint from the command line.
func complaintCommand(ctx context.Context, e env, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(e.stdout, complaintHelp)
		return exitGood
	}
	var o complaintOptions
	f := o.flags(e.stderr)
	if err := f.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitGood
		}
		return exitUsage
	}
	ticket, err := report.ParseTicket(o.ticket)
	switch {
	case args[0] != "erase" || f.NArg() > 0:
		err = errors.New("write complaint erase and flags")
	case o.data == "":
		err = errors.New("--data is missing: name the directory that the centre keeps its database in")
	case err != nil:
		err = fmt.Errorf("--ticket %q: %w", o.ticket, err)
	case strings.TrimSpace(o.reason) == "":
		err = errors.New("--reason is missing: it stands in the access log")
	default:
		err = o.database.check()
	}
	if err != nil {
		fmt.Fprintln(e.stderr, "kentongan-centre complaint:", err)
		return exitUsage
	}
	if err := o.erase(ctx, e, ticket.String()); err != nil {
		fmt.Fprintln(e.stderr, "kentongan-centre complaint erase:", err)
		return exitFailed
	}
	return exitGood
}

func (o complaintOptions) erase(ctx context.Context, e env, ticket string) (err error) {
	log := slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	st, err := o.database.openBeside(o.data, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	read, edit := st.Tables()
	room, err := access.New(access.Config{Read: read, Edit: edit, Log: log})
	if err != nil {
		return err
	}
	view := st.For(store.Everything())
	list, err := view.Complaints(ctx, store.ComplaintFilter{Ticket: ticket, Device: o.device})
	switch {
	case err != nil:
		return err
	case len(list) == 0:
		return fmt.Errorf("ticket %s: %w", ticket, store.ErrNoComplaint)
	}
	for _, c := range list {
		if c.Device != list[0].Device {
			return fmt.Errorf("ticket %s: %s and %s have said it; name one with --device", ticket, list[0].Device, c.Device)
		}
	}
	device, err := view.EraseComplaint(ctx, list[0].ID)
	if err != nil {
		return err
	}
	// As the page writes it: the number, for the ticket is what was erased.
	if err := room.Note(ctx, byCommandLine("erase-complaint", fmt.Sprintf("/complaints/%d/erase", list[0].ID), "reason: "+o.reason)); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "erased a complaint of %s\n", device)
	return nil
}
