package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"kentongan/agent/report"
)

// asJSON is a YAML text as an editor sees it; ok is false where it is no YAML, or
// none that JSON can be.
func asJSON(text string) (out []byte, ok bool) {
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		return nil, false
	}
	out, err := json.Marshal(v)
	return out, err == nil
}

// TestSchema holds the schema to the parser, with two validators of different
// makers: it takes all that is good, and testdata/schema.golden names what of the
// bad it does not see.
func TestSchema(t *testing.T) {
	golden(t, "../../docs/reference/kentongan.schema.json", string(Schema()))
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("urn:kentongan:configuration", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("urn:kentongan:configuration")
	if err != nil {
		t.Fatal(err)
	}

	type document struct {
		name string
		good bool
		text string
	}
	var all []document
	for _, file := range []string{"testdata/full.yaml", "../../cmd/kentongan/examples/kiosk.yaml", "../../cmd/kentongan/examples/camera-gateway.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		full, err := Parse(file, text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, document{file, true, string(text)}, document{file + " as it is printed", true, full.String()})
	}
	for _, text := range goodRows {
		if _, err := Parse("x.yaml", []byte(least+text)); err != nil {
			t.Fatalf("%s is not good: %v", text, err)
		}
		all = append(all, document{text, true, least + text})
	}
	for _, row := range problemRows {
		all = append(all, document{row.name, false, least + row.text})
	}
	dir, blind := t.TempDir(), []string{}
	var ours []bool // by the file in dir
	for _, d := range all {
		text, ok := asJSON(d.text)
		if !ok {
			if d.good {
				t.Errorf("%s is no YAML", d.name)
			}
			continue
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		err = schema.Validate(v)
		switch {
		case d.good && err != nil:
			t.Errorf("%s is good, and the schema says: %v", d.name, err)
		case !d.good && err == nil:
			blind = append(blind, d.name)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.json", len(ours))), text, 0o600); err != nil {
			t.Fatal(err)
		}
		ours = append(ours, err == nil)
	}
	golden(t, "testdata/schema.golden", "# What is wrong and no schema sees.\n"+strings.Join(blind, "\n")+"\n")
	t.Logf("it sees %d of %d problems", len(problemRows)-len(blind), len(problemRows))

	file := filepath.Join(dir, "schema.json")
	if err := os.WriteFile(file, Schema(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("/usr/bin/python3", "-c", `
import glob, json, sys
from jsonschema import Draft202012Validator as V
schema = json.load(open(sys.argv[1]))
V.check_schema(schema)
v = V(schema)
for f in sorted(glob.glob(sys.argv[2] + "/[0-9]*.json")):
    print(int(v.is_valid(json.load(open(f)))))
`, file, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v; .ci/tools installs python3-jsonschema:\n%s", err, out)
	}
	theirs := strings.Fields(string(out))
	if len(theirs) != len(ours) {
		t.Fatalf("the second validator judged %d of %d", len(theirs), len(ours))
	}
	for i := range ours {
		if ours[i] != (theirs[i] == "1") {
			t.Errorf("the validators differ about document %d: %v, %s", i, ours[i], theirs[i])
		}
	}
}

// goodRows are ways to write that the parser takes, added to least.
var goodRows = []string{
	"site:\nstreams:\nlog:\n",
	"streams: [{name: 7, url: 'RTSP://h/', username: 12, password: 12345, password_file: ''}]\n",
	"streams: [{name: a, url: 'rtsp://u:p@h/x?y=z', silent_after: 1m30s}]\n",
	"streams: [{name: a, url: 'rtsp://h/', username: u, password_file: 'credential:gate'}]\n",
	"kiosk: {number: 7, self_test: off, buttons: [{name: road, chip: gpiochip0, line: 17, debounce: 0, hold: 0s, service_code: 007, category: y, label: {id: a, en: b}}]}\nboard: {driver: sim, socket: b}\n",
	"site: {name: 7, lat: -6, lon: 106.15}\nstats_every: 1.5s\nspool: {event: 64 MiB}\n",
	"apps: [{name: a, url: 'https://h/', expect_status: 200}]\n",
}

// TestPatternsAreTheReports: what the schema says of names is what they are.
func TestPatternsAreTheReports(t *testing.T) {
	for _, s := range []string{"a", "a-b", "a_b", "-a", "a-", "A", "", strings.Repeat("a", 40), strings.Repeat("a", 41), "a b", "ä"} {
		for pattern, valid := range map[string]func(string) bool{devicePattern: report.ValidDevice, namePattern: report.ValidName} {
			sch, err := compile(pattern)
			if err != nil {
				t.Fatal(err)
			}
			if got := sch.Validate(s) == nil; got != valid(s) {
				t.Errorf("%s: %q matches: %v", pattern, s, got)
			}
		}
	}
}

func compile(pattern string) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	if err := c.AddResource("urn:x", map[string]any{"pattern": pattern}); err != nil {
		return nil, err
	}
	return c.Compile("urn:x")
}
