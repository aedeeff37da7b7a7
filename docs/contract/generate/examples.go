package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
)

// exampleKey is a key of the examples: everybody knows its secret.
type exampleKey struct {
	secret, public string
	signer         note.Signer
}

func newExampleKey(name string) exampleKey {
	secret, public, err := note.GenerateKey(rand.NewChaCha8(sha256.Sum256([]byte("kentongan examples "+name))), name)
	if err != nil {
		panic(err) // the name is ours
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		panic(err)
	}
	return exampleKey{secret, public, signer}
}

const exampleName = "kiosk-7"

var (
	exampleDevice = newExampleKey(report.RecordKeyName(exampleName))
	exampleCentre = newExampleKey("kentongan-centre")
)

// examples makes the golden messages.
func (s *source) examples() (map[string][]byte, error) {
	out := map[string][]byte{}
	lanes, err := s.exampleRecords(out)
	if err != nil {
		return nil, err
	}
	for _, o := range s.orders {
		if err := example(out, "command."+o.name, arguments[o.name]); err != nil {
			return nil, err
		}
	}
	for _, st := range states {
		if err := example(out, st.id, retained[st.id]); err != nil {
			return nil, err
		}
	}
	for _, s := range shared {
		if err := example(out, s.id, retained[s.id]); err != nil {
			return nil, err
		}
	}
	if err := exampleNotes(out, lanes); err != nil {
		return nil, err
	}
	return out, brokenExamples(out)
}

func example(out map[string][]byte, id string, v any) error {
	if v == nil {
		return fmt.Errorf("%s has no example: write one in values.go", id)
	}
	text, err := json.Marshal(v)
	out["examples/valid/"+id+".json"] = append(text, '\n')
	return err
}

// exampleLane is where the examples of a lane have come to.
type exampleLane struct {
	seq  uint64
	hash report.Hash
}

// when puts what begins a lane before the rest: a start, a press.
func when(k kind) int {
	if k.name == report.KindBoot || k.name == report.KindPress {
		return 0
	}
	return 1
}

// exampleRecords makes a record of each kind, and a batch of each lane, whose
// records are chained.
func (s *source) exampleRecords(out map[string][]byte) (map[report.Lane]exampleLane, error) {
	lanes := map[report.Lane]exampleLane{}
	entries := map[report.Lane][]report.Entry{}
	kinds := slices.Clone(s.kinds)
	slices.SortStableFunc(kinds, func(a, b kind) int { return cmp.Compare(when(a), when(b)) })
	for _, k := range kinds {
		body, ok := bodies[k.name]
		if !ok {
			return nil, fmt.Errorf("kind %s has no example: write one in values.go", k.name)
		}
		lane := report.Lane(k.lane)
		l := lanes[lane]
		stamp := report.Stamp{Time: at.Add(time.Duration(l.seq) * time.Second), Clock: report.ClockSynced, Boot: "1f2e3d4c", Uptime: time.Hour + time.Duration(l.seq)*time.Second}
		r, err := report.NewRecord(exampleName, lane, exampleEpoch, l.seq+1, l.hash, stamp, k.name, body)
		if err != nil {
			return nil, err
		}
		line, err := r.Encode()
		if err != nil {
			return nil, err
		}
		out["examples/valid/record."+k.name+".json"] = append(bytes.Clone(line), '\n')
		entries[lane] = append(entries[lane], report.Entry{Seq: r.Seq, Line: line})
		lanes[lane] = exampleLane{r.Seq, report.HashLine(line)}
	}
	for _, lane := range report.Lanes() {
		list := entries[lane]
		batch := report.EncodeBatch(report.Head{Lane: lane, Epoch: exampleEpoch, First: 1, Next: lanes[lane].seq + 1}, list)
		out["examples/batch/"+string(lane)+".jsonl"] = batch
		head, _, _ := bytes.Cut(batch, []byte("\n"))
		out["examples/valid/batch.head.json"] = append(bytes.Clone(head), '\n')
	}
	return lanes, nil
}

// exampleNotes makes a receipt, an order and a checkpoint, of which the last
// vouches for the example batch of complaints, and some that are not to be
// believed.
func exampleNotes(out map[string][]byte, lanes map[report.Lane]exampleLane) error {
	keys, err := json.MarshalIndent(map[string]map[string]string{
		"device": {"public": exampleDevice.public, "secret": exampleDevice.secret},
		"centre": {"public": exampleCentre.public, "secret": exampleCentre.secret},
	}, "", "  ")
	if err != nil {
		return err
	}
	out["examples/notes/keys.json"] = append(keys, '\n')
	l := lanes[report.Complaint]
	checkpoint := report.Checkpoint{Device: exampleName, Lane: report.Complaint, Epoch: exampleEpoch, Seq: l.seq, Hash: l.hash, Time: at, Key: exampleDevice.public}
	ack := report.Ack{
		Device: exampleName, Lane: report.Complaint, Epoch: exampleEpoch, Seq: l.seq, Hash: &l.hash, Time: at,
		Want: []report.Range{{From: 7, To: 9}}, Checkpoint: &report.Signed{Seq: l.seq, Hash: l.hash},
	}
	args, err := json.Marshal(arguments[report.OrderSnapshot])
	if err != nil {
		return err
	}
	order := report.Order{Device: exampleName, Name: report.OrderSnapshot, ID: "5f0c9a1d2e4b5a67", Counter: 1_795_000_000_000, NotBefore: at, Expires: at.Add(10 * time.Minute), Arguments: args}
	for _, n := range []struct {
		name string
		sign func(note.Signer) ([]byte, error)
		own  exampleKey
		not  exampleKey
	}{{"checkpoint", checkpoint.Sign, exampleDevice, exampleCentre}, {"ack", ack.Sign, exampleCentre, exampleDevice}, {"order", order.Sign, exampleCentre, exampleDevice}} {
		good, err := n.sign(n.own.signer)
		if err != nil {
			return err
		}
		out["examples/notes/"+n.name+".txt"] = good
		out["examples/notes/invalid/"+n.name+"-altered.txt"] = bytes.Replace(good, []byte(exampleName), []byte("kiosk-8"), 1)
		if out["examples/notes/invalid/"+n.name+"-of-another-key.txt"], err = n.sign(n.not.signer); err != nil {
			return err
		}
		out["examples/notes/invalid/"+n.name+"-unsigned.txt"] = []byte(good[:strings.Index(string(good), "\n\n")+1])
	}
	return nil
}

// brokenExamples makes messages that are not valid.
func brokenExamples(out map[string][]byte) error {
	for _, b := range broken {
		var m map[string]any
		d := json.NewDecoder(bytes.NewReader(out["examples/valid/"+b.schema+".json"]))
		d.UseNumber()
		if err := d.Decode(&m); err != nil {
			return fmt.Errorf("%s: %w", b.schema, err)
		}
		b.change(m)
		text, err := json.MarshalIndent(object{{"schema", b.schema}, {"why", b.why}, {"message", m}}, "", "  ")
		if err != nil {
			return err
		}
		out["examples/invalid/"+b.name+".json"] = append(text, '\n')
	}
	return nil
}
