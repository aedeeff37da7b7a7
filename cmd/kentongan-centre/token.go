package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/ca"
	"kentongan/cmd/kentongan-centre/internal/enrol"
	"kentongan/cmd/kentongan-centre/internal/qrcode"
)

var tokenCommands = []command{
	{"new", "--data DIR --device ID [--expires 72h] [--centre URL] [--replace] [--png FILE]", "make a one-time token for a device, also as a QR code", tokenNew},
	{"list", "--data DIR", "list the tokens and what became of them", tokenList},
	{"revoke", "--data DIR TOKEN-ID", "withdraw a token that was not used", tokenRevoke},
}

func runToken(ctx context.Context, e env, args []string) int {
	return group(ctx, e, "token", tokenCommands, args)
}

// defaultTokenLife is from the office to a site that is a day's drive away.
const defaultTokenLife = 72 * time.Hour

func tokenNew(ctx context.Context, e env, args []string) int {
	w := newWords(e, "token new")
	device := w.String("device", "", "`id` of the device (required)")
	life := w.Duration("expires", defaultTokenLife, "`time` that it may be used within, as 24h")
	centre := w.String("centre", "", "`url` at which devices reach the enrolment, https://HOST:PORT (default: that of the centre that runs here)")
	replace := w.Bool("replace", false, "take the id from the device that holds it: its certificate is revoked when the token is used")
	png := w.String("png", "", "`file` to write the QR code to, as PNG")
	if _, status, ok := w.parse(args, 0, 0, "--device ID"); !ok {
		return status
	}
	if *device == "" {
		return w.wrong("--device is missing: name the device that the token is for")
	}
	return w.withBook(func(_ *ca.Authority, b *enrol.Book) error {
		at := *centre
		if at == "" {
			var err error
			if at, err = b.Meta(ctx, enrol.MetaURL); err != nil {
				return err
			}
		}
		if at == "" {
			return errors.New("where is the centre? No enrolment has run with this --data yet (kentongan-centre run --enrol HOST:PORT); give its address with --centre https://HOST:PORT")
		}
		u, err := report.ParseCentreURL(at)
		if err != nil {
			return fmt.Errorf("--centre %q: %w", at, err)
		}
		t, row, err := b.NewToken(ctx, *device, who(), *life, *replace)
		if errors.Is(err, enrol.ErrHeld) {
			return fmt.Errorf("%w; revoke it first ('kentongan-centre ca revoke %s'), or give --replace for a new board in its place", err, *device)
		}
		if err != nil {
			return err
		}
		return showToken(w.e.stdout, *png, row, u.String(), t, report.EnrolLink(u, t))
	})
}

func showToken(w io.Writer, png string, row enrol.Token, centre string, t report.EnrolToken, link string) error {
	code, err := qrcode.Encode(link)
	if err != nil {
		return err
	}
	if png != "" {
		picture, err := code.PNG(8)
		if err != nil {
			return err
		}
		if err := ca.WriteFile(png, picture, 0o600); err != nil { // it lets somebody in
			return err
		}
	}
	fmt.Fprint(w, code.Text(terminal(w)))
	fmt.Fprintf(w, "device   %s\ncentre   %s\ntoken    %s\nlink     %s\nuntil    %s UTC, once\nid       %s\n", row.Device, centre, t, link, day(row.Expires), row.ID)
	fmt.Fprintf(w, "\nOn the device: kentongan enrol --centre %s --token -\n(it asks for the token; or give the link in its place: kentongan enrol LINK)\n", centre)
	return nil
}

// terminal tells whether w is one.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

const maxTokenList = 1000

func tokenList(ctx context.Context, e env, args []string) int {
	w := newWords(e, "token list")
	if _, status, ok := w.parse(args, 0, 0, ""); !ok {
		return status
	}
	return w.withBook(func(_ *ca.Authority, b *enrol.Book) error {
		list, err := b.Tokens(ctx, maxTokenList)
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(w.e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "ID\tDEVICE\tSTATE\tUNTIL\tMADE BY")
		for _, row := range list {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", row.ID, row.Device, row.State, day(row.Expires), row.Who)
		}
		return t.Flush()
	})
}

func tokenRevoke(ctx context.Context, e env, args []string) int {
	w := newWords(e, "token revoke")
	ids, status, ok := w.parse(args, 1, 1, "TOKEN-ID")
	if !ok {
		return status
	}
	return w.withBook(func(_ *ca.Authority, b *enrol.Book) error { return b.RevokeToken(ctx, ids[0], who()) })
}
