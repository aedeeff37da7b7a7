package main

import (
	"fmt"
	"slices"
	"strings"
)

// Row is one fault of the matrix.
type Row struct {
	ID    string // room and number: disk-3
	Fault string // what goes wrong
	Holds string // what is promised then
	How   string // how it is injected
	Event string // what tells of it
	Tests []Test // all must pass

	// Quick is how many injections `make test` makes at the least, Full how many
	// `make chaos` does; 0 is as many as Quick. A test says its own number with
	// t.Attr("injections", n); one that does not counts as many as it has
	// subtests, or 1.
	Quick, Full int

	Controls []Control
}

// Test is a test by its package, below the root of the module, and its name.
type Test struct {
	Package string
	Name    string // Test, or Test/Subtest
}

// top is the name of the test without its subtest.
func (t Test) top() string {
	name, _, _ := strings.Cut(t.Name, "/")
	return name
}

// command is what a person types to run it.
func (t Test) command() string {
	return "go test -run '" + t.pattern() + "' ./" + t.Package
}

// pattern is the test's name as go test's -run wants it.
func (t Test) pattern() string {
	parts := strings.Split(strings.ReplaceAll(t.Name, " ", "_"), "/")
	for i, p := range parts {
		parts[i] = "^" + p + "$"
	}
	return strings.Join(parts, "/")
}

// Control takes a protection out of the program: the test must fail then, and
// say what it says when the promise is broken.
type Control struct {
	Out  string // what is taken out, in words
	File string // below the root of the module
	Old  string // stands there once
	New  string
	Test string // of the row's tests; "" is the first
	Says string // regular expression that the failing test's output matches
}

// matrix is all rows, in the order of the document.
func matrix() []Row {
	return slices.Concat(processRows, diskRows, timeRows, networkRows, brokerRows, cameraRows, buttonRows, orderRows, resourceRows)
}

// test finds the test that a control runs.
func (r *Row) test(c Control) Test {
	for _, t := range r.Tests {
		if t.Name == c.Test {
			return t
		}
	}
	return r.Tests[0]
}

// full is how many injections the long run makes at the least.
func (r *Row) full() int { return max(r.Quick, r.Full) }

// check tells what a row lacks.
func (r *Row) check() error {
	for name, cell := range map[string]string{"ID": r.ID, "Fault": r.Fault, "Holds": r.Holds, "How": r.How, "Event": r.Event} {
		if strings.TrimSpace(cell) == "" || strings.ContainsAny(cell, "|\n") {
			return fmt.Errorf("row %s: %s is %q", r.ID, name, cell)
		}
	}
	if len(r.Tests) == 0 || len(r.Controls) == 0 || r.Quick <= 0 {
		return fmt.Errorf("row %s: %d tests, %d controls, %d injections", r.ID, len(r.Tests), len(r.Controls), r.Quick)
	}
	for _, c := range r.Controls {
		if c.Out == "" || c.Says == "" || c.Old == c.New || strings.ContainsAny(c.Out, "|\n") {
			return fmt.Errorf("row %s: control %q of %s is not whole", r.ID, c.Out, c.File)
		}
		if c.Test != "" && r.test(c).Name != c.Test {
			return fmt.Errorf("row %s: control %q runs %s, which is not among its tests", r.ID, c.Out, c.Test)
		}
	}
	return nil
}
