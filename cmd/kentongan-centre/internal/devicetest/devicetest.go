// Package devicetest makes what a device sends, for tests: records that are
// chained and numbered as a spool does it, and checkpoints that are signed.
package devicetest

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
)

// T0 is when the first record is made; each later one is a second younger.
var T0 = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// Device is a device with its record key. It is for one goroutine.
type Device struct {
	t     testing.TB
	ID    string
	Epoch report.Epoch
	Key   string // public
	sign  note.Signer
	lanes map[report.Lane]*lane
}

type lane struct {
	next uint64
	prev report.Hash
}

// New makes a device whose key follows from its id and the seed.
func New(t testing.TB, id string, epoch report.Epoch, seed string) *Device {
	t.Helper()
	secret, public, err := report.NewRecordKey(io.Reader(rand.NewChaCha8(sha256.Sum256([]byte(id+seed)))), id)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	d := &Device{t: t, ID: id, Epoch: epoch, Key: public, sign: s, lanes: map[report.Lane]*lane{}}
	for _, l := range report.Lanes() {
		d.lanes[l] = &lane{next: 1}
	}
	return d
}

// Record makes the next record of a lane.
func (d *Device) Record(name report.Lane, kind string, body any) report.Received {
	d.t.Helper()
	l := d.lanes[name]
	s := report.Stamp{Time: T0.Add(time.Duration(l.next) * time.Second), Clock: report.ClockSynced, Boot: "1f2e3d4c", Uptime: time.Duration(l.next) * time.Second}
	r, err := report.NewRecord(d.ID, name, d.Epoch, l.next, l.prev, s, kind, body)
	if err != nil {
		d.t.Fatal(err)
	}
	line, err := r.Encode()
	if err != nil {
		d.t.Fatal(err)
	}
	l.next, l.prev = l.next+1, report.HashLine(line)
	return report.Received{Record: r, Line: line}
}

// Press makes a complaint with a ticket of its own.
func (d *Device) Press() report.Received {
	return d.Record(report.Complaint, report.KindPress, report.Press{
		Ticket: report.NewTicket(7, d.lanes[report.Complaint].next).String(), Line: "road", ServiceCode: "jalan-rusak",
		Category: "infrastruktur", Label: report.Text{ID: "Jalan rusak", EN: "Damaged road"}, Presses: 1,
	})
}

// Skip leaves numbers of a lane out, as a full disk does: the chain goes on over
// records that nobody has.
func (d *Device) Skip(name report.Lane, n uint64) (from, to uint64) {
	l := d.lanes[name]
	from, to = l.next, l.next+n-1
	l.next, l.prev = to+1, report.HashLine([]byte("given up"))
	return from, to
}

// Checkpoint signs what a lane holds now.
func (d *Device) Checkpoint(name report.Lane) []byte {
	d.t.Helper()
	l := d.lanes[name]
	return d.CheckpointOf(name, l.next-1, l.prev)
}

// CheckpointOf signs any record of a lane.
func (d *Device) CheckpointOf(name report.Lane, seq uint64, hash report.Hash) []byte {
	d.t.Helper()
	msg, err := report.Checkpoint{
		Device: d.ID, Lane: name, Epoch: d.Epoch, Seq: seq, Hash: hash,
		Time: T0.Add(time.Duration(seq) * time.Second), Key: d.Key,
	}.Sign(d.sign)
	if err != nil {
		d.t.Fatal(err)
	}
	return msg
}

// Head is what the device says of a lane of which it has let first-1 records go.
func (d *Device) Head(name report.Lane, first uint64) report.Head {
	return report.Head{Lane: name, Epoch: d.Epoch, First: first, Next: d.lanes[name].next}
}

// Batch is records as they come in.
func (d *Device) Batch(name report.Lane, rs ...report.Received) *report.Batch {
	return &report.Batch{Head: d.Head(name, 1), Records: rs}
}

// Clone is the same device from here on, for another test.
func (d *Device) Clone(t testing.TB) *Device {
	n := *d
	n.t, n.lanes = t, map[report.Lane]*lane{}
	for name, l := range d.lanes {
		n.lanes[name] = &lane{l.next, l.prev}
	}
	return &n
}
