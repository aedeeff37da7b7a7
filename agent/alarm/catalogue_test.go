package alarm

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
)

var update = flag.Bool("update", false, "rewrite the catalogue's table in the docs")

const (
	page      = "../../docs/explanation/alarms.md"
	pageStart = "<!-- catalogue -->\n"
	pageEnd   = "<!-- end -->\n"
)

// TestCataloguePage holds the table in docs/explanation/alarms.md to the Go one.
func TestCataloguePage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), pageStart)
	_, after, ended := strings.Cut(rest, pageEnd)
	if !found || !ended {
		t.Fatalf("%s has no %q and %q", page, pageStart, pageEnd)
	}
	want := before + pageStart + catalogueTable() + pageEnd + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("%s differs from the catalogue; run go test ./agent/alarm -update", page)
	}
}

func catalogueTable() string {
	var b strings.Builder
	b.WriteString("| source | condition | severity | raise, clear | what it is | what to do | hides |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, c := range Catalogue() {
		hides := strings.Join(c.Hides, ", ")
		switch {
		case hides == "*":
			hides = "all others"
		case c.Kind == Grp:
			hides = "its members"
		case hides == "":
			hides = "–"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %v, %v | %s *%s* | %s *%s* | %s |\n",
			c.Kind, c.Name, c.Severity, c.Raise, c.Clear, c.Text.ID, c.Text.EN, c.Action.ID, c.Action.EN, hides)
	}
	return b.String()
}

func TestCatalogueIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Catalogue() {
		name := string(c.Kind) + " " + c.Name
		if seen[name] {
			t.Errorf("%s stands twice", name)
		}
		seen[name] = true
		for _, text := range []string{c.Text.ID, c.Text.EN, c.Action.ID, c.Action.EN} {
			if len(text) < 8 || len(text) > 160 {
				t.Errorf("%s: text %q", name, text)
			}
		}
		if !slices.Contains(report.Severities(), c.Severity) || c.Raise < 0 || c.Raise > 10*time.Minute || c.Clear > 10*time.Minute {
			t.Errorf("%s: %s, raise %v, clear %v", name, c.Severity, c.Raise, c.Clear)
		}
		for _, h := range c.Hides {
			if h != "*" && lookup(c.Kind, h) == nil {
				t.Errorf("%s hides %q, which is no condition of a %s", name, h, c.Kind)
			}
		}
		for _, h := range c.Hides { // two that hide each other would hide both
			if o := lookup(c.Kind, h); o != nil && o.hides(c.Name) {
				t.Errorf("%s and %s hide each other", name, h)
			}
		}
	}
	for _, kind := range []string{GroupAddress, GroupSwitch, GroupPoE, GroupSite, GroupApps} {
		if g := (&Group{Kind: kind}); lookup(Grp, g.condition()) == nil {
			t.Errorf("no row for a group of kind %s", kind)
		}
	}
}

// A record of the largest alarm has to fit.
func TestLargestAlarmFitsARecord(t *testing.T) {
	var all []string
	for i := range 500 {
		all = append(all, fmt.Sprintf("stream/%s-%03d", strings.Repeat("x", 36), i))
	}
	p := newPlay(t, all, Group{Name: "g", Kind: GroupSite, Label: strings.Repeat("é", 40), Members: all})
	for _, s := range all {
		p.find(s, "down", true)
	}
	p.pass(6 * time.Second)
	a := p.said[0]
	if a.Hidden != 500 || len(a.Hides) != report.MaxHides {
		t.Errorf("hides %d, names %d", a.Hidden, len(a.Hides))
	}
	r, err := report.NewRecord("kiosk-7", report.Event, 1, 1, report.Hash{}, report.Stamp{Time: began}, report.KindAlarm, a)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := r.Encode(); err != nil || len(line) > report.MaxRecordBytes {
		t.Errorf("%d bytes: %v", len(line), err)
	}
}
