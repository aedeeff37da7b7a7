package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
	"kentongan/cmd/kentongan-centre/internal/pgtest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

var quiet = slog.New(slog.DiscardHandler)

// centre is a centre's database, its key and its log of roots.
type centre struct {
	t      testing.TB
	dir    string
	store  *store.Store
	roots  *RootWriter
	signer note.Signer
	key    string // public
	now    time.Time
	pg     string // URL of a PostgreSQL database; "" is SQLite
}

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func newCentre(t testing.TB) *centre {
	t.Helper()
	return newCentreOn(t, "")
}

func newCentreOn(t testing.TB, pg string) *centre {
	t.Helper()
	secret, public, err := note.GenerateKey(io.Reader(rand.NewChaCha8(sha256.Sum256([]byte("centre")))), "kentongan-centre")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	c := &centre{t: t, dir: t.TempDir(), signer: signer, key: public, now: devicetest.T0.Add(time.Hour), pg: pg}
	c.open()
	return c
}

func (c *centre) open() {
	c.t.Helper()
	open := func() (*store.Store, error) { return store.Open(c.dir, quiet) }
	if c.pg != "" {
		open = func() (*store.Store, error) { return store.OpenPostgres(c.pg, "", quiet) }
	}
	s, err := open()
	if err != nil {
		c.t.Fatal(err)
	}
	c.store = s
	c.roots = NewRootWriter(RootsConfig{File: c.rootsFile(), Signer: c.signer, Keys: c.keys(), Every: time.Hour}, s.For(store.Everything()), quiet)
	c.t.Cleanup(func() { _ = s.Close() })
}

