package drain

import "testing"

// TestEveryContestantDeliversEachRecord: Run itself fails when a record does
// not arrive; here we look at the counts.
func TestEveryContestantDeliversEachRecord(t *testing.T) {
	const n = 3000
	for _, k := range append(Ours(), Peers()...) {
		t.Run(k.Name, func(t *testing.T) {
			r, err := k.Run(n)
			if err != nil {
				t.Fatal(err)
			}
			if r.Records != n {
				t.Errorf("%d records arrived, want %d", r.Records, n)
			}
			if !k.Batch && (r.Messages != n || r.Bytes < n*300) {
				t.Errorf("%d messages with %d bytes for %d records", r.Messages, r.Bytes, n)
			}
			if k.Batch && r.Messages >= n/10 {
				t.Errorf("%d messages for %d records in batches", r.Messages, n)
			}
			if k.Gzip && r.Bytes >= n*100 {
				t.Errorf("%d bytes for %d records, compressed", r.Bytes, n)
			}
			t.Logf("%.0f/s, %d bytes", r.Rate(), r.Bytes)
		})
	}
}
