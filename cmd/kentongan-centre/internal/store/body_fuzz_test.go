package store

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"kentongan/agent/report"
)

// FuzzBody: a record of any kind with any body is committed, in any lane, and what
// the pages ask for can be read after it: a device that says nonsense ends no ingest.
func FuzzBody(f *testing.F) {
	kinds := []string{
		report.KindPress, report.KindCancel, report.KindAlarm, report.KindGap, report.KindLine, report.KindCommand, report.KindClock, report.KindBoot,
		report.KindStream, report.KindSnapshot, report.KindStreamStats, report.KindDisk, report.KindDamage, report.KindWatchdog,
	}
	for i := range kinds {
		for j, body := range []string{
			`{"ticket":"0007-0002-Z","category":"jalan","service_code":"x","presses":1,"label":{"id":"a","en":"b"}}`,
			`{"id":"a","n":1,"source":"stream/gate","condition":"down","severity":"major","state":"raised","since":"2026-11-26T10:00:00Z"}`,
			`{"lane":"telemetry","epoch":"1122334455667788","from":1,"to":18446744073709551615,"count":0,"reason":"full"}`,
			`{"name":"gate","state":"playing","since":"0001-01-01T00:00:00Z"}`, `{"boot":"b1","booted_at":"9999-12-31T23:59:59Z","clock":"synced"}`, `[]`, `null`,
		} {
			if (i+j)%5 == 0 {
				f.Add(uint8(i), "", uint8(i), []byte(body))
			}
		}
	}
	s := open(f, f.TempDir())
	seq := map[report.Lane]uint64{}
	f.Fuzz(func(t *testing.T, of uint8, kind string, lane uint8, body []byte) {
		if !json.Valid(body) {
			return // a record of it is refused before
		}
		if kind == "" {
			kind = kinds[int(of)%len(kinds)]
		}
		l := report.Lanes()[int(lane)%3]
		seq[l]++
		ctx := context.Background()
		if _, err := s.Commit(ctx, []Arrival{batch("k1", l, 1, seq[l]+1, rec(t, "k1", l, seq[l], kind, json.RawMessage(body)))}); err != nil {
			t.Fatalf("commit: %v", err)
		}
		if _, err := s.Complaints(ctx, ComplaintFilter{Limit: 5}); err != nil {
			t.Errorf("complaints: %v", err)
		}
		if _, err := s.Problems(ctx, time.Now(), 5); err != nil {
			t.Errorf("problems: %v", err)
		}
		if _, err := s.Happenings(ctx, "k1", 5); err != nil {
			t.Errorf("events: %v", err)
		}
	})
}