func (c *centre) close() {
	c.t.Helper()
	if err := c.store.Close(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *centre) rootsFile() string { return filepath.Join(c.dir, RootsFile) }
func (c *centre) file() string      { return filepath.Join(c.dir, "centre.db") }

func (c *centre) keys() note.Verifiers {
	v, err := Keys(c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// take commits what a device sent, and keeps the receipts as the ingest does.
func (c *centre) take(a store.Arrival) {
	c.t.Helper()
	c.keep(c.commit(a))
}

// commit commits what a device sent, and makes the receipts.
func (c *centre) commit(a store.Arrival) (kept []store.SignedReceipt) {
	c.t.Helper()
	a.At = c.now
	done, err := c.store.Commit(context.Background(), []store.Arrival{a})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range done.Receipts {
		if r.Checkpoint == nil {
			continue
		}
		msg, err := report.Ack{Device: r.Device, Lane: r.Lane, Epoch: r.Epoch, Seq: r.Seq, Hash: r.Hash, Time: c.now.Truncate(time.Second), Want: r.Want, Held: r.Held, Checkpoint: r.Checkpoint}.Sign(c.signer)
		if err != nil {
			c.t.Fatal(err)
		}
		kept = append(kept, store.SignedReceipt{Receipt: r, Note: msg})
	}
	return kept
}

func (c *centre) keep(kept []store.SignedReceipt) {
	c.t.Helper()
	if err := c.store.KeepReceipts(context.Background(), kept, c.now); err != nil {
		c.t.Fatal(err)
	}
}

func (c *centre) records(d *devicetest.Device, lane report.Lane, rs ...report.Received) {
	c.t.Helper()
	c.take(store.Arrival{Device: d.ID, Batch: d.Batch(lane, rs...)})
}

func (c *centre) checkpoint(d *devicetest.Device, lane report.Lane) {
	c.t.Helper()
	c.take(c.signs(d, lane))
}

// signs is a device's word of what a lane holds.
func (c *centre) signs(d *devicetest.Device, lane report.Lane) store.Arrival {
	c.t.Helper()
	msg := d.Checkpoint(lane)
	k, err := report.ReadCheckpoint(msg, d.ID, lane)
	if err != nil {
		c.t.Fatal(err)
	}
	return store.Arrival{Device: d.ID, Checkpoint: &store.Checkpoint{Checkpoint: k, Note: msg}}
}

func (c *centre) root() uint64 {
	c.t.Helper()
	n, err := c.roots.Write(context.Background(), c.now)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

func (c *centre) verify() Report {
	c.t.Helper()
	open := func() (*store.View, func() error, error) { return store.OpenRead(c.file()) }
	if c.pg != "" {
		open = func() (*store.View, func() error, error) { return store.OpenReadPostgres(c.pg, "") }
	}
	v, closeDB, err := open()
	if err != nil {
		c.t.Fatal(err)
	}
	defer closeDB() //nolint:errcheck // only read
	r, err := Verify(context.Background(), v, Options{Centre: c.keys(), Roots: c.rootsFile(), Now: c.now})
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// sql changes the database behind the centre's back.
func (c *centre) sql(text string, args ...any) {
	c.t.Helper()
	db, err := sql.Open("sqlite", "file:"+c.file())
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the statement tells
	if _, err := db.Exec(text, args...); err != nil {
		c.t.Fatalf("%s: %v", text, err)
	}
}

func event(d *devicetest.Device) report.Received {
	return d.Record(report.Event, report.KindUplink, report.UplinkState{State: "connected", Broker: "b"})
}

// site is two devices with two days of records: 1 to 20 of each chained lane are
// signed and in a root, 21 to 24 came since.
type site struct {
	*centre
	one, two *devicetest.Device
}

func newSite(t testing.TB) *site {
	t.Helper()
	return newSiteIn(newCentre(t))
}

// fork is the same site in a directory of its own; s is closed.
func (s *site) fork(t testing.TB) *site {
	t.Helper()
	c := *s.centre
	c.t, c.dir, c.store, c.roots = t, t.TempDir(), nil, nil
	if err := os.CopyFS(c.dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	return &site{centre: &c, one: s.one.Clone(t), two: s.two.Clone(t)}
}

func newSiteIn(c *centre) *site {
	t, s := c.t, &site{centre: c}
	s.one, s.two = devicetest.New(t, "kiosk-1", 0xe1, ""), devicetest.New(t, "kiosk-2", 0xe2, "")
	for _, d := range []*devicetest.Device{s.one, s.two} {
		var presses, events, figures []report.Received
		for range 10 {
			presses, events = append(presses, d.Press()), append(events, event(d))
			figures = append(figures, d.Record(report.Telemetry, report.KindDeviceStats, report.DeviceStats{Goroutines: 30}))
		}
		s.records(d, report.Complaint, presses...)
		s.records(d, report.Event, events...)
		s.records(d, report.Telemetry, figures...)
		s.checkpoint(d, report.Complaint)
		s.checkpoint(d, report.Event)
	}
	s.root()
	s.now = s.now.Add(24 * time.Hour)
	for _, d := range []*devicetest.Device{s.one, s.two} {
		for range 10 {
			s.records(d, report.Complaint, d.Press())
			s.records(d, report.Event, event(d))
		}
		// The disk of the device was full: two events are gone, and it says so.
		from, to := d.Skip(report.Event, 2)
		s.records(d, report.Event, d.Record(report.Event, report.KindGap, report.Gap{Lane: report.Event, Epoch: d.Epoch, From: from, To: to, Count: 2, Reason: report.GapFull}))
		s.checkpoint(d, report.Complaint)
		s.checkpoint(d, report.Event)
	}
	s.root()
	s.now = s.now.Add(time.Hour)
	for _, d := range []*devicetest.Device{s.one, s.two} {
		for range 4 {
			s.records(d, report.Complaint, d.Press())
		}
	}
	return s
}

func TestGoodDatabaseIsProven(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); testGoodDatabase(t, newSite(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); testGoodDatabase(t, newSiteIn(newCentreOn(t, pgtest.URL(t)))) })
}

func testGoodDatabase(t *testing.T, s *site) {
	r := s.verify()
	if !r.OK() {
		t.Errorf("findings %v, want none", r.All())
	}
	if len(r.Devices) != 2 || r.Records != 2*(24+21+10) || r.Root != 2 {
		t.Errorf("%d devices, %d records, root %d, want 2, 110, 2", len(r.Devices), r.Records, r.Root)
	}
	for _, d := range r.Devices {
		if d.Keys != 1 || len(d.Lanes) != 3 {
			t.Fatalf("%+v, want one key and three lanes", d)
		}
		for _, l := range d.Lanes {
			want := map[string]Lane{
				"complaint": {Records: 24, From: 1, To: 24, SignedTo: 20},
				"event":     {Records: 21, From: 1, To: 23, Explained: 2, SignedTo: 23},
				"telemetry": {Records: 10, From: 1, To: 10},
			}[l.Lane]
			if l.Records != want.Records || l.From != want.From || l.To != want.To || l.Explained != want.Explained || l.SignedTo != want.SignedTo || l.Waiting != 0 {
				t.Errorf("%+v, want %+v", l, want)
			}
		}
	}
}

// What somebody with the database can do to it, and what is said of it. Each is
// done to a copy of the same good database.
func TestTamperingIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	const lane = "(SELECT id FROM lane WHERE device = 'kiosk-1' AND lane = 'complaint')"
	const events = "(SELECT id FROM lane WHERE device = 'kiosk-1' AND lane = 'event')"
	tests := map[string]struct {
		tamper func(s *site)
		fault  string
		device string
		lane   string
		seq    uint64
	}{
		"drop one": {func(s *site) { s.sql("DELETE FROM record WHERE lane_id = " + lane + " AND seq = 7") }, Missing, "kiosk-1", "complaint", 7},
		"drop one and say that the device still has it": {func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = " + lane + " AND seq = 7")
			s.sql("UPDATE lane SET first = 1, received = received - 1 WHERE id = " + lane)
			s.sql("INSERT INTO hole (lane_id, from_seq, to_seq, since_at) VALUES (" + lane + ", 7, 7, 1)")
		}, Missing, "kiosk-1", "complaint", 7},
		"drop a measurement": {func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = (SELECT id FROM lane WHERE device = 'kiosk-1' AND lane = 'telemetry') AND seq = 4")
		}, Removed, "kiosk-1", "telemetry", 0},
		"alter one": {func(s *site) {
			s.sql("UPDATE record SET line = replace(line, 'jalan-rusak', 'lampu-mati!') WHERE lane_id = " + lane + " AND seq = 7")
		}, Altered, "kiosk-1", "complaint", 7},
		"alter the newest that is signed": {func(s *site) {
			s.sql("UPDATE record SET line = replace(line, 'jalan-rusak', 'lampu-mati!') WHERE lane_id = " + lane + " AND seq = 20")
		}, Checkpoint, "kiosk-1", "complaint", 20},
		"alter one that is not signed yet": {func(s *site) {
			s.sql("UPDATE record SET line = replace(line, 'jalan-rusak', 'lampu-mati!') WHERE lane_id = " + lane + " AND seq = 22")
		}, Chain, "kiosk-1", "complaint", 22},
		"alter one and chain all behind it anew": {func(s *site) {
			s.rechain(lane, 7, func(r *report.Record) {
				r.Body = []byte(strings.Replace(string(r.Body), "jalan-rusak", "lampu-mati", 1))
			})
		}, Checkpoint, "kiosk-1", "complaint", 10},
		"alter the kind that the tables say": {func(s *site) {
			s.sql("UPDATE record SET kind = 'cancel' WHERE lane_id = " + lane + " AND seq = 7")
		}, Altered, "kiosk-1", "complaint", 7},
		"make one unreadable": {func(s *site) {
			s.sql("UPDATE record SET line = 'x' WHERE lane_id = " + lane + " AND seq = 7")
		}, Altered, "kiosk-1", "complaint", 7},
		"reorder two": {func(s *site) {
			for _, step := range [][2]int{{7, 1000}, {8, 7}, {1000, 8}} {
				s.sql("UPDATE record SET seq = ? WHERE lane_id = "+lane+" AND seq = ?", step[1], step[0])
			}
		}, Place, "kiosk-1", "complaint", 7},
		"double one": {func(s *site) {
			s.sql("UPDATE record SET line = (SELECT line FROM record WHERE lane_id = " + lane + " AND seq = 6) WHERE lane_id = " + lane + " AND seq = 7")
		}, Place, "kiosk-1", "complaint", 7},
		"double one at the end": {func(s *site) {
			s.sql("INSERT INTO record (lane_id, seq, received_at, kind, line) SELECT lane_id, 25, received_at, kind, line FROM record WHERE lane_id = " + lane + " AND seq = 24")
		}, Place, "kiosk-1", "complaint", 25},
		"move one to another device": {func(s *site) {
			s.sql("UPDATE record SET line = (SELECT r.line FROM record r JOIN lane l ON l.id = r.lane_id WHERE l.device = 'kiosk-2' AND l.lane = 'complaint' AND r.seq = 7) WHERE lane_id = " + lane + " AND seq = 7")
		}, Place, "kiosk-1", "complaint", 7},
		"truncate a lane": {func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = " + lane + " AND seq > 15")
			s.sql("UPDATE lane SET top = 15, next = 16, first = min(first, 16), received = 15 WHERE id = " + lane)
			s.sql("DELETE FROM checkpoint WHERE lane_id = " + lane + " AND seq > 15")
			s.sql("DELETE FROM receipt WHERE lane_id = " + lane + " AND seq > 15")
		}, Rollback, "kiosk-1", "complaint", 16},
		"truncate what no root has": {func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = " + lane + " AND seq > 21")
		}, Missing, "kiosk-1", "complaint", 22},
		"sign with another key": {func(s *site) {
			forger := devicetest.New(s.t, "kiosk-1", 0xe1, "forger")
			forger.Skip(report.Complaint, 20)
			s.sql("UPDATE checkpoint SET note = ? WHERE lane_id = "+lane+" AND seq = 20", string(forger.Checkpoint(report.Complaint)))
		}, Key, "kiosk-1", "complaint", 20},
		"chain anew, sign with another key and make that the device's": {func(s *site) {
			forger := devicetest.New(s.t, "kiosk-1", 0xe1, "forger")
			hashes := s.rechain(lane, 7, func(r *report.Record) {
				r.Body = []byte(strings.Replace(string(r.Body), "jalan-rusak", "lampu-mati", 1))
			})
			for _, seq := range []uint64{10, 20} {
				s.sql("UPDATE checkpoint SET note = ?, hash = ? WHERE lane_id = "+lane+" AND seq = ?", string(forger.CheckpointOf(report.Complaint, seq, hashes[seq])), hashes[seq].String(), seq)
			}
			s.sql("DELETE FROM receipt WHERE lane_id = " + lane)
			s.sql("UPDATE device_key SET verifier = ? WHERE device = 'kiosk-1'", forger.Key)
		}, Key, "kiosk-1", "", 0},
		"sign a receipt with another key": {func(s *site) {
			s.sql("UPDATE receipt SET note = replace(note, 'kentongan-centre', 'kentongan-centra') WHERE lane_id = " + lane)
		}, Receipt, "kiosk-1", "complaint", 10},
		"set the database back": {func(s *site) {
			old, err := os.ReadFile(s.file())
			if err != nil {
				s.t.Fatal(err)
			}
			s.open()
			s.records(s.one, report.Complaint, s.one.Press(), s.one.Press())
			s.root()
			s.close()
			for _, ext := range []string{"-wal", "-shm"} {
				_ = os.Remove(s.file() + ext)
			}
			if err := os.WriteFile(s.file(), old, 0o600); err != nil {
				s.t.Fatal(err)
			}
		}, Rollback, "kiosk-1", "complaint", 25},
		"set it far back, and let it go on": {func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = " + lane)
			s.sql("DELETE FROM checkpoint WHERE lane_id = " + lane)
			s.sql("DELETE FROM receipt WHERE lane_id = " + lane)
			s.sql("DELETE FROM lane WHERE id = " + lane)
			s.open()
			again := devicetest.New(s.t, "kiosk-1", 0xe1, "")
			s.records(again, report.Complaint, again.Press())
			s.now = s.now.Add(time.Hour)
			s.root()
			s.close()
		}, Roots, "", "", 0},
		"replace the database": {func(s *site) {
			other := newCentre(s.t)
			other.records(s.one, report.Complaint, s.one.Press())
			other.close()
			text, err := os.ReadFile(other.file())
			if err != nil {
				s.t.Fatal(err)
			}
			if err := os.WriteFile(s.file(), text, 0o600); err != nil {
				s.t.Fatal(err)
			}
		}, Rollback, "", "", 0},
		"remove a whole device": {func(s *site) {
			for _, table := range []string{"record", "checkpoint", "receipt", "gap", "hole", "conflict"} {
				s.sql("DELETE FROM " + table + " WHERE lane_id IN (SELECT id FROM lane WHERE device = 'kiosk-2')")
			}
			for _, table := range []string{"lane", "device_key", "complaint"} {
				s.sql("DELETE FROM " + table + " WHERE device = 'kiosk-2'")
			}
			s.sql("DELETE FROM device WHERE id = 'kiosk-2'")
		}, Removed, "kiosk-2", "complaint", 0},
		"remove a device's row of a lane": {func(s *site) {
			s.sql("DELETE FROM lane WHERE device = 'kiosk-2' AND lane = 'event'")
		}, Removed, "", "", 0},
		"remove the newest checkpoint": {func(s *site) {
			s.sql("DELETE FROM checkpoint WHERE lane_id = " + lane + " AND seq = 20")
		}, Checkpoint, "kiosk-1", "complaint", 20},
		"remove the newest checkpoint and its receipt": {func(s *site) {
			s.sql("DELETE FROM checkpoint WHERE lane_id = " + lane + " AND seq = 20")
			s.sql("DELETE FROM receipt WHERE lane_id = " + lane + " AND seq = 20")
		}, Checkpoint, "kiosk-1", "complaint", 20},
		"remove the device's key": {func(s *site) { s.sql("DELETE FROM device_key WHERE device = 'kiosk-1'") }, Key, "kiosk-1", "", 0},
		"forge a gap in the table": {func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = " + events + " AND seq = 7")
			s.sql("INSERT INTO gap (lane_id, from_seq, to_seq, count, reason, told_at) VALUES (" + events + ", 7, 7, 1, 'full', 1)")
		}, Gap, "kiosk-1", "event", 7},
		"forge a gap record": {func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = " + events + " AND seq = 7")
			g := s.one.Record(report.Event, report.KindGap, report.Gap{Lane: report.Event, Epoch: s.one.Epoch, From: 7, To: 7, Count: 1, Reason: report.GapFull})
			s.sql("INSERT INTO record (lane_id, seq, received_at, kind, line) VALUES ("+events+", ?, ?, 'gap', ?)", g.Seq, s.now.UnixMilli(), g.Line)
			s.sql("INSERT INTO gap (lane_id, from_seq, to_seq, count, reason, told_at) VALUES (" + events + ", 7, 7, 1, 'full', 1)")
		}, Gap, "kiosk-1", "event", 7},
		"forge a gap of complaints": {func(s *site) {
			s.sql("DELETE FROM record WHERE lane_id = " + lane + " AND seq = 23")
			g := s.one.Record(report.Event, report.KindGap, report.Gap{Lane: report.Complaint, Epoch: s.one.Epoch, From: 23, To: 23, Count: 1, Reason: report.GapFull})
			s.sql("INSERT INTO record (lane_id, seq, received_at, kind, line) VALUES ("+events+", ?, ?, 'gap', ?)", g.Seq, s.now.UnixMilli(), g.Line)
			s.sql("INSERT INTO gap (lane_id, from_seq, to_seq, count, reason, told_at) VALUES (" + lane + ", 23, 23, 1, 'full', 1)")
		}, Gap, "kiosk-1", "complaint", 23},
		"alter what the pages show": {func(s *site) {
			s.sql("UPDATE complaint SET service = 'lampu-mati' WHERE lane_id = " + lane + " AND seq = 7")
		}, Complaint, "kiosk-1", "complaint", 7},
		"hide a complaint": {func(s *site) { s.sql("DELETE FROM complaint WHERE lane_id = " + lane + " AND seq = 7") }, Complaint, "kiosk-1", "complaint", 7},
		"invent a complaint": {func(s *site) {
			s.sql("INSERT INTO complaint (device, lane_id, seq, ticket, category, service, label_id, label_en, line, presses, time_ms, clock, boot, uptime_ms, received_at) SELECT device, lane_id, 99, ticket || 'x', category, service, label_id, label_en, line, presses, time_ms, clock, boot, uptime_ms, received_at FROM complaint WHERE lane_id = " + lane + " AND seq = 7")
		}, Complaint, "kiosk-1", "complaint", 99},
		"cut the log of roots": {func(s *site) {
			text, err := os.ReadFile(s.rootsFile())
			if err != nil {
				s.t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			if err := os.WriteFile(s.rootsFile(), []byte(first+"\n"), 0o600); err != nil {
				s.t.Fatal(err)
			}
		}, Roots, "", "", 0},
		"take a root out of the log": {func(s *site) {
			text, err := os.ReadFile(s.rootsFile())
			if err != nil {
				s.t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(text), "\n")
			if err := os.WriteFile(s.rootsFile(), []byte(rest), 0o600); err != nil {
				s.t.Fatal(err)
			}
		}, Roots, "", "", 0},
		"alter a root": {func(s *site) {
			text, err := os.ReadFile(s.rootsFile())
			if err != nil {
				s.t.Fatal(err)
			}
			if err := os.WriteFile(s.rootsFile(), []byte(strings.Replace(string(text), "records 10", "records 09", 1)), 0o600); err != nil {
				s.t.Fatal(err)
			}
		}, Roots, "", "", 0},
		"remove the log of roots": {func(s *site) {
			if err := os.Remove(s.rootsFile()); err != nil {
				s.t.Fatal(err)
			}
		}, Roots, "", "", 0},
	}
	good := newSite(t)
	good.close()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := good.fork(t)
			tt.tamper(s)
			r := s.verify()
			found := false
			for _, f := range r.All() {
				if f.Fault == tt.fault && f.Device == tt.device && f.Lane == tt.lane && (f.Seq == tt.seq || tt.seq == 0) {
					found = true
					if f.Text.ID == "" || f.Text.EN == "" || f.Detail == "" {
						t.Errorf("%+v says nothing", f)
					}
				}
				if f.Device == "kiosk-2" && tt.device == "kiosk-1" {
					t.Errorf("the other device is blamed: %s", f)
				}
			}
			if !found {
				t.Errorf("want %s in %s/%s at %d; found:", tt.fault, tt.device, tt.lane, tt.seq)
				for _, f := range r.All() {
					t.Error(f)
				}
			}
		})
	}
}

// rechain alters a record and gives all behind it the hashes that follow.
func (s *site) rechain(lane string, seq uint64, alter func(*report.Record)) map[uint64]report.Hash {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+s.file())
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // the statements tell
	hashes := map[uint64]report.Hash{}
	for n := seq; ; n++ {
		var line []byte
		if err := db.QueryRow("SELECT line FROM record WHERE lane_id = "+lane+" AND seq = ?", n).Scan(&line); err != nil {
			break
		}
		r, err := report.DecodeRecord(line)
		if err != nil {
			s.t.Fatal(err)
		}
		if n == seq {
			alter(&r)
		} else {
			before := hashes[n-1]
			r.Prev = &before
		}
		if line, err = r.Encode(); err != nil {
			s.t.Fatal(err)
		}
		hashes[n] = report.HashLine(line)
		if _, err := db.Exec("UPDATE record SET line = ? WHERE lane_id = "+lane+" AND seq = ?", line, n); err != nil {
			s.t.Fatal(err)
		}
	}
	return hashes
}
