package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// bomb is 8 MiB of nothing, compressed to some 8 KiB.
func bomb(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := io.CopyN(w, zeros{}, 8<<20); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Whatever is published, the centre counts it and takes what comes after.
func TestHostileMessages(t *testing.T) {
	u := embedded(t)
	signer, verifiers := keys(t)
	c := startCentre(t, t.TempDir(), u, signer)
	p := dial(t, u, "evil", verifiers)
	mine := report.Topics("evil")
	event := func(kind string, body any) []byte {
		return report.EncodeBatch(head(report.Event, 1, 2), []report.Entry{entry(t, "evil", report.Event, 1, kind, body)})
	}
	far := report.Range{From: 1 << 62, To: 1<<62 + 5}
	tests := map[string]struct {
		topic   string
		payload []byte
		count   func() int64
	}{
		"no batch":               {mine.Up(report.Event, false, false), []byte("\x00\xff rubbish"), func() int64 { return c.in.Status().BadBatches }},
		"empty batch":            {mine.Up(report.Event, false, false), []byte("\n"), func() int64 { return c.in.Status().BadBatches }},
		"not gzip":               {mine.Up(report.Event, false, true), []byte("plain"), func() int64 { return c.in.Status().BadBatches }},
		"bomb":                   {mine.Up(report.Event, false, true), bomb(t), func() int64 { return c.in.Status().BadBatches }},
		"too large":              {mine.Up(report.Event, false, false), bytes.Repeat([]byte("x"), report.MaxBatchBytes+1), func() int64 { return c.in.Status().BadBatches }},
		"foreign lane":           {mine.Up(report.Complaint, false, false), event("x", 1), func() int64 { return c.in.Status().BadBatches }},
		"foreign device":         {mine.Up(report.Event, false, false), report.EncodeBatch(head(report.Event, 1, 2), []report.Entry{entry(t, "victim", report.Event, 1, "x", 1)}), func() int64 { return c.in.Status().BadRecords }},
		"no topic of ours":       {report.Root + "/evil/up/nonsense", nil, func() int64 { return c.in.Status().BadTopics }},
		"device with capitals":   {report.Root + "/EVIL/state", []byte("{}"), func() int64 { return c.in.Status().BadTopics }},
		"state is no JSON":       {mine.State(), []byte("<script>"), func() int64 { return c.in.Status().BadStates }},
		"state of another v":     {mine.State(), []byte(`{"v":9,"state":"online"}`), func() int64 { return c.in.Status().BadStates }},
		"state too large":        {mine.State(), []byte(`{"v":1,"site":"` + strings.Repeat("x", 70_000) + `"}`), func() int64 { return c.in.Status().BadStates }},
		"state without epoch":    {mine.State(), []byte(`{"v":1,"state":"online","heads":[{"lane":"event"}]}`), func() int64 { return c.in.Status().BadBatches + c.in.Status().BadRecords }},
		"foreign stream":         {mine.StreamState("gate"), []byte(`{"name":"other","state":"playing"}`), func() int64 { return c.in.Status().BadStates }},
		"gap of another world":   {mine.Up(report.Event, false, false), event(report.KindGap, report.Gap{Lane: report.Event, Epoch: epoch, From: far.From, To: far.To}), func() int64 { return c.in.Status().BadRecords }},
		"number beyond counting": {mine.Up(report.Event, false, false), report.EncodeBatch(head(report.Event, 1, 2), []report.Entry{{Line: []byte(`{"v":1,"device":"evil","lane":"event","epoch":"0000000000000abc","seq":18446744073709551615,"prev":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","time":"9999-12-31T23:59:59Z","kind":"x","body":1}`)}}), func() int64 { return c.in.Status().BadRecords }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := tt.count()
			p.send(tt.topic, tt.payload)
			until(t, "counted", func() bool { return tt.count() > before })
		})
	}
	if list, err := c.Devices(context.Background(), "victim"); err != nil || len(list) != 0 {
		t.Errorf("devices %+v (%v): another's device was made up", list, err)
	}
	good := dial(t, u, "good", verifiers)
	good.send(report.Topics("good").Up(report.Complaint, false, false), report.EncodeBatch(head(report.Complaint, 1, 2), presses(t, "good", 1)))
	good.acked("after all that", func(a report.Ack) bool { return a.Seq == 1 })
	if !c.in.Status().Connected || c.in.Status().CommitErrors != 0 || c.in.Status().SessionsLost != 0 {
		t.Errorf("status %+v, want the first session, without errors", c.in.Status())
	}
}

// The centre died after its commit and before its PUBACK: the broker delivers
// again, nothing is kept twice, and the device gets its receipt.
func TestDeathBetweenCommitAndReceipt(t *testing.T) {
	m := startMosquitto(t)
	signer, verifiers := keys(t)
	dir := t.TempDir()
	startCentre(t, dir, m.url, signer).stop() // its session stays in the broker

	p := dial(t, m.url, "kiosk-7", verifiers)
	list := presses(t, p.id, 1, 2, 3)
	wire := report.EncodeBatch(head(report.Complaint, 1, 4), list)
	p.send(report.Topics(p.id).Up(report.Complaint, false, false), wire)

	b, err := report.DecodeBatch(wire, false)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := store.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dead.Commit(context.Background(), []store.Arrival{{Device: p.id, At: time.Now(), Batch: &b}}); err != nil {
		t.Fatal(err)
	}
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}

	c := startCentre(t, dir, m.url, signer)
	p.acked("up to 3", func(a report.Ack) bool { return a.Seq == 3 })
	until(t, "three doubles", func() bool { return c.lane(t, p.id, report.Complaint).Duplicates == 3 })
	if got, err := c.Complaints(context.Background(), store.ComplaintFilter{}); err != nil || len(got) != 3 {
		t.Errorf("%d complaints (%v), want 3", len(got), err)
	}
}

// A broker that dies takes its memory along; the centre comes back by itself
// and says all receipts again.
func TestBrokerDies(t *testing.T) {
	m := startMosquitto(t)
	signer, verifiers := keys(t)
	c := startCentre(t, t.TempDir(), m.url, signer)
	p := dial(t, m.url, "kiosk-7", verifiers)
	p.send(report.Topics(p.id).Up(report.Complaint, false, false), report.EncodeBatch(head(report.Complaint, 1, 3), presses(t, p.id, 1, 2)))
	p.acked("up to 2", func(a report.Ack) bool { return a.Seq == 2 })
	m.kill(t)
	until(t, "lost", func() bool { return !c.in.Status().Connected })
	m.start(t)
	until(t, "back", func() bool { return c.in.Status().Connected })
	p = dial(t, m.url, "kiosk-7", verifiers)
	p.acked("retained anew", func(a report.Ack) bool { return a.Seq == 2 })
}
