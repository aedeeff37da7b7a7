package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
)

// A picture that was erased, or whose time is over, can't be put together again
// out of the database: not out of its tables, and of SQLite not out of its files.
func TestErasedPictureIsGone(t *testing.T) { onEach(t, testErasedPictureIsGone) }

func testErasedPictureIsGone(t *testing.T, place func(testing.TB) string) {
	data := make([]byte, 3*report.PieceBytes+77)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(data) // never fails
	ctx := context.Background()
	for name, erase := range map[string]func(d *alarmDevice, id string) error{
		"by somebody": func(d *alarmDevice, id string) error {
			return d.s.ErasePicture(ctx, "cam-1", id, "Budi", d.at)
		},
		"by its age": func(d *alarmDevice, _ string) error {
			_, err := d.s.Upkeep(ctx, d.at.Add(2*time.Hour), time.Hour)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			where := place(t)
			d := newAlarmDevice(t, func(testing.TB) string { return where })
			id := d.order(report.OrderSnapshot, "gate").ID
			record := report.Snapshot{ID: id, Stream: "gate", Format: "jpeg", Size: len(data), SHA256: report.Hash(sha256.Sum256(data)), Pieces: 4}
			pieces := report.CutSnapshot(id, data)
			send := func(p report.SnapshotPiece, seq uint64) Committed {
				return d.arrive(batch("cam-1", report.Telemetry, 1, 6, rec(t, "cam-1", report.Telemetry, seq, report.KindSnapshotPiece, p)))
			}
			for i, p := range pieces {
				send(p, uint64(i+1))
			}
			d.event(report.KindSnapshot, record)
			if got, _, err := d.s.PictureData(ctx, "cam-1", id); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes (%v): nothing that could be erased", len(got), err)
			}
			if err := erase(d, id); err != nil {
				t.Fatal(err)
			}
			// A device that has heard of no receipt sends them again, and one that
			// lies sends another under the same number, and more of them.
			if c := send(pieces[0], 1); c.Duplicates != 1 || c.Conflicts != 0 {
				t.Errorf("the same piece again: %+v, want a double", c)
			}
			if c := send(pieces[2], 1); c.Conflicts != 1 {
				t.Errorf("another piece under the same number: %+v, want a conflict", c)
			}
			send(pieces[3], 5)
			if a := account(t, d.s, "cam-1", report.Telemetry); a.Received != 5 || a.Missing+a.Waiting != 0 {
				t.Errorf("account %+v, want 5 received and nothing missing", a)
			}

			// base64 of 3 bytes at a time: from the first byte of a piece on.
			traces := [][]byte{}
			for _, p := range pieces {
				for at := 0; at+48 <= len(p.Data); at += 1200 {
					traces = append(traces, p.Data[at:at+48], []byte(base64.StdEncoding.EncodeToString(p.Data[at:at+48])))
				}
			}
			if strings.HasPrefix(where, "postgres:") {
				searchTables(t, d.s, traces)
				return
			}
			searchFiles(t, where, traces)
			if err := d.s.Close(); err != nil {
				t.Fatal(err)
			}
			searchFiles(t, where, traces)
		})
	}
}

func searchFiles(t *testing.T, dir string, traces [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "centre.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v (%v)", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		search(t, filepath.Base(f), text, traces)
	}
}

// searchTables looks through every row of every table.
func searchTables(t *testing.T, s *Store, traces [][]byte) {
	t.Helper()
	ctx := context.Background()
	var tables []string
	rows, err := s.read.QueryContext(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // only read
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if len(tables) < 10 {
		t.Fatalf("tables %v (%v)", tables, rows.Err())
	}
	for _, name := range tables {
		// Bytes are written as base64 would be found in them: as they are.
		for _, trace := range traces {
			var n int
			if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM "`+name+`" r WHERE position(encode(CAST(? AS bytea), 'hex') IN r::text) > 0`, trace).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n != 0 {
				t.Errorf("%d rows of %s hold a part of the picture", n, name)
				return
			}
		}
	}
}

func search(t *testing.T, where string, text []byte, traces [][]byte) {
	t.Helper()
	for _, trace := range traces {
		if at := bytes.Index(text, trace); at >= 0 {
			t.Errorf("%s holds a part of the picture at byte %d", where, at)
			return
		}
	}
}

// A database of before held the pieces whole.
func TestOldPiecesAreWithheld(t *testing.T) { onEach(t, testOldPiecesAreWithheld) }

func testOldPiecesAreWithheld(t *testing.T, place func(testing.TB) string) {
	where := place(t)
	s := open(t, where)
	commit(t, s, batch("k1", report.Telemetry, 1, 3,
		rec(t, "k1", report.Telemetry, 1, report.KindDeviceStats, report.DeviceStats{}),
		rec(t, "k1", report.Telemetry, 2, report.KindSnapshotPiece, report.SnapshotPiece{ID: "1", Of: 1, Data: []byte("x")})))
	ctx := context.Background()
	for _, q := range []string{
		`UPDATE record SET line = CAST('{"kind":"snapshot_piece","body":"a face"}' AS bytea) WHERE kind = 'snapshot_piece'`,
		`INSERT INTO conflict (lane_id, seq, hash, received_at, line) SELECT id, 2, CAST('h' AS bytea), 1, CAST('{"kind":"snapshot_piece","body":"a face"}' AS bytea) FROM lane`,
	} {
		if s.d == sqlite {
			q = strings.ReplaceAll(q, "bytea", "BLOB")
		}
		if _, err := s.edit.ExecContext(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range migrations {
		if m.both == withheldSchema {
			c := s.conn.(migrated)
			if err := migrateTo(ctx, c, s.d, i+1); err != nil {
				t.Fatal(err)
			}
			if err := c.setVersion(ctx, len(migrations)); err != nil {
				t.Fatal(err)
			}
		}
	}
	list, err := s.AuditRecords(ctx, 1, 0, 10)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d records (%v), want 2", len(list), err)
	}
	r, err := report.DecodeRecord(list[1].Line)
	if err != nil || r.Device != "k1" || r.Seq != 2 || r.Kind != report.KindSnapshotPiece || strings.Contains(string(list[1].Line), "face") {
		t.Errorf("record %s (%v), want one in its place, without its picture", list[1].Line, err)
	}
	var left int
	if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM conflict`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d conflicts hold a piece (%v)", left, err)
	}
}
