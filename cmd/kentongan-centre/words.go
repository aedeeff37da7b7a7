package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kentongan/cmd/kentongan-centre/internal/ca"
	"kentongan/cmd/kentongan-centre/internal/enrol"
)

// group runs the subcommand that args begin with.
func group(ctx context.Context, e env, name string, table []command, args []string) int {
	if len(args) > 0 {
		for _, c := range table {
			if c.name == args[0] {
				return c.run(ctx, e, args[1:])
			}
		}
	}
	w, status := e.stderr, exitUsage
	if len(args) > 0 && (args[0] == "--help" || args[0] == "-h") {
		w, status = e.stdout, exitGood
	}
	fmt.Fprintf(w, "Usage:\n")
	for _, c := range table {
		fmt.Fprintf(w, "  kentongan-centre %s %s %s\n      %s\n", name, c.name, c.args, c.short)
	}
	return status
}

// behindWord reads the flags behind the word that a command begins with; when it
// returns false the command is over, with that status.
func behindWord(e env, args []string, help string, flags func(stderr io.Writer) *flag.FlagSet) (f *flag.FlagSet, status int, ok bool) {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Fprint(e.stdout, help)
		return nil, exitGood, false
	}
	f = flags(e.stderr)
	switch err := f.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return nil, exitGood, false
	case err != nil:
		return nil, exitUsage, false
	}
	return f, exitGood, true
}

// words is a flag set that takes flags and other words in any order.
type words struct {
	*flag.FlagSet
	e    env
	data *string // nil for what works without a centre
}

func newWords(e env, name string) words {
	fs := flag.NewFlagSet("kentongan-centre "+name, flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	return words{fs, e, fs.String("data", "", "`directory` of the centre (required)")}
}

// parse reads the arguments; when it returns false the command is over, with that
// status. There must be least to most words; a most of -1 is no limit.
func (w words) parse(args []string, least, most int, what string) (given []string, status int, ok bool) {
	for {
		if err := w.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, exitGood, false
			}
			return nil, exitUsage, false
		}
		if args = w.Args(); len(args) == 0 {
			break
		}
		given, args = append(given, args[0]), args[1:]
	}
	if len(given) < least || most >= 0 && len(given) > most {
		return nil, w.wrong("write %s --data DIR %s", w.Name(), what), false
	}
	if w.data != nil && *w.data == "" {
		return nil, w.wrong("--data is missing: name the directory that the centre runs with"), false
	}
	return given, exitGood, true
}

func (w words) wrong(format string, args ...any) int {
	fmt.Fprintf(w.e.stderr, "%s: %s\n", w.Name(), fmt.Sprintf(format, args...))
	return exitUsage
}

func (w words) failed(err error) int {
	fmt.Fprintf(w.e.stderr, "%s: %v\n", w.Name(), err)
	return exitFailed
}

// openBook opens the authority and the book of a centre.
func openBook(data string) (*ca.Authority, *enrol.Book, error) {
	dir := enrol.Dir(data)
	if _, err := os.Stat(filepath.Join(dir, "root.pem")); errors.Is(err, os.ErrNotExist) {
		return nil, nil, ca.ErrNone
	}
	a, err := ca.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	b, err := enrol.OpenBook(dir, a)
	return a, b, err
}

// withBook runs do with a centre's book.
func (w words) withBook(do func(a *ca.Authority, b *enrol.Book) error) int {
	a, b, err := openBook(*w.data)
	if err != nil {
		return w.failed(err)
	}
	if err := errors.Join(do(a, b), b.Close()); err != nil {
		return w.failed(err)
	}
	return exitGood
}

// day is a time as a table shows it.
func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// who is the account that runs the command, for the book.
func who() string {
	for _, name := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if v := strings.TrimSpace(os.Getenv(name)); v != "" {
			return v
		}
	}
	return ""
}
