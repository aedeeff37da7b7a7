package contract_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/docs/contract"
	"kentongan/docs/contract/contracttest"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := fs.ReadFile(contract.Files, name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := fs.Glob(contract.Files, pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %d files (%v)", pattern, len(names), err)
	}
	return names
}

// invalid is a file of examples/invalid.
type invalid struct {
	Schema  string          `json:"schema"`
	Why     string          `json:"why"`
	Message json.RawMessage `json:"message"`
}

// Each schema has an example that fits, the invalid ones don't, and the Go types
// read and write them as they are.
func TestExamples(t *testing.T) {
	t.Parallel()
	schemas, err := contracttest.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for id := range schemas {
		text := read(t, "examples/valid/"+id+".json")
		if err := schemas.Validate(id, text); err != nil {
			t.Error(err)
		}
		if strings.HasPrefix(id, "record.") {
			line := bytes.TrimSuffix(text, []byte("\n"))
			r, err := report.DecodeRecord(line)
			if err != nil {
				t.Errorf("%s: %v", id, err)
				continue
			}
			if again, err := r.Encode(); err != nil || !bytes.Equal(again, line) {
				t.Errorf("%s: encoded again it is %s (%v)", id, again, err)
			}
		}
	}
	for _, name := range glob(t, "examples/invalid/*.json") {
		var v invalid
		if err := json.Unmarshal(read(t, name), &v); err != nil {
			t.Fatal(err)
		}
		if err := schemas.Validate(v.Schema, v.Message); err == nil || v.Why == "" {
			t.Errorf("%s is found valid, although %s", name, v.Why)
		}
	}
}

// The example batches hold together: numbers, chain, checkpoint.
func TestExampleBatches(t *testing.T) {
	t.Parallel()
	schemas, err := contracttest.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for _, lane := range report.Lanes() {
		text := read(t, "examples/batch/"+string(lane)+".jsonl")
		if err := schemas.Message(report.Topics("kiosk-7").Up(lane, false, false), text); err != nil {
			t.Error(err)
		}
		b, err := report.DecodeBatch(text, false)
		if err != nil {
			t.Fatal(err)
		}
		var prev report.Hash
		for i, r := range b.Records {
			if r.Seq != uint64(i+1) || lane.Chained() && *r.Prev != prev {
				t.Errorf("%s record %d: seq %d, prev %v, want the hash %s", lane, i+1, r.Seq, r.Prev, prev)
			}
			prev = report.HashLine(r.Line)
		}
		if lane == report.Complaint {
			c, err := report.OpenCheckpoint(read(t, "examples/notes/checkpoint.txt"), "kiosk-7", lane, keys(t)["device"].Public)
			if err != nil || c.Hash != prev || c.Seq != uint64(len(b.Records)) {
				t.Errorf("checkpoint %+v (%v), want one of the last complaint", c, err)
			}
		}
	}
}

type keyPair struct{ Public, Secret string }

func keys(t *testing.T) (k map[string]keyPair) {
	t.Helper()
	if err := json.Unmarshal(read(t, "examples/notes/keys.json"), &k); err != nil {
		t.Fatal(err)
	}
	return k
}

// The signed notes open with their keys, and the invalid ones don't.
func TestExampleNotes(t *testing.T) {
	t.Parallel()
	k := keys(t)
	centre, err := note.NewVerifier(k["centre"].Public)
	if err != nil {
		t.Fatal(err)
	}
	open := func(kind string, text []byte) error {
		switch kind {
		case "checkpoint":
			_, err := report.OpenCheckpoint(text, "kiosk-7", report.Complaint, k["device"].Public)
			return err
		case "ack":
			_, err := report.OpenAck(text, "kiosk-7", report.Complaint, note.VerifierList(centre))
			return err
		}
		_, err := report.OpenOrder(text, "kiosk-7", report.OrderSnapshot, note.VerifierList(centre))
		return err
	}
	for _, kind := range []string{"checkpoint", "ack", "order"} {
		if err := open(kind, read(t, "examples/notes/"+kind+".txt")); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, name := range glob(t, "examples/notes/invalid/*.txt") {
		kind, _, _ := strings.Cut(path.Base(name), "-")
		if err := open(kind, read(t, name)); err == nil {
			t.Errorf("%s is believed", name)
		}
	}
}

// A second validator, of another language, finds the same.
func TestPythonValidates(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("/usr/bin/python3", "validate.py").CombinedOutput()
	if err != nil {
		t.Errorf("%v; .ci/tools installs python3-jsonschema:\n%s", err, out)
	}
}

// asyncAPISchema is AsyncAPI's own schema of its documents; tools.sh fetches it.
func asyncAPISchema(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "kentongan", "asyncapi-3.0.0.json")
}

// The AsyncAPI document is one by AsyncAPI's own schema, each schema is in it,
// and it refers to nothing that is not there.
func TestAsyncAPI(t *testing.T) {
	t.Parallel()
	text := read(t, "asyncapi.json")
	schema, err := os.Open(asyncAPISchema(t))
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%v; .ci/tools fetches it", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer schema.Close()
	doc, err := jsonschema.UnmarshalJSON(schema)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("asyncapi.json", doc); err != nil {
		t.Fatal(err)
	}
	official, err := c.Compile("asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := official.Validate(ours); err != nil {
		t.Errorf("%#v", err)
	}
	if err := official.Validate(map[string]any{"asyncapi": "3.0.0", "info": map[string]any{"title": "x"}}); err == nil {
		t.Error("the official schema finds nothing wrong with a document without a version")
	}
	for _, name := range glob(t, "schema/*.json") {
		if !bytes.Contains(text, []byte(`"./`+name+`"`)) {
			t.Errorf("asyncapi.json does not name %s", name)
		}
	}
	checkRefs(t, ours, ours)
}

// checkRefs looks at each $ref of a document.
func checkRefs(t *testing.T, root, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if !resolves(root, ref) {
				t.Errorf("$ref %s: nothing is there", ref)
			}
		}
		for _, m := range v {
			checkRefs(t, root, m)
		}
	case []any:
		for _, m := range v {
			checkRefs(t, root, m)
		}
	}
}

func resolves(at any, ref string) bool {
	if file, ok := strings.CutPrefix(ref, "./"); ok {
		_, err := fs.Stat(contract.Files, file)
		return err == nil
	}
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		m, ok := at.(map[string]any)
		if at = m[name]; !ok || at == nil {
			return false
		}
	}
	return true
}
