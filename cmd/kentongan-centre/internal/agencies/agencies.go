// Package agencies reads the file that says which agency a device and a service
// belong to, and who of it may read on the broker.
//
//	default: diskominfo        # what nobody else has
//	agencies:
//	  - name: dinkes
//	    devices: [kiosk-7]
//	    services: [puskesmas, ambulans]
//	    operators: [ani, budi] # certificates dinkes.ani and dinkes.budi
//
// A loaded Map is not changed any more and may be read from any goroutine.
package agencies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"gopkg.in/yaml.v3"

	"kentongan/agent/report"
)

// Map is the file, read.
type Map struct {
	all      []Agency
	fallback string
	devices  map[string]string // device: agency
	services map[string]string // service code: agency
}

// Agency is one agency as the file has it.
type Agency struct {
	Name      string // as a device's id: one level of a topic
	Operators []string
}

// Reserved is the agency that can't be: its operators would have the names of
// the centre's own roles.
const Reserved = "kentongan"

// maxFile bounds the file: 10,000 devices are 200 kB.
const maxFile = 16 << 20

var (
	serviceCode  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	operatorName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$`)
)

// Load reads the file. An error names the file and the line, and what to write.
func Load(file string) (*Map, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read agencies: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read agencies: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", file, maxFile)
	}
	m, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	return m, nil
}

// at is a value and the line it stands in.
type at struct {
	text string
	line int
}

func (a *at) UnmarshalYAML(n *yaml.Node) error {
	a.line = n.Line
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a single name is expected here", n.Line)
	}
	a.text = n.Value
	return nil
}

type file struct {
	Default  at `yaml:"default"`
	Agencies []struct {
		Name      at   `yaml:"name"`
		Devices   []at `yaml:"devices"`
		Services  []at `yaml:"services"`
		Operators []at `yaml:"operators"`
	} `yaml:"agencies"`
}

// Parse reads the file's text. Its errors begin with the line, where there is one.
func Parse(text []byte) (*Map, error) {
	var in file
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf(" %w", err)
	}
	m := &Map{devices: map[string]string{}, services: map[string]string{}}
	lines := map[string]int{}
	for _, a := range in.Agencies {
		name := a.Name.text
		switch {
		case name == "":
			return nil, errors.New(" an agency has no name; write - name: dinkes")
		case !report.ValidDevice(name):
			return nil, fmt.Errorf("%d: agency %q: write 1 to 40 of a-z, 0-9 and hyphen", a.Name.line, name)
		case name == Reserved:
			return nil, fmt.Errorf("%d: agency %q: the name is the centre's own; take another", a.Name.line, name)
		case lines[name] != 0:
			return nil, fmt.Errorf("%d: agency %q: stands in line %d already; write it once", a.Name.line, name, lines[name])
		}
		lines[name] = a.Name.line
		one := Agency{Name: name}
		if err := own(m.devices, name, "device", a.Devices, report.ValidDevice, "1 to 40 of a-z, 0-9 and hyphen"); err != nil {
			return nil, err
		}
		if err := own(m.services, name, "service", a.Services, serviceCode.MatchString, "1 to 64 of letters, digits, dot, hyphen and underscore"); err != nil {
			return nil, err
		}
		seen := map[string]string{}
		if err := own(seen, name, "operator", a.Operators, operatorName.MatchString, "1 to 20 of a-z, 0-9 and hyphen; the certificate is "+name+".NAME"); err != nil {
			return nil, err
		}
		for _, o := range a.Operators {
			one.Operators = append(one.Operators, name+"."+o.text)
		}
		m.all = append(m.all, one)
	}
	if d := in.Default; d.text != "" {
		if lines[d.text] == 0 {
			return nil, fmt.Errorf("%d: default: there is no agency %q; write one of the names under agencies", d.line, d.text)
		}
		m.fallback = d.text
	}
	return m, nil
}

// own gives names to an agency; a name belongs to one.
func own(to map[string]string, agency, kind string, names []at, valid func(string) bool, want string) error {
	for _, n := range names {
		if !valid(n.text) {
			return fmt.Errorf("%d: %s %q: write %s", n.line, kind, n.text, want)
		}
		if other, ok := to[n.text]; ok {
			return fmt.Errorf("%d: %s %q: belongs to %s already; it can have one agency", n.line, kind, n.text, other)
		}
		to[n.text] = agency
	}
	return nil
}

// All are the agencies in the order of the file.
func (m *Map) All() []Agency { return m.all }

// OfDevice is the agency that a device belongs to; ok is false for one that
// belongs to none, where there is no default.
func (m *Map) OfDevice(device string) (agency string, ok bool) {
	if a, ok := m.devices[device]; ok {
		return a, true
	}
	return m.fallback, m.fallback != ""
}

// OfService is the agency that complaints of this service code go to; those of a
// service that none has go to the agency of their device.
func (m *Map) OfService(code string) (agency string, ok bool) {
	agency, ok = m.services[code]
	return agency, ok
}
