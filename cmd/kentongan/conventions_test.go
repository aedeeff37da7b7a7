package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// everyCommand is each command that a person can type, with the words before it.
func everyCommand() map[string]command {
	all := map[string]command{}
	for _, c := range commands {
		all[c.name] = c
	}
	for group, table := range map[string][]command{"config": configCommands, "test": testCommands} {
		for _, c := range table {
			all[group+" "+c.name] = c
		}
	}
	return all
}

// said is what a command printed.
type said struct {
	status   int
	out, bad string
}

func try(c command, args ...string) said {
	var out, bad strings.Builder
	status := c.run(context.Background(), env{strings.NewReader(""), &out, &bad}, args)
	return said{status, out.String(), bad.String()}
}

// TestConventions holds every command to the conventions of clig.dev: help has a
// usage, a purpose, examples that name the command, and the exit statuses, on
// standard output and without escape codes; what is wrong goes to standard error,
// with status 2, and the word that was meant.
func TestConventions(t *testing.T) {
	for name, c := range everyCommand() {
		t.Run(name, func(t *testing.T) {
			help := try(c, "--help")
			if help.status != exitGood || help.bad != "" {
				t.Errorf("--help: status %d, on standard error %q", help.status, help.bad)
			}
			usage, after, _ := strings.Cut(help.out, "\n\n")
			if !strings.HasPrefix(usage, "Usage: kentongan "+name) {
				t.Errorf("usage is %q", usage)
			}
			if purpose, _, _ := strings.Cut(after, "\n"); len(strings.Fields(purpose)) < 3 {
				t.Errorf("no purpose after the usage: %q", purpose)
			}
			_, examples, ok := strings.Cut(help.out, "\nExamples:\n")
			if examples, _, _ = strings.Cut(examples, "\n\n"); !ok || !strings.Contains(examples, "kentongan "+name) {
				t.Errorf("no example of it: %q", examples)
			}
			if !strings.Contains(help.out, statuses) {
				t.Error("no exit statuses")
			}
			if c.short == "" || !strings.HasSuffix(c.short, ".") {
				t.Errorf("the overview says %q", c.short)
			}
			for line := range strings.Lines(help.out) {
				if n := len([]rune(strings.TrimSpace(line))); n > 100 && !strings.HasPrefix(line, "Usage:") && !strings.HasPrefix(line, "  kentongan ") {
					t.Errorf("a line of %d characters: %s", n, line)
				}
			}
			wrong := try(c, "--no-such-option")
			if wrong.status != exitUsage || wrong.out != "" || !strings.Contains(wrong.bad, "--no-such-option") || !strings.Contains(wrong.bad, "--help") {
				t.Errorf("an option that it has not: %+v", wrong)
			}
			for _, s := range []said{help, wrong} {
				if strings.Contains(s.out+s.bad, "\x1b") {
					t.Errorf("escape codes where there is no terminal: %q", s.out+s.bad)
				}
			}
		})
	}
}

// A slip of the finger is told with what was meant.
func TestSuggestions(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"docter"}, "did you mean doctor?"},
		{[]string{"config", "chek"}, "did you mean check?"},
		{[]string{"test", "camra"}, "did you mean camera?"},
		{[]string{"help", "setpu"}, "did you mean setup?"},
		{[]string{"config", "example", "kiosc"}, "did you mean kiosk?"},
		{[]string{"doctor", "--jsn"}, "did you mean --json?"},
		{[]string{"test", "camera", "--confg", "x"}, "did you mean --config?"},
	} {
		var out, bad strings.Builder
		status := dispatch(context.Background(), env{strings.NewReader(""), &out, &bad}, commands, tt.args)
		if status != exitUsage || out.Len() > 0 || !strings.Contains(bad.String(), tt.want) {
			t.Errorf("%q: status %d, %q, %q; want %q on standard error", tt.args, status, out.String(), bad.String(), tt.want)
		}
	}
}

// What prints a table also prints JSON, an object a line or one in all, and nothing
// else on standard output.
func TestTablesAreJSONToo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "k.yaml")
	text := "device: kiosk-7\ndata: data\nuplink: {acknowledge: broker, brokers: [{url: \"mqtt://127.0.0.1:9\"}]}\nboard: {driver: sim, socket: board.sock}\nlines: [{name: door, kind: door, line: GPIO6}]\nwatchdog: {device: /dev/watchdog0}\n"
	other := strings.Replace(text, "GPIO6", "GPIO7", 1)
	for f, s := range map[string]string{file: text, file + ".other": other} {
		if err := os.WriteFile(f, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"version", "--json"},
		{"status", "--json"},
		{"doctor", "--json", "--config", file},
		{"config", "diff", "--json", file, file + ".other"},
		{"test", "watchdog", "--json", "--config", file},
		{"test", "broker", "--json", "--config", file},
		{"test", "button", "--json", "--for", "1s", "--config", file},
	} {
		var out, bad strings.Builder
		dispatch(context.Background(), env{strings.NewReader(""), &out, &bad}, commands, args)
		dec, n := json.NewDecoder(strings.NewReader(out.String())), 0
		for ; dec.More(); n++ {
			var v any
			if err := dec.Decode(&v); err != nil {
				t.Errorf("%q: %v in %s", args, err, out.String())
				break
			}
		}
		if n == 0 {
			t.Errorf("%q prints no JSON: %q, on standard error %q", args, out.String(), bad.String())
		}
	}
	for name, c := range everyCommand() {
		help := try(c, "--help").out
		if strings.Contains(help, " table") && !strings.Contains(help, "--json") && name != "config" {
			t.Errorf("%s speaks of a table and has no --json", name)
		}
	}
}

// NO_COLOR is heeded, and so is TERM=dumb (no-color.org).
func TestNoColour(t *testing.T) {
	for _, name := range []string{"NO_COLOR", "TERM"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", "xterm")
			t.Setenv(name, map[string]string{"NO_COLOR": "1", "TERM": "dumb"}[name])
			if colourful(env{stdout: os.Stdout}) {
				t.Error("colours")
			}
		})
	}
}
