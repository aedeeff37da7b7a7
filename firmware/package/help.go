package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// verb is a command of kentongan, as the program itself tells of it.
type verb struct {
	name, short string
	help        string // what --help prints
	words       []word // what can follow its name, as in `spool ls`
	options     []option
}

// word is a word after a command's name; help is "" where the command's own
// help tells of it.
type word struct {
	name, help string
	options    []option
}

type option struct {
	name, value, says string // --config, FILE, what it is; value "" takes none
}

// readHelp asks a program for its commands, and each of them for its help. The
// program's table of commands is the only place where they are named.
func readHelp(program string) (overview string, verbs []verb, err error) {
	ask := func(args ...string) (string, error) {
		out, err := exec.Command(program, append(args, "--help")...).Output()
		if err != nil {
			return "", fmt.Errorf("%s %s --help: %w", program, strings.Join(args, " "), err)
		}
		return string(out), nil
	}
	if overview, err = ask(); err != nil {
		return "", nil, err
	}
	for _, m := range commandLine.FindAllStringSubmatch(section(overview, "Commands:"), -1) {
		v := verb{name: m[1], short: m[2]}
		if v.help, err = ask(v.name); err != nil {
			return "", nil, err
		}
		v.options = readOptions(v.help)
		for _, name := range wordsOf(v.help, v.name) {
			w := word{name: name, options: v.options}
			help, err := ask(v.name, name)
			if err != nil {
				return "", nil, err
			}
			if strings.HasPrefix(help, "Usage: kentongan "+v.name+" "+name) && !strings.HasPrefix(help, "Usage: kentongan "+v.name+" "+name+"|") {
				w.help, w.options = help, readOptions(help)
			}
			v.words = append(v.words, w)
		}
		verbs = append(verbs, v)
	}
	if len(verbs) == 0 {
		return "", nil, fmt.Errorf("%s --help lists no commands", program)
	}
	return overview, verbs, nil
}

var (
	commandLine = regexp.MustCompile(`(?m)^  (\S+) +(\S.*)$`)
	optionLine  = regexp.MustCompile(`(?m)^  (--[a-z0-9-]+)(?: (\S+))? {2,}(\S.*)$`)
	plainWords  = regexp.MustCompile(`^[a-z][a-z-]*(\|[a-z][a-z-]*)*$`)
)

// section is what stands below a heading, up to the next empty line.
func section(text, heading string) string {
	_, after, _ := strings.Cut(text, "\n"+heading+"\n")
	below, _, _ := strings.Cut(after, "\n\n")
	return below + "\n"
}

func readOptions(help string) (all []option) {
	for _, m := range optionLine.FindAllStringSubmatch(section(help, "Options:"), -1) {
		all = append(all, option{m[1], m[2], m[3]})
	}
	return all
}

// wordsOf reads the words out of a line such as
//
//	Usage: kentongan spool ls|dump|verify|export DIR
//	Usage: kentongan config check FILE | show FILE | example NAME
func wordsOf(help, name string) (all []string) {
	line, _, _ := strings.Cut(help, "\n")
	line, ok := strings.CutPrefix(line, "Usage: kentongan "+name+" ")
	if !ok {
		return nil
	}
	for alternative := range strings.SplitSeq(line, " | ") {
		first, _, _ := strings.Cut(alternative, " ")
		if plainWords.MatchString(first) {
			all = append(all, strings.Split(first, "|")...)
		}
	}
	return all
}
