package main

import (
	"fmt"
	"strings"
)

// takesFile tells whether an option's value is the name of a file.
func (o option) takesFile() bool {
	return strings.HasSuffix(o.value, "FILE") || strings.HasSuffix(o.value, "DIR") || o.value == "WHAT"
}

// after are the options that can stand after a command and its word.
func (v verb) after() (all []option) {
	seen := map[string]bool{}
	add := func(more []option) {
		for _, o := range more {
			if !seen[o.name] {
				seen[o.name] = true
				all = append(all, o)
			}
		}
	}
	add(v.options)
	for _, w := range v.words {
		add(w.options)
	}
	return all
}

func wordNames(v verb) (all []string) {
	for _, w := range v.words {
		all = append(all, w.name)
	}
	return all
}

// bashCompletion completes commands, their words and options, and files.
func bashCompletion(verbs []verb) string {
	var names []string
	var cases strings.Builder
	for _, v := range verbs {
		names = append(names, v.name)
		var options []string
		for _, o := range v.after() {
			options = append(options, o.name)
		}
		fmt.Fprintf(&cases, "\t%s) words=%q options=%q ;;\n", v.name, strings.Join(wordNames(v), " "), strings.Join(append(options, "--help"), " "))
	}
	return fmt.Sprintf(`# bash completion for kentongan; made from the program's own help
_kentongan() {
	local cur=${COMP_WORDS[COMP_CWORD]} words="" options=""
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "%s help" -- "$cur")
		return
	fi
	case ${COMP_WORDS[1]} in
	help) words="%s" ;;
%s	esac
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
	elif [ "$COMP_CWORD" -eq 2 ] && [ -n "$words" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}
complete -F _kentongan kentongan
`, strings.Join(names, " "), strings.Join(names, " "), cases.String())
}

// zshCompletion is the same for zsh, with what each one does.
func zshCompletion(verbs []verb) string {
	var b strings.Builder
	b.WriteString("#compdef kentongan\n# made from the program's own help\nlocal -a commands words_here\ncommands=(\n")
	for _, v := range verbs {
		fmt.Fprintf(&b, "\t%s\n", zshQuoted(v.name+":"+v.short))
	}
	b.WriteString("\t'help:Show what a command does.'\n)\nif (( CURRENT == 2 )); then\n\t_describe -t commands command commands\n\treturn\nfi\nlocal command=$words[2]\nshift words\n(( CURRENT-- ))\ncase $command in\n")
	for _, v := range verbs {
		fmt.Fprintf(&b, "%s)\n", v.name)
		if len(v.words) > 0 {
			fmt.Fprintf(&b, "\tif (( CURRENT == 2 )); then\n\t\twords_here=(%s)\n\t\tcompadd -a words_here\n\t\treturn\n\tfi\n", strings.Join(wordNames(v), " "))
		}
		b.WriteString("\t_arguments")
		for _, o := range v.after() {
			says := strings.NewReplacer("[", "(", "]", ")", ":", ";").Replace(o.says)
			spec := o.name + "[" + says + "]"
			if o.takesFile() {
				spec += ":" + o.value + ":_files"
			} else if o.value != "" {
				spec += ":" + o.value + ": "
			}
			b.WriteString(" \\\n\t\t" + zshQuoted(spec))
		}
		b.WriteString(" \\\n\t\t'--help[show what it does]' \\\n\t\t'*:file:_files'\n\t;;\n")
	}
	b.WriteString("help)\n\t_describe -t commands command commands\n\t;;\nesac\n")
	return b.String()
}

func zshQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// fishCompletion is the same for fish.
func fishCompletion(verbs []verb) string {
	var b strings.Builder
	b.WriteString("# fish completion for kentongan; made from the program's own help\n")
	var names []string
	for _, v := range verbs {
		fmt.Fprintf(&b, "complete -c kentongan -n __fish_use_subcommand -f -a %s -d %s\n", v.name, fishQuoted(v.short))
		names = append(names, v.name)
	}
	fmt.Fprintf(&b, "complete -c kentongan -n __fish_use_subcommand -f -a help -d 'Show what a command does.'\n")
	fmt.Fprintf(&b, "complete -c kentongan -n '__fish_seen_subcommand_from help' -f -a '%s'\n", strings.Join(names, " "))
	for _, v := range verbs {
		here := "-n '__fish_seen_subcommand_from " + v.name + "'"
		if words := strings.Join(wordNames(v), " "); words != "" {
			fmt.Fprintf(&b, "complete -c kentongan -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from %s' -f -a '%s'\n", v.name, words, words)
		}
		for _, o := range v.after() {
			how := ""
			if o.takesFile() {
				how = " -r -F"
			} else if o.value != "" {
				how = " -x"
			}
			fmt.Fprintf(&b, "complete -c kentongan %s -l %s%s -d %s\n", here, o.name[2:], how, fishQuoted(o.says))
		}
	}
	return b.String()
}

func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
