package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"kentongan/agent"
	"kentongan/agent/config"
)

//go:embed examples
var examples embed.FS

var configCommands = []command{
	{"check", "FILE", "Name all that is wrong with a configuration.", runConfigCheck},
	{"show", "[--effective] [--redact=true|false] FILE", "Print a configuration with its defaults, without passwords.", runConfigShow},
	{"diff", "[--json] FILE [OTHER]", "Say in what two configurations differ.", runConfigDiff},
	{"schema", "", "Print the JSON Schema for editors.", runConfigSchema},
	{"example", "NAME", "Print a commented example.", runConfigExample},
}

const configUsage = `kentongan config check FILE | show FILE | diff FILE [OTHER] | schema | example NAME

  check     Name all that is wrong with a configuration.
  show      Print it with its defaults filled in, without passwords.
  diff      Say in what two differ, or one from what the agent runs with.
  schema    Print the JSON Schema, for editors that complete and check.
  example   Print a commented example: camera-gateway or kiosk; or a language: su.

Examples:
  kentongan config example kiosk > kiosk.yaml
  kentongan config check kiosk.yaml`

func runConfig(ctx context.Context, e env, args []string) int {
	o := newOptions("kentongan config", configUsage)
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		for _, c := range configCommands {
			if c.name == args[0] {
				return c.run(ctx, e, args[1:])
			}
		}
		return unknown(e, o.Name(), args[0], names(configCommands)[1:])
	}
	_, status, _ := o.parse(e, args, "subcommand")
	return status
}

const configCheckUsage = `kentongan config check FILE

Reads FILE and looks at the files that it names. Everything that is wrong goes
to standard error, one line each:

  FILE:LINE:COLUMN: VALUE: what is wrong; what to do

A good file is summed up in one line on standard output, and what is allowed
but seldom meant goes to standard error as a warning. Nothing is connected to
and nothing is changed.

Examples:
  kentongan config check /etc/kentongan/kentongan.yaml`

func runConfigCheck(_ context.Context, e env, args []string) int {
	o := newOptions("kentongan config check", configCheckUsage)
	words, status, ok := o.parse(e, args, "FILE")
	if !ok {
		return status
	}
	cfg, ok := loadConfig(e, words[0])
	if !ok {
		return exitConfig
	}
	for _, w := range cfg.Warnings() {
		w.Text = "warning: " + w.Text
		fmt.Fprintln(e.stderr, w)
	}
	fmt.Fprintf(e.stdout, "%s: good: %s\n", words[0], cfg.Summary())
	return exitGood
}

// loadConfig reads a configuration and looks at the files in it. It prints
// what is wrong.
func loadConfig(e env, file string) (*config.Config, bool) {
	cfg, err := config.Check(file)
	if err != nil {
		fmt.Fprintln(e.stderr, err)
		return nil, false
	}
	if err := agent.CheckLanguages(cfg); err != nil {
		fmt.Fprintln(e.stderr, err)
		return nil, false
	}
	return cfg, true
}

const configShowUsage = `kentongan config show [--effective] [--redact=true|false] FILE

Prints the configuration as the agent understands it: with its defaults filled
in and paths resolved. Passwords and other secrets are shown as xxxxx, always.

Options:
  --effective  what counts on this device: the centre's configuration, where it
               ordered one in the place of FILE, and behind each value the line
               that it comes from, or that it is a default
  --redact     hide user names and what stands behind the ? of a URL as well: for
               who sends it to somebody (default on a terminal)

Examples:
  kentongan config show /etc/kentongan/kentongan.yaml
  kentongan config show --effective --redact=false /etc/kentongan/kentongan.yaml`

func runConfigShow(_ context.Context, e env, args []string) int {
	o := newOptions("kentongan config show", configShowUsage)
	effective := o.Bool("effective", false, "")
	redact := o.Bool("redact", terminal(e.stdout), "")
	words, status, ok := o.parse(e, args, "FILE")
	if !ok {
		return status
	}
	cfg, err := config.Load(words[0])
	if err != nil {
		fmt.Fprintln(e.stderr, err)
		return exitConfig
	}
	if *effective {
		var version uint64
		if cfg, version, err = agent.OrderedNow(cfg); err != nil {
			fmt.Fprintf(e.stderr, "kentongan config show: what the centre ordered is not known: %v\n", err)
		}
		fmt.Fprintf(e.stdout, "# %s\n", words[0])
		if version > 0 {
			fmt.Fprintf(e.stdout, "# The centre ordered version %d in its place; lines are those of the order.\n", version)
		}
	}
	fmt.Fprint(e.stdout, cfg.Print(config.PrintOptions{Origins: *effective, Redact: *redact}))
	return exitGood
}

const configSchemaUsage = `kentongan config schema

Prints the JSON Schema (draft 2020-12) of the configuration. An editor with the
YAML language server (VS Code's YAML extension, Neovim, Emacs, Kate) completes keys,
shows what they mean and underlines what is wrong, when the file's first line is

  # yaml-language-server: $schema=kentongan.schema.json

What no schema can see, as values that don't go together, 'config check' finds.

Examples:
  kentongan config schema > kentongan.schema.json`

func runConfigSchema(_ context.Context, e env, args []string) int {
	o := newOptions("kentongan config schema", configSchemaUsage)
	if _, status, ok := o.parse(e, args); !ok {
		return status
	}
	if _, err := e.stdout.Write(config.Schema()); err != nil {
		fmt.Fprintf(e.stderr, "kentongan config schema: %v\n", err)
		return exitFailed
	}
	return exitGood
}

const configExampleUsage = `kentongan config example NAME

Prints a commented configuration to begin with:

  camera-gateway   two cameras, two links to the centre, no buttons
  kiosk            three buttons, three lamps, one camera
  su               Sundanese for a kiosk's screen, to be changed or translated

Until the files that it names are there and centre_key is your centre's own,
'config check' names them. 'run' refuses the example's key, and starts without
the files: what needs them fails.

Examples:
  kentongan config example kiosk > kiosk.yaml
  kentongan config example su > languages/su.json`

func runConfigExample(_ context.Context, e env, args []string) int {
	o := newOptions("kentongan config example", configExampleUsage)
	words, status, ok := o.parse(e, args, "NAME")
	if !ok {
		return status
	}
	text, err := readExample(words[0])
	if err != nil {
		what := "there is " + strings.Join(exampleNames(), ", ")
		if s := config.Suggest(words[0], exampleNames()); s != "" {
			what = "did you mean " + s + "?"
		}
		return o.wrong(e, "no example %q; %s", words[0], what)
	}
	if _, err := e.stdout.Write(text); err != nil {
		fmt.Fprintf(e.stderr, "kentongan config example: %v\n", err)
		return exitFailed
	}
	return exitGood
}

// exampleFiles are the names of the examples' files.
func exampleFiles() (files []string) {
	list, err := fs.ReadDir(examples, "examples")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, f := range list {
		files = append(files, f.Name())
	}
	return files
}

func readExample(name string) ([]byte, error) {
	for _, f := range exampleFiles() {
		if exampleName(f) == name {
			return examples.ReadFile("examples/" + f)
		}
	}
	return nil, fs.ErrNotExist
}

func exampleName(file string) string { return strings.TrimSuffix(file, path.Ext(file)) }

func exampleNames() (names []string) {
	for _, f := range exampleFiles() {
		names = append(names, exampleName(f))
	}
	return names
}
