package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

const userHelp = `kentongan-centre user makes accounts and ways in. It works beside a running centre.

  kentongan-centre user add --data DIR --name NAME --role ROLE [--full-name TEXT] [--agency ID] [--url URL]
      make an account, and print a link that lets it in once, within 24 h
  kentongan-centre user link --data DIR --name NAME [--url URL]
      print a new link for an account that lost its password
  kentongan-centre user token --data DIR --name NAME [--days N] [--label TEXT]
      print a token for a program: Authorization: Bearer TOKEN
  kentongan-centre user list --data DIR
      list the accounts
  kentongan-centre user erase --data DIR --name NAME --reason TEXT [--yes]
      erase an account; without --yes, say only what would go and what would stay

With a centre that runs on PostgreSQL, add its --database URL (and --database-password-file FILE).

Roles: viewer, operator, approver, admin. Without --agency an account sees the whole province; an admin always does.
`

// userOptions are the flags of user.
type userOptions struct {
	data, name, role, fullName, agency, url, label, reason string
	days                                                   int
	yes                                                    bool
	database                                               databaseOptions
}

func (o *userOptions) flags(stderr io.Writer) *flag.FlagSet {
	f := flag.NewFlagSet("kentongan-centre user", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() { fmt.Fprint(stderr, userHelp) }
	f.StringVar(&o.data, "data", "", "`directory` of the centre (required)")
	f.StringVar(&o.name, "name", "", "`name` to log in with")
	f.StringVar(&o.role, "role", "", "`role`")
	f.StringVar(&o.fullName, "full-name", "", "the person's `name`, which stands beside what they do")
	f.StringVar(&o.agency, "agency", "", "`id` of the agency that the account is of")
	f.StringVar(&o.url, "url", "http://127.0.0.1:8080", "the centre's `URL`, for the link")
	f.StringVar(&o.label, "label", "", "what the token is for")
	f.StringVar(&o.reason, "reason", "", "why an account is erased, for the access log")
	f.BoolVar(&o.yes, "yes", false, "erase it")
	o.database.flags(f)
	f.IntVar(&o.days, "days", 365, "how many `days` the token lives")
	return f
}

// userCommand makes accounts from the command line: the first one has no other
// way in.
func userCommand(ctx context.Context, e env, args []string) int {
	var o userOptions
	f, status, ok := behindWord(e, args, userHelp, o.flags)
	if !ok {
		return status
	}
	do, known := map[string]func(context.Context, env, *store.Store, *access.Room, userOptions) error{
		"add": userAdd, "link": userLink, "token": userToken, "list": userList, "erase": userErase,
	}[args[0]]
	switch {
	case !known:
		fmt.Fprintf(e.stderr, "kentongan-centre user: unknown %q; write add, link, token, list or erase\n", args[0])
		return exitUsage
	case f.NArg() > 0:
		fmt.Fprintf(e.stderr, "kentongan-centre user: unexpected argument %q\n", f.Arg(0))
		return exitUsage
	case o.data == "":
		fmt.Fprintln(e.stderr, "kentongan-centre user: --data is missing: name the directory that the centre keeps its database in")
		return exitUsage
	case o.name == "" && args[0] != "list":
		fmt.Fprintln(e.stderr, "kentongan-centre user: --name is missing")
		return exitUsage
	case args[0] == "erase" && strings.TrimSpace(o.reason) == "":
		fmt.Fprintln(e.stderr, "kentongan-centre user: --reason is missing: it stands in the access log")
		return exitUsage
	}
	if err := o.database.check(); err != nil {
		fmt.Fprintln(e.stderr, "kentongan-centre user:", err)
		return exitUsage
	}
	if err := o.with(ctx, e, do); err != nil {
		fmt.Fprintf(e.stderr, "kentongan-centre user %s: %v\n", args[0], err)
		return exitFailed
	}
	return exitGood
}

func (o userOptions) with(ctx context.Context, e env, do func(context.Context, env, *store.Store, *access.Room, userOptions) error) (err error) {
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	st, room, err := o.database.openRoom(e, o.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return do(ctx, e, st, room, o)
}

// byCommandLine stands in the access log for who works at the machine itself.
func byCommandLine(action, object, detail string) access.Entry {
	name := "?"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return access.Entry{Name: name + "@console", Action: action, Object: object, Detail: detail}
}

func userAdd(ctx context.Context, e env, _ *store.Store, room *access.Room, o userOptions) error {
	a, err := room.Add(ctx, access.Account{Name: o.name, FullName: o.fullName, Role: access.Role(o.role), Agency: o.agency})
	if err != nil {
		return err
	}
	if err := room.Note(ctx, byCommandLine("user-add", "/users/"+a.ID, "role: "+o.role)); err != nil {
		return err
	}
	return o.printLink(ctx, e, room, a)
}

func userLink(ctx context.Context, e env, _ *store.Store, room *access.Room, o userOptions) error {
	a, err := room.Named(ctx, o.name)
	if err != nil {
		return err
	}
	return o.printLink(ctx, e, room, a)
}

func (o userOptions) printLink(ctx context.Context, e env, room *access.Room, a access.Account) error {
	token, err := room.Link(ctx, a.ID)
	if err == nil {
		err = room.Note(ctx, byCommandLine("user-link", "/users/"+a.ID+"/link", ""))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s/link/%s\n", strings.TrimSuffix(o.url, "/"), token)
	return nil
}

func userToken(ctx context.Context, e env, _ *store.Store, room *access.Room, o userOptions) error {
	a, err := room.Named(ctx, o.name)
	if err != nil {
		return err
	}
	token, err := room.NewToken(ctx, a.ID, o.label, time.Duration(o.days)*24*time.Hour)
	if err == nil {
		err = room.Note(ctx, byCommandLine("user-token", "/users/"+a.ID, o.label))
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, token)
	return nil
}

func userList(ctx context.Context, e env, _ *store.Store, room *access.Room, _ userOptions) error {
	list, err := room.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range list {
		agency, state := a.Agency, "active"
		if agency == "" {
			agency = "-"
		}
		if a.Disabled {
			state = "disabled"
		}
		fmt.Fprintf(e.stdout, "%s\t%s\t%s\t%s\t%s\n", a.Name, a.Role, agency, state, a.FullName)
	}
	return nil
}
