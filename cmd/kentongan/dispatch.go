package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"kentongan/agent/config"
)

const about = `kentongan watches the cameras and buttons of one place, keeps what they say on the
disk, and brings it to the command centre.`

const statuses = `Exit status: 0 good, 1 failed, 2 wrong use, 3 invalid configuration.`

// dispatch finds the command that args begin with and runs it.
func dispatch(ctx context.Context, e env, table []command, args []string) int {
	if len(args) == 0 {
		overview(e.stderr, table)
		return exitUsage
	}
	switch name := args[0]; name {
	case "help", "-h", "-help", "--help":
		return help(ctx, e, table, args[1:])
	case "--version", "-version":
		args[0] = "version"
	}
	for _, c := range table {
		if c.name == args[0] {
			return c.run(ctx, e, args[1:])
		}
	}
	return unknown(e, "kentongan", args[0], names(table))
}

func names(table []command) []string {
	all := []string{"help"}
	for _, c := range table {
		all = append(all, c.name)
	}
	return all
}

// help shows the overview, or what the named command says of itself.
func help(ctx context.Context, e env, table []command, args []string) int {
	if len(args) == 0 {
		overview(e.stdout, table)
		return exitGood
	}
	for _, c := range table {
		if c.name == args[0] {
			return c.run(ctx, e, append(args[1:], "--help"))
		}
	}
	return unknown(e, "kentongan", args[0], names(table))
}

func overview(w io.Writer, table []command) {
	fmt.Fprintf(w, "%s\n\nUsage: kentongan COMMAND\n\nCommands:\n", about)
	for _, c := range table {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.short)
	}
	fmt.Fprintf(w, `
'kentongan COMMAND --help' shows a command's options and examples.

Examples:
  kentongan config example kiosk > kiosk.yaml
  kentongan config check kiosk.yaml
  kentongan run --config kiosk.yaml

%s
`, statuses)
}

// unknown says that there is no such word, and which was meant.
func unknown(e env, before, word string, known []string) int {
	fmt.Fprintf(e.stderr, "%s: unknown command %q", before, word)
	if s := config.Suggest(word, known); s != "" {
		fmt.Fprintf(e.stderr, "; did you mean %s?\n", s)
	} else {
		fmt.Fprintf(e.stderr, "; there is %s\n", strings.Join(known, ", "))
	}
	fmt.Fprintf(e.stderr, "See '%s --help'.\n", before)
	return exitUsage
}

// options is one command's flags and its help.
type options struct {
	*flag.FlagSet
	usage string // the command line, then what it does, options, examples
}

// newOptions makes the options of the command that usage begins with, as
// "kentongan run [--config FILE]".
func newOptions(name, usage string) options {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // parse prints, in our form
	f.Usage = func() {}
	return options{f, usage}
}

// parse reads options and other words in any order, and sees to it that there
// are just as many words as the command takes; one in [] may be missing. When it returns false the
// command is over, with that status.
func (o options) parse(e env, args []string, words ...string) (given []string, status int, ok bool) {
	for {
		err := o.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(e.stdout, "Usage: %s\n\n%s\n", strings.TrimSpace(o.usage), statuses)
			return nil, exitGood, false
		}
		if err != nil {
			return nil, o.wrong(e, "%v%s", doubleDash(err), o.meant(err)), false
		}
		if args = o.Args(); len(args) == 0 {
			break
		}
		given, args = append(given, args[0]), args[1:]
	}
	if len(given) > len(words) {
		return nil, o.wrong(e, "unexpected %q", given[len(words)]), false
	}
	if len(given) < len(words) && !strings.HasPrefix(words[len(given)], "[") {
		return nil, o.wrong(e, "no %s", words[len(given)]), false
	}
	return given, exitGood, true
}

// wrong says what is wrong with the command line.
func (o options) wrong(e env, format string, args ...any) int {
	line, _, _ := strings.Cut(strings.TrimSpace(o.usage), "\n")
	fmt.Fprintf(e.stderr, "%s: %s\nUsage: %s\nSee '%s --help'.\n", o.Name(), fmt.Sprintf(format, args...), line, o.Name())
	return exitUsage
}

// meant is which option was meant by one that there is not.
func (o options) meant(err error) string {
	_, word, ok := strings.Cut(err.Error(), "flag provided but not defined: -")
	if !ok {
		return ""
	}
	var known []string
	o.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	if s := config.Suggest(word, known); s != "" {
		return "; did you mean --" + s + "?"
	}
	return ""
}

// doubleDash writes options in package flag's errors as we write them.
func doubleDash(err error) string {
	s := err.Error()
	for _, before := range []string{"not defined: ", "for flag ", "an argument: ", "value for "} {
		s = strings.ReplaceAll(s, before+"-", before+"--")
	}
	return strings.Replace(s, "flag provided but not defined", "no such option", 1)
}

// printJSON is what --json prints where it is one object.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
