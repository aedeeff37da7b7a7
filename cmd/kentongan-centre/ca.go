package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"kentongan/cmd/kentongan-centre/internal/ca"
	"kentongan/cmd/kentongan-centre/internal/enrol"
)

var caCommands = []command{
	{"init", "--data DIR [--root-dir DIR] [--name NAME]", "make the root and the issuing authority", caInit},
	{"issuing", "--data DIR [--root-dir DIR]", "make another issuing authority below the root", caIssuing},
	{"server", "--data DIR [--out DIR] [--days N] HOST...", "make a broker's key and certificate for its names and addresses", caServer},
	{"client", "--data DIR [--out DIR] [--days N] NAME.NAME", "make the key and certificate of a role on the broker, as kentongan.centre", caClient},
	{"revoke", "--data DIR [--reason TEXT] DEVICE | --serial SERIAL", "revoke a device's certificates; its open session is ended", caRevoke},
	{"crl", "--data DIR [--out FILE]", "sign the list of what is revoked; a running centre does so by itself", caCRL},
	{"list", "--data DIR [--all]", "list the certificates that are good, or all", caList},
	{"devices", "--data DIR", "list the ids of the devices that are enrolled, one a line", caDevices},
}

func runCA(ctx context.Context, e env, args []string) int {
	return group(ctx, e, "ca", caCommands, args)
}

func caInit(_ context.Context, e env, args []string) int {
	w := newWords(e, "ca init")
	rootDir := w.String("root-dir", "", "`directory` for the root's key, best on a stick that is put away after this")
	name := w.String("name", "Kentongan", "`name` of the authority, for people")
	if _, status, ok := w.parse(args, 0, 0, "[--root-dir DIR] [--name NAME]"); !ok {
		return status
	}
	dir := enrol.Dir(*w.data)
	root := *rootDir
	if root == "" {
		root = dir
	}
	a, err := ca.Init(dir, root, *name, time.Now())
	if err != nil {
		return w.failed(err)
	}
	fmt.Fprintf(e.stdout, "%s  the root, good until %s: brokers and devices trust it\n", filepath.Join(dir, "root.pem"), a.Root.NotAfter.Format(time.DateOnly))
	fmt.Fprintf(e.stdout, "%s  root and issuing authority: a broker's cafile\n", filepath.Join(dir, "ca.pem"))
	fmt.Fprintf(e.stdout, "%s  stays here: the running centre signs with it\n", filepath.Join(dir, "issuing.key"))
	fmt.Fprintf(e.stdout, "%s  take it off this machine, with a copy elsewhere: it is needed only for 'ca issuing'\n", filepath.Join(root, "root.key"))
	return exitGood
}

func caIssuing(_ context.Context, e env, args []string) int {
	w := newWords(e, "ca issuing")
	rootDir := w.String("root-dir", "", "`directory` of the root's key (default: the centre's own)")
	name := w.String("name", "Kentongan", "`name` of the authority, for people")
	if _, status, ok := w.parse(args, 0, 0, "[--root-dir DIR]"); !ok {
		return status
	}
	dir := enrol.Dir(*w.data)
	root := *rootDir
	if root == "" {
		root = dir
	}
	a, err := ca.NewIssuing(dir, root, *name, time.Now())
	if err != nil {
		return w.failed(err)
	}
	fmt.Fprintf(e.stdout, "%s  the new issuing authority, good until %s; start the centre again, and give brokers the new %s beside the old one\n", filepath.Join(dir, "issuing.pem"), a.Issuing.NotAfter.Format(time.DateOnly), filepath.Join(dir, "ca.pem"))
	return exitGood
}

// out are the flags of what writes a key and a certificate.
func (w words) out() (dir *string, days *int) {
	return w.String("out", ".", "`directory` for the files"), w.Int("days", int(ca.ServerLife/(24*time.Hour)), "`days` that the certificate is good")
}

func caServer(ctx context.Context, e env, args []string) int {
	w := newWords(e, "ca server")
	dir, days := w.out()
	hosts, status, ok := w.parse(args, 1, -1, "HOST...")
	if !ok {
		return status
	}
	return w.give(*dir, hosts[0], *days, func(b *enrol.Book, public any, life time.Duration) ([]byte, error) {
		c, err := b.IssueServer(ctx, public, hosts, life)
		if err != nil {
			return nil, err
		}
		return b.Chain(c), nil
	})
}

func caClient(ctx context.Context, e env, args []string) int {
	w := newWords(e, "ca client")
	dir, days := w.out()
	names, status, ok := w.parse(args, 1, 1, "NAME.NAME")
	if !ok {
		return status
	}
	return w.give(*dir, names[0], *days, func(b *enrol.Book, public any, life time.Duration) ([]byte, error) {
		c, err := b.IssueClient(ctx, public, names[0], life)
		if err != nil {
			return nil, err
		}
		return b.Chain(c), nil
	})
}

