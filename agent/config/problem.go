package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
)

// maxProblems is how many problems are listed; the last line counts the rest.
const maxProblems = 100

// Problem is one thing that is wrong, and where. It prints as
// FILE:LINE:COLUMN: PATH: TEXT, without the parts that are empty.
type Problem struct {
	File   string
	Line   int    // from 1; 0 when it is about the file as a whole
	Column int    // from 1, in characters
	Path   string // of the value, as streams[2].url; "" when it is about the text
	Text   string // what is wrong; what to do
	Err    error  // the cause that the system gave, or nil
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Unwrap returns the cause that the system gave.
func (p Problem) Unwrap() error { return p.Err }

// Problems is all that is wrong with a file, in the order of the lines.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems one by one.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// sorted puts the problems in order and cuts a very long list.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if len(ps) > maxProblems {
		rest := ps[maxProblems]
		rest.Path, rest.Text = "", fmt.Sprintf("and %d more problems from here on; mend those above first", len(ps)-maxProblems)
		ps = append(ps[:maxProblems:maxProblems], rest)
	}
	return ps
}

// err returns the sorted problems as an error; nil when there are none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps.sorted()
}

// mark is a place in the file.
type mark struct{ line, column int }

// plainError says in words for people what the system said.
type plainError struct {
	text string
	err  error
}

func (e plainError) Error() string { return e.text }
func (e plainError) Unwrap() error { return e.err }

func wrapPlain(err error) error { return plainError{plain(err), err} }

// plain says what the system's error means, without the path, which the caller
// has said already.
func plain(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.Is(err, fs.ErrPermission):
		return "not readable for this user; check its owner and mode"
	case errors.Is(err, syscall.ENOTDIR):
		return "no such file: part of its path is not a directory"
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
