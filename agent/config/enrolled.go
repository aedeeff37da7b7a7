package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Enrolled is what an enrolment says of the configuration.
type Enrolled struct {
	Device    string
	Data      string // written into a new file only
	Brokers   []Broker
	CentreKey string
	TPM       string // "" leaves what the file says
}

// ErrByHand is a file that can't be changed without touching more of it than the
// enrolment says. Part is what to write into it.
type ErrByHand struct {
	Why  string
	Part string
}

func (e ErrByHand) Error() string {
	return e.Why + "; write this into it yourself:\n" + e.Part
}

// WithEnrolment returns the text of a configuration with what an enrolment says:
// device, uplink.brokers, uplink.centre_key, uplink.tpm. All other lines, comments too,
// stay as they are. Without a text it makes one.
func WithEnrolment(file string, text []byte, e Enrolled) ([]byte, error) {
	if len(text) == 0 {
		head := "# Written by kentongan enrol. 'kentongan config example' shows what else can stand here.\n# Ditulis oleh kentongan enrol.\ndevice: " + e.Device + "\n"
		if e.Data != "" {
			head += "data: " + quote(e.Data) + "\n"
		}
		return checked(file, []byte(head+"\nuplink:\n"+e.uplink("  ")), e)
	}
	if _, err := Parse(file, text); err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err // Parse has read it
	}
	ed := editor{lines: strings.SplitAfter(strings.TrimSuffix(string(text), "\n")+"\n", "\n")}
	ed.lines = ed.lines[:len(ed.lines)-1]
	root := doc.Content[0]
	if root.Style&yaml.FlowStyle != 0 {
		return nil, e.byHand(file)
	}
	up := child(root, "uplink") // a section, or Parse had refused it
	if up.Style&yaml.FlowStyle != 0 {
		return nil, e.byHand(file)
	}
	indent := strings.Repeat(" ", up.Content[0].Column-1)
	end := ed.end(root, "uplink", len(ed.lines))
	ed.set(up, "brokers", end, e.brokers(indent))
	ed.set(up, "centre_key", end, e.key(indent))
	if e.TPM != "" {
		ed.set(up, "tpm", end, e.tpm(indent))
	}
	ed.set(root, "device", len(ed.lines), "device: "+e.Device+"\n")
	return checked(file, []byte(ed.text()), e)
}

// checked sees that the new text says what it should.
func checked(file string, text []byte, e Enrolled) ([]byte, error) {
	c, err := Parse(file, text)
	if err != nil || c.Device != e.Device || c.Uplink.CentreKey != e.CentreKey || len(c.Uplink.Brokers) != len(e.Brokers) || e.TPM != "" && c.Uplink.TPM != e.TPM {
		return nil, errors.Join(e.byHand(file), err)
	}
	for i, b := range c.Uplink.Brokers {
		if b.URL != e.Brokers[i].URL || b.Cert != e.Brokers[i].Cert {
			return nil, e.byHand(file)
		}
	}
	return text, nil
}

func (e Enrolled) byHand(file string) error {
	return ErrByHand{show(file) + " is written in a way that is not changed by itself", "device: " + e.Device + "\nuplink:\n" + e.uplink("  ")}
}

func (e Enrolled) uplink(indent string) string {
	return e.brokers(indent) + e.key(indent) + e.tpm(indent)
}

func (e Enrolled) tpm(indent string) string {
	if e.TPM == "" {
		return ""
	}
	return indent + "tpm: " + quote(e.TPM) + "\n"
}

func (e Enrolled) key(indent string) string { return indent + "centre_key: " + e.CentreKey + "\n" }

func (e Enrolled) brokers(indent string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%sbrokers:\n", indent)
	for _, k := range e.Brokers {
		fmt.Fprintf(&b, "%s  - url: %s\n", indent, k.URL)
		for _, f := range [][2]string{{"ca", k.CA}, {"cert", k.Cert}, {"key", k.Key}, {"server_name", k.ServerName}} {
			if f[1] != "" {
				fmt.Fprintf(&b, "%s    %s: %s\n", indent, f[0], quote(f[1]))
			}
		}
	}
	return b.String()
}

// quote writes a text as YAML reads it back.
func quote(s string) string {
	out, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSpace(string(out))
}

func child(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// editor changes whole lines of a text. Places are line numbers of the text as it
// was, from 1.
type editor struct {
	lines []string // each with its line end
	edits []edit
}

type edit struct {
	from, to int // lines; nothing is taken when to is before from
	text     string
}

// end is the last line of a key's value in m, whose own last line is most.
func (ed *editor) end(m *yaml.Node, key string, most int) int {
	to := most
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value != key {
			continue
		}
		if i+2 < len(m.Content) {
			to = m.Content[i+2].Line - 1
		}
		// Comments above the next key belong to it.
		for to > m.Content[i].Line && blank(ed.lines[to-1]) {
			to--
		}
	}
	return to
}

func blank(line string) bool {
	s := strings.TrimSpace(line)
	return s == "" || s[0] == '#'
}

// set puts lines in the place of a key and its value, or behind the last line of
// the mapping.
func (ed *editor) set(m *yaml.Node, key string, most int, text string) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if k := m.Content[i]; k.Value == key {
			if c := m.Content[i+1].LineComment; c != "" && strings.Count(text, "\n") == 1 {
				text = strings.TrimSuffix(text, "\n") + "  " + c + "\n"
			}
			ed.edits = append(ed.edits, edit{k.Line, ed.end(m, key, most), text})
			return
		}
	}
	ed.add(most, text)
}

// add puts lines behind a line.
func (ed *editor) add(after int, text string) {
	ed.edits = append(ed.edits, edit{after + 1, after, text})
}

// text makes the edits, the last lines first so that the places stay.
func (ed *editor) text() string {
	slices.SortStableFunc(ed.edits, func(a, b edit) int { return b.from - a.from })
	lines := ed.lines
	for _, e := range ed.edits {
		lines = slices.Replace(lines, e.from-1, max(e.to, e.from-1), e.text)
	}
	return strings.Join(lines, "")
}
