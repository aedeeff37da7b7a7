// Package contracttest holds messages against the contract's schemas, for the
// tests of whoever sends or receives them.
package contracttest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/docs/contract"
)

// Schemas are all schemas of the contract, ready to be used. It may be used from
// several goroutines.
type Schemas map[string]*jsonschema.Schema // by the name of the file without .json

// Compile reads the schemas. Formats are asserted: a time has to be one.
func Compile() (Schemas, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	files, err := fs.Glob(contract.Files, "schema/*.json")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%d schemas (%v)", len(files), err)
	}
	out := Schemas{}
	for _, name := range files {
		text, err := fs.ReadFile(contract.Files, name)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := c.AddResource(name, doc); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		id := strings.TrimSuffix(path.Base(name), ".json")
		if out[id], err = c.Compile(name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

// Validate holds one JSON text against a schema.
func (s Schemas) Validate(id string, text []byte) error {
	schema := s[id]
	if schema == nil {
		return fmt.Errorf("the contract has no schema %s; run go generate ./docs/contract", id)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	if err := schema.Validate(v); err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	return nil
}

// Message holds what was published on a topic against the contract.
func (s Schemas) Message(topic string, payload []byte) error {
	t, err := report.ParseTopic(topic)
	if err != nil {
		return err
	}
	switch {
	case t.Branch == "up":
		return s.batch(t, payload)
	case len(payload) == 0 && t.Branch == "state":
		return nil // it was taken away
	case t.Kind == "checkpoint":
		_, err = report.ReadCheckpoint(payload, t.Device, t.Lane)
		return err
	case t.Branch == "state" && t.Kind == "":
		return s.Validate("state.device", payload)
	case t.Branch == "state":
		return s.Validate("state."+t.Kind, payload)
	case t.Branch == "cmd":
		return s.order(t, payload)
	}
	return ack(payload)
}

func ack(payload []byte) error {
	_, err := note.Open(payload, note.VerifierList())
	if _, ok := errors.AsType[*note.UnverifiedNoteError](err); !ok {
		return fmt.Errorf("receipt: no signed note: %w", err)
	}
	return nil
}

// order holds the arguments of an order against their schema.
func (s Schemas) order(t report.Topic, payload []byte) error {
	for line := range strings.Lines(string(payload)) {
		if args, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "arguments "); ok {
			return s.Validate("command."+t.Name, []byte(args))
		}
	}
	return fmt.Errorf("order %s without arguments", t.Name)
}

func (s Schemas) batch(t report.Topic, payload []byte) error {
	if t.Gzip {
		r, err := gzip.NewReader(bytes.NewReader(payload))
		if err != nil {
			return err
		}
		if payload, err = io.ReadAll(r); err != nil {
			return err
		}
	}
	for n, line := range bytes.Split(bytes.TrimSuffix(payload, []byte("\n")), []byte("\n")) {
		if n == 0 {
			if err := s.Validate("batch.head", line); err != nil {
				return err
			}
			continue
		}
		var r struct {
			Kind string `json:"kind"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		if err := s.Validate("record."+r.Kind, line); err != nil {
			return fmt.Errorf("line %d: %w: %s", n+1, err, line)
		}
	}
	return nil
}
