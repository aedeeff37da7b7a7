package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kentongan/agent/config"
)

var update = flag.Bool("update", false, "rewrite docs/reference/commands.md and the scripts' files")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kentongan": main})
}

// TestScripts runs the real main in each script of testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else every command ends a second late under -race
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "term": term, "reload": reload, "nosecret": nosecret, "unpack": unpack, "camera": startCamera},
	})
}

// status N PROGRAM ARGS... runs a program and wants exit status N.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM [ARGS...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// TestExamplesAreGood loads each example; that its files are there is for the
// board to say.
func TestExamplesAreGood(t *testing.T) {
	if got := strings.Join(exampleNames(), " "); got != "camera-gateway kiosk su" {
		t.Errorf("examples %s", got)
	}
	for _, name := range exampleNames()[:2] { // agent/kiosk/screen looks at the language
		text, err := examples.ReadFile(path.Join("examples", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := config.Parse(name+".yaml", text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if w := c.Warnings(); len(w) > 0 {
			t.Errorf("%s: warnings: %v", name, w)
		}
	}
}

// TestEveryCommandHasHelp asks each command for help: with the command line
// first, examples and exit statuses.
func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range commands {
		h := helpOf(t, c)
		for _, want := range []string{"Usage: kentongan " + c.name, "Examples:\n", "Exit status: 0 good"} {
			if !strings.Contains(h, want) {
				t.Errorf("help of %s has no %q:\n%s", c.name, want, h)
			}
		}
	}
}

// helpOf is a command's help as it prints it.
func helpOf(t *testing.T, c command) string {
	t.Helper()
	var out, bad strings.Builder
	if got := c.run(context.Background(), env{strings.NewReader(""), &out, &bad}, []string{"--help"}); got != exitGood || bad.Len() > 0 {
		t.Errorf("%s --help: status %d, on standard error %q", c.name, got, bad.String())
	}
	return out.String()
}

// TestReferencePage holds docs/reference/commands.md to what the program says.
func TestReferencePage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Commands\n\nWhat the program says of itself; `go test ./cmd/kentongan -update` writes this page again.\n\n```text\n")
	overview(&b, commands)
	b.WriteString("```\n")
	for _, c := range commands {
		b.WriteString("\n## " + c.name + "\n\n```text\n" + helpOf(t, c) + "```\n")
	}
	for _, c := range configCommands {
		b.WriteString("\n### config " + c.name + "\n\n```text\n" + helpOf(t, c) + "```\n")
	}
	for _, c := range testCommands {
		b.WriteString("\n### test " + c.name + "\n\n```text\n" + helpOf(t, c) + "```\n")
	}
	const file = "../../docs/reference/commands.md"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s is not what the program says; look at it and run go test ./cmd/kentongan -update", file)
	}
}
