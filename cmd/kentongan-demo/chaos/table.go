package main

import (
	"fmt"
	"strings"
)

// The rows stand in the document between these two lines.
const (
	tableBegin = "<!-- rows: go test ./cmd/kentongan-demo/chaos -update -->\n"
	tableEnd   = "<!-- end of rows -->\n"

	parsersBegin = "<!-- parsers: go test ./cmd/kentongan-demo/chaos -update -->\n"
	parsersEnd   = "<!-- end of parsers -->\n"
)

// rooms are the headings of the document, by the first part of a row's ID.
var rooms = []struct{ id, title string }{
	{"process", "Processes"}, {"disk", "Disk"}, {"time", "Time"}, {"network", "Network"}, {"broker", "Brokers and the centre"},
	{"camera", "Cameras"}, {"button", "Buttons and lamps"}, {"order", "Configuration, orders, updates"}, {"resource", "Resources"},
}

// table writes the rows as the document has them.
func table(rows []Row) string {
	var out strings.Builder
	for _, room := range rooms {
		fmt.Fprintf(&out, "\n## %s\n\n", room.title)
		out.WriteString("| row | fault | what holds | how it is injected | test | count, `make test` / `make chaos` | negative control: taken out | what tells of it |\n")
		out.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
		for _, r := range rows {
			if strings.HasPrefix(r.ID, room.id+"-") {
				out.WriteString(r.line())
			}
		}
	}
	return out.String() + "\n"
}

func (r *Row) line() string {
	var tests, outs []string
	for _, t := range r.Tests {
		tests = append(tests, "`"+t.command()+"`")
	}
	for _, c := range r.Controls {
		outs = append(outs, c.Out+" (`"+c.File+"`)")
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s / %s | %s | %s |\n", r.ID, r.Fault, r.Holds, r.How,
		strings.Join(tests, "<br>"), thousands(r.Quick), thousands(r.full()), strings.Join(outs, "<br>"), r.Event)
}

// thousands writes 1234567 as 1,234,567.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// put replaces what stands in a document between two lines.
func put(document, begin, end, rows string) (string, error) {
	head, rest, found := strings.Cut(document, begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", fmt.Errorf("the document has no lines %q and %q", begin, end)
	}
	return head + begin + rows + end + tail, nil
}
