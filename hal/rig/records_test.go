package rig

import (
	"database/sql"
	"encoding/json"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the centre's database, of which its page shows a part

	"kentongan/agent/report"
)

// records are the bodies of all records of a kind that the centre holds, the
// oldest first.
func records[T any](s *site, lane report.Lane, kind string) (all []T) {
	s.t.Helper()
	file := (&url.URL{Path: filepath.Join(s.dir, "centre", "centre.db")}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(s.t.Context(), "SELECT line FROM records WHERE lane = ? AND kind = ? ORDER BY seq", string(lane), kind)
	if err != nil {
		s.t.Fatalf("the centre's database: %v", err)
	}
	defer rows.Close()
	for rows.Next() {
		var record struct{ Body T }
		var text []byte
		if err := rows.Scan(&text); err != nil {
			s.t.Fatal(err)
		}
		if err := json.Unmarshal(text, &record); err != nil {
			s.t.Fatalf("the centre's record %s: %v", text, err)
		}
		all = append(all, record.Body)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return all
}
