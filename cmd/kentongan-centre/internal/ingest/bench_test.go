package ingest_test

import (
	"net/url"
	"testing"

	"kentongan/agent/report"
)

// BenchmarkEndToEnd is batches of 50 events, from the device's publish to the
// last receipt, with a new centre: through the broker, decoded, committed,
// signed.
func BenchmarkEndToEnd(b *testing.B) {
	b.Run("embedded NATS", func(b *testing.B) { endToEnd(b, embedded(b)) })
	b.Run("Mosquitto", func(b *testing.B) { endToEnd(b, startMosquitto(b).url) })
}

func endToEnd(b *testing.B, u *url.URL) {
	signer, verifiers := keys(b)
	startCentre(b, b.TempDir(), u, signer)
	p := dial(b, u, "cam-1", verifiers)
	const per = 50
	topic := report.Topics(p.id).Up(report.Event, true, true)
	var wire [][]byte
	for n := range uint64(b.N) {
		var list []report.Entry
		for k := range uint64(per) {
			list = append(list, entry(b, p.id, report.Event, n*per+k+1, report.KindStream, report.StreamState{Name: "gate", State: "playing", Codec: "H264", Width: 1920, Height: 1080}))
		}
		wire = append(wire, report.Gzip(report.EncodeBatch(head(report.Event, 1, uint64(b.N)*per+1), list)))
	}
	b.ResetTimer()
	for _, w := range wire {
		p.c.Publish(topic, 1, false, w)
	}
	p.acked("all", func(a report.Ack) bool { return a.Seq == uint64(b.N)*per })
	b.ReportMetric(float64(b.N*per)/b.Elapsed().Seconds(), "records/s")
}
