package main

import (
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// manual is the page kentongan(1), made of the program's own help.
func manual(overview string, verbs []verb, at time.Time) string {
	var b strings.Builder
	head(&b, "KENTONGAN", 1, "kentongan", "agent for cameras and kiosks", at)
	b.WriteString(".SH SYNOPSIS\n.B kentongan\n.I COMMAND\n[\\fIoptions\\fR]\n")
	b.WriteString(".SH DESCRIPTION\n")
	about, rest, _ := strings.Cut(overview, "\nUsage:")
	b.WriteString(troff(about))
	_, rest, _ = strings.Cut(rest, "\n")
	asItIs(&b, rest)
	for _, v := range verbs {
		b.WriteString(".SH " + quoted("kentongan "+v.name) + "\n")
		asItIs(&b, v.help)
		for _, w := range v.words {
			if w.help != "" {
				b.WriteString(".SS " + quoted("kentongan "+v.name+" "+w.name) + "\n")
				asItIs(&b, w.help)
			}
		}
	}
	b.WriteString(`.SH FILES
.TP
.I /etc/kentongan/kentongan.yaml
the configuration; examples stand in
.I /etc/kentongan/examples
.TP
.I /var/lib/kentongan
what the agent keeps: presses, its identity
.TP
.I /var/lib/kentongan\-firmware
the versions; current is the one that runs
.SH SEE ALSO
.BR kentongan\-boot (8)
`)
	return b.String()
}

// bootManual is kentongan-boot(8).
func bootManual(launcher string, at time.Time) (string, error) {
	help, err := exec.Command(launcher, "help").Output()
	if err != nil {
		return "", fmt.Errorf("%s help: %w", launcher, err)
	}
	var b strings.Builder
	head(&b, "KENTONGAN-BOOT", 8, "kentongan-boot", "chooses which version of kentongan runs", at)
	b.WriteString(`.SH SYNOPSIS
.B /usr/lib/kentongan/kentongan\-boot
.I COMMAND
[\fIoptions\fR]
.SH DESCRIPTION
The launcher of
.BR kentongan (1).
It counts the starts of a version that is on trial, commits it when it is well,
and goes back to the version before when it is not. The units of the service
call it; by hand,
.B kentongan update
does what is needed.
.SH COMMANDS
`)
	_, commands, _ := strings.Cut(string(help), "\n\n")
	asItIs(&b, commands)
	b.WriteString(`.SH FILES
.TP
.I /var/lib/kentongan\-firmware
the versions; current is the one that runs
.TP
.I /usr/lib/kentongan/release
the version that the package brought
.SH SEE ALSO
.BR kentongan (1)
`)
	return b.String(), nil
}

func head(b *strings.Builder, title string, part int, name, does string, at time.Time) {
	fmt.Fprintf(b, ".TH %s %d %q \"\" \"Kentongan\"\n.SH NAME\n%s \\- %s\n", troff(title), part, at.Format(time.DateOnly), troff(name), troff(does))
}

// asItIs writes text whose lines must stay lines: the help is laid out by hand.
func asItIs(b *strings.Builder, text string) {
	b.WriteString(".nf\n")
	for line := range strings.Lines(strings.Trim(text, "\n") + "\n") {
		b.WriteString(troff(line))
	}
	b.WriteString(".fi\n")
}

func quoted(s string) string { return `"` + troff(s) + `"` }

// troff writes text so that troff takes nothing in it for its own.
func troff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "→", `\(->`, "–", `\(en`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "")
}
