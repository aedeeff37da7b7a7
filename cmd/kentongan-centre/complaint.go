package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

const complaintHelp = `kentongan-centre complaint erase takes away what is known of one complaint. It works beside a running centre.

  kentongan-centre complaint erase --data DIR --ticket TICKET [--device ID] [--id N] --reason TEXT
      erase the ticket and PIN, button, service, time and status of a complaint, and what was written to its citizen

Where several complaints have the ticket, they are named, and none is erased until --id says which. What stays is that this kiosk was
pressed, when that came in, and the record's number and hash: everything else is proven as before. Who knows how the kiosk numbers its
tickets can work out the ticket from the number; and who has a guess at all that the record said can try it against the hash.
The reason stands in the access log: write no names. With a centre that runs on PostgreSQL, add its --database URL.

Not reached: the kiosk's own memory, and a kiosk set back to an old copy of it; messages that wait in a broker, also the centre's own;
backups; what was passed on to agencies, the webhook and Home Assistant; the log of the program and of a proxy; in the access log, tickets
that were searched for and notes to citizens until the centre left them out.
`

// complaintOptions are the flags of complaint.
type complaintOptions struct {
	data, ticket, device, reason string
	id                           int64
	wipeFor                      time.Duration // to wait for those who read the database
	database                     databaseOptions
}

func (o *complaintOptions) flags(stderr io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet("kentongan-centre complaint", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() { fmt.Fprint(stderr, complaintHelp) }
	f.StringVar(&o.data, "data", "", "`directory` of the centre (required)")
	f.StringVar(&o.ticket, "ticket", "", "`ticket` of the complaint")
	f.StringVar(&o.device, "device", "", "`id` of the kiosk, where several have said that ticket")
	f.Int64Var(&o.id, "id", 0, "`number` of the complaint, where several have that ticket")
	f.StringVar(&o.reason, "reason", "", "why, for the access log")
	o.database.flags(f)
	return f
}

// complaintCommand erases a complaint from the command line.
func complaintCommand(ctx context.Context, e env, args []string) int {
	o := complaintOptions{wipeFor: time.Minute}
	f, status, ok := behindWord(e, args, complaintHelp, o.flags)
	if !ok {
		return status
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
	st, room, err := o.database.openRoom(e, o.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	view := st.For(store.Everything())
	one, err := o.pick(ctx, view, ticket)
	if err != nil {
		return err
	}
	device, err := view.EraseComplaint(ctx, one.ID)
	if err != nil {
		return err
	}
	// As the page writes it: the number, for the ticket is what was erased.
	if err := room.Note(ctx, byCommandLine("erase-complaint", fmt.Sprintf("/complaints/%d/erase", one.ID), "reason: "+o.reason)); err != nil {
		return fmt.Errorf("the complaint is erased, and that does not stand in the access log: %w", err)
	}
	if err := wipe(ctx, e, view, "complaint", o.wipeFor); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "erased a complaint of %s\n", device)
	return nil
}

// pick finds the complaint. One ticket may be of several: of two kiosks with one
// number, or of a kiosk that began to count anew.
func (o complaintOptions) pick(ctx context.Context, view *store.View, ticket string) (store.Complaint, error) {
	list, err := view.Complaints(ctx, store.ComplaintFilter{Ticket: ticket, Device: o.device})
	if err != nil {
		return store.Complaint{}, err
	}
	list = slices.DeleteFunc(list, func(c store.Complaint) bool { return c.Erased || o.id != 0 && c.ID != o.id })
	switch {
	case len(list) == 0:
		return store.Complaint{}, fmt.Errorf("ticket %s: %w", ticket, store.ErrNoComplaint)
	case len(list) == 1:
		return list[0], nil
	}
	var all strings.Builder
	for _, c := range list {
		fmt.Fprintf(&all, "\n  --id %d  of %s, which came in %s (epoch %s, record %d)", c.ID, c.Device, c.Received.UTC().Format(time.RFC3339), c.Epoch, c.Seq)
	}
	return store.Complaint{}, fmt.Errorf("ticket %s: %d complaints have it; say which:%s", ticket, len(list), all.String())
}

// wipe takes what was erased out of the database's log, too. Whoever reads at the
// moment keeps it from that.
func wipe(ctx context.Context, e env, view *store.View, what string, wait time.Duration) error {
	left := "the " + what + " is erased, but the database's log (centre.db-wal) still holds it: %w; a running centre cuts the log within the hour, and at its start"
	for first, until := true, time.Now().Add(wait); ; first = false {
		done, err := view.WipeLog(ctx)
		switch {
		case err != nil:
			return fmt.Errorf(left, err)
		case done:
			return nil
		case time.Now().After(until):
			return fmt.Errorf(left, errors.New("somebody has been reading the database all the time"))
		}
		if first {
			fmt.Fprintln(e.stderr, "erased; waiting for whoever reads the database, to take it out of the log as well")
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return fmt.Errorf(left, ctx.Err())
		}
	}
}
