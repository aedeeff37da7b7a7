package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is CycloneDX's own, which comes with its library.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "schema")
	c := jsonschema.NewCompiler()
	for url, name := range map[string]string{
		"http://cyclonedx.org/schema/bom-1.6.schema.json":  "bom-1.6.schema.json",
		"http://cyclonedx.org/schema/spdx.schema.json":     "spdx.schema.json",
		"http://cyclonedx.org/schema/jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(url, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

// TestBill holds the list of what is in the programs against CycloneDX's schema,
// and against what the programs say.
func TestBill(t *testing.T) {
	all := []string{program(t, "kentongan"), program(t, "kentongan-boot")}
	text, err := bill("../..", "v1", time.Unix(1790000000, 0), all)
	if err != nil {
		t.Fatal(err)
	}
	s := schema(t)
	if err := validate(t, s, text); err != nil {
		t.Errorf("not as the schema wants it: %v", err)
	}
	if err := validate(t, s, bytes.Replace(text, []byte(`"id": "MIT"`), []byte(`"id": "NONE SUCH"`), 1)); err == nil {
		t.Error("the schema takes a licence that does not exist")
	}
	again, err := bill("../..", "v1", time.Unix(1790000000, 0), all)
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("made again, it has other bytes (%v)", err)
	}
	var b struct {
		Components []struct {
			Name, Version, Type, PURL string
			Licenses                  []map[string]any
			Hashes                    []struct{ Alg, Content string }
		}
		Dependencies []struct {
			Ref       string
			DependsOn []string
		}
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, c := range b.Components {
		listed[c.Name+"@"+c.Version] = true
		if c.Type == "library" && (len(c.Licenses) == 0 || c.PURL != "pkg:golang/"+c.Name+"@"+strings.ReplaceAll(c.Version, "+", "%2B")) {
			t.Errorf("%s: licences %v, purl %q", c.Name, c.Licenses, c.PURL)
		}
	}
	// What `go version -m` says of the program is all in it.
	deps := 0
	for line := range strings.Lines(shell(t, "go", append([]string{"version", "-m"}, all...)...)) {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "dep" {
			deps++
			if !listed[f[1]+"@"+f[2]] {
				t.Errorf("%s %s is in a program and not in the list", f[1], f[2])
			}
		}
	}
	if deps < 10 || !slices.ContainsFunc(b.Components, func(c struct {
		Name, Version, Type, PURL string
		Licenses                  []map[string]any
		Hashes                    []struct{ Alg, Content string }
	}) bool {
		return c.Name == "std"
	}) {
		t.Errorf("%d modules and no Go in the list", deps)
	}
	want, _, _ := strings.Cut(shell(t, "sha256sum", all[0]), " ")
	if got := b.Components[0].Hashes; len(got) != 1 || got[0].Content != want {
		t.Errorf("the program's checksum is %v, want %s", got, want)
	}
}

// TestNotices: the licences that have to go along do.
func TestNotices(t *testing.T) {
	text, err := notices([]string{program(t, "kentongan"), program(t, "kentongan-boot")})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"github.com/eclipse/paho.mqtt.golang", "Eclipse Public License", "Redistribution and use in source and binary forms", "Permission is hereby granted", "std@"} {
		if !strings.Contains(text, want) {
			t.Errorf("NOTICES lacks %q", want)
		}
	}
}
