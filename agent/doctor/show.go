package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"kentongan/agent/report"
)

// Lang is a language of the findings.
type Lang string

// Languages.
const (
	Indonesian Lang = "id"
	English    Lang = "en"
)

// Of is the text in this language.
func (l Lang) Of(t report.Text) string {
	if l == English {
		return t.EN
	}
	return t.ID
}

var marks = map[State]string{OK: "✓", Warn: "!", Fail: "✗", Skipped: "–"}

// colours are of a terminal (ECMA-48, SGR).
var colours = map[State]string{OK: "\x1b[32m", Warn: "\x1b[33m", Fail: "\x1b[31m", Skipped: "\x1b[2m"}

// Widths in characters: a phone held upright shows 56.
const (
	width      = 56
	titleWidth = 14
)

// Show writes findings for people.
type Show struct {
	W       io.Writer
	Lang    Lang
	Colours bool
}

// Finding writes one.
func (s Show) Finding(f Finding) {
	mark, title := marks[f.State], s.Lang.Of(f.Title)
	if s.Colours {
		mark = colours[f.State] + mark + "\x1b[0m"
	}
	seen := wrap(s.Lang.Of(f.Seen), width-4)
	if n := utf8.RuneCountInString(title); n <= titleWidth && len(seen) == 1 && utf8.RuneCountInString(seen[0]) <= width-titleWidth-3 {
		fmt.Fprintf(s.W, "%s %s%s %s\n", mark, title, strings.Repeat(" ", titleWidth-n), seen[0])
	} else {
		fmt.Fprintf(s.W, "%s %s\n", mark, title)
		for _, line := range seen {
			fmt.Fprintf(s.W, "    %s\n", line)
		}
	}
	for i, line := range wrap(s.Lang.Of(f.Next), width-6) {
		fmt.Fprintf(s.W, "    %s %s\n", [...]string{"→", " "}[min(i, 1)], line)
	}
}

// Summary says how many are not well, and which is to be mended first.
func (s Show) Summary(c Count) {
	if s.Lang == English {
		fmt.Fprintf(s.W, "\n%d failed, %d to look at, %d not checked, %d good.\n", c.Failed, c.Warned, c.Skipped, c.Good)
	} else {
		fmt.Fprintf(s.W, "\n%d gagal, %d perhatian, %d tidak diperiksa, %d baik.\n", c.Failed, c.Warned, c.Skipped, c.Good)
	}
	if f := c.First; f.Cause != "" {
		fmt.Fprintf(s.W, "%s: %s (%s)\n", s.Lang.Of(report.Text{ID: "Perbaiki dahulu", EN: "Mend first"}), s.Lang.Of(f.Title), f.Cause)
	}
}

// Count sums findings up.
type Count struct {
	Good, Warned, Failed, Skipped int
	First                         Finding // the first that failed; without one, the first warning
}

// Total is how many were added.
func (c *Count) Total() int { return c.Good + c.Warned + c.Failed + c.Skipped }

// Add takes one in.
func (c *Count) Add(f Finding) {
	switch f.State {
	case OK:
		c.Good++
	case Warn:
		c.Warned++
		if c.Failed == 0 && c.First.Cause == "" {
			c.First = f
		}
	case Fail:
		c.Failed++
		if c.First.State != Fail {
			c.First = f
		}
	case Skipped:
		c.Skipped++
	}
}

// wrap breaks a text at spaces into lines of at most n characters; a longer
// word stands alone.
func wrap(text string, n int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= n:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