// give writes NAME.key and NAME.pem, and the authority beside them.
func (w words) give(dir, name string, days int, issue func(b *enrol.Book, public any, life time.Duration) ([]byte, error)) int {
	if days < 1 || days > 3650 {
		return w.wrong("--days %d: 1 to 3650", days)
	}
	if filepath.Base(name) != name || name == "." || name == ".." {
		return w.wrong("%q can't be a host or a name", name)
	}
	return w.withBook(func(a *ca.Authority, b *enrol.Book) error {
		key, err := ca.NewKey()
		if err != nil {
			return err
		}
		secret, err := ca.EncodeKey(key)
		if err != nil {
			return err
		}
		chain, err := issue(b, key.Public(), time.Duration(days)*24*time.Hour)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		files := []struct {
			name, what string
			text       []byte
			mode       os.FileMode
		}{
			{name + ".key", "the key: for its owner alone", secret, 0o600},
			{name + ".pem", fmt.Sprintf("the certificate, good for %d days", days), chain, 0o644},
			{"ca.pem", "the authority", a.Bundle(), 0o644},
		}
		for _, f := range files {
			path := filepath.Join(dir, f.name)
			if err := ca.WriteFile(path, f.text, f.mode); err != nil {
				return err
			}
			fmt.Fprintf(w.e.stdout, "%s  %s\n", path, f.what)
		}
		return nil
	})
}

func caRevoke(ctx context.Context, e env, args []string) int {
	w := newWords(e, "ca revoke")
	serial := w.String("serial", "", "`serial` number of the one certificate to revoke, as 'ca list' shows it")
	reason := w.String("reason", "", "`text` why, for the book")
	names, status, ok := w.parse(args, 0, 1, "DEVICE | --serial SERIAL")
	if !ok {
		return status
	}
	if (len(names) == 0) == (*serial == "") {
		return w.wrong("write a DEVICE, or --serial SERIAL")
	}
	name := ""
	if len(names) > 0 {
		name = names[0]
	}
	return w.withBook(func(_ *ca.Authority, b *enrol.Book) error {
		n, err := b.Revoke(ctx, name, *serial, *reason)
		if errors.Is(err, enrol.ErrNoCertificate) {
			return fmt.Errorf("%w; 'kentongan-centre ca list' shows those that there are", err)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(w.e.stdout, "%d revoked. A running centre tells its broker within seconds and ends the open session ('kentongan-centre ca list --all' and the console's record of enrolment show it); where none runs, write the list with 'kentongan-centre ca crl' and have the broker read it.\n", n)
		return nil
	})
}

func caCRL(ctx context.Context, e env, args []string) int {
	w := newWords(e, "ca crl")
	out := w.String("out", "", "`file` to write; without it, standard output")
	if _, status, ok := w.parse(args, 0, 0, "[--out FILE]"); !ok {
		return status
	}
	return w.withBook(func(_ *ca.Authority, b *enrol.Book) error {
		list, err := b.CRL(ctx)
		if err != nil {
			return err
		}
		if *out == "" {
			_, err = w.e.stdout.Write(list)
			return err
		}
		return ca.WriteFile(*out, list, 0o644)
	})
}

func caList(ctx context.Context, e env, args []string) int {
	w := newWords(e, "ca list")
	all := w.Bool("all", false, "those too that are revoked or over")
	if _, status, ok := w.parse(args, 0, 0, "[--all]"); !ok {
		return status
	}
	return w.withBook(func(_ *ca.Authority, b *enrol.Book) error {
		list, err := b.Certificates(ctx, "", !*all)
		if err != nil {
			return err
		}
		t := tabwriter.NewWriter(w.e.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "NAME\tKIND\tUNTIL\tSTATE\tSERIAL")
		for _, c := range list {
			state := "good"
			switch {
			case c.Revoked != nil:
				state = "revoked " + day(*c.Revoked)
			case time.Now().After(c.NotAfter):
				state = "over"
			case c.RenewedBy != "":
				state = "renewed"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", c.Subject, c.Kind, day(c.NotAfter), state, c.Serial)
		}
		return t.Flush()
	})
}

func caDevices(ctx context.Context, e env, args []string) int {
	w := newWords(e, "ca devices")
	if _, status, ok := w.parse(args, 0, 0, ""); !ok {
		return status
	}
	return w.withBook(func(_ *ca.Authority, b *enrol.Book) error {
		list, err := b.Certificates(ctx, enrol.KindDevice, true)
		if err != nil {
			return err
		}
		last := ""
		for _, c := range list { // sorted by subject
			if c.Subject != last {
				fmt.Fprintln(w.e.stdout, c.Subject)
			}
			last = c.Subject
		}
		return nil
	})
}
