package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
)

// people is the room access of a store, as of before its log named accounts by their
// ids: one line is of that time.
func people(t *testing.T, s *Store) *access.Room {
	t.Helper()
	ctx := context.Background()
	old, err := json.Marshal([]any{"", 1, 1000, "tua", "", "login", "password", "", "192.0.2.1", "done"})
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(old)
	c := s.conn.(migrated)
	if _, err := c.begin(ctx); err != nil {
		t.Fatal(err)
	}
	err = c.script(ctx, `ALTER TABLE access_log DROP COLUMN account;
		INSERT INTO access_log (seq, at_ms, name, agency, action, object, detail, addr, outcome, hash) VALUES (1, 1000, 'tua', '', 'login', 'password', '', '192.0.2.1', 'done', '`+hex.EncodeToString(hash[:])+`');`)
	if err := errors.Join(err, c.commit(ctx)); err != nil {
		t.Fatal(err)
	}
	for i, m := range migrations {
		if m.both != accessLogSchema {
			continue
		}
		if err := errors.Join(migrateTo(ctx, c, s.d, i+1), c.setVersion(ctx, len(migrations))); err != nil {
			t.Fatal(err)
		}
	}
	read, edit := s.Tables()
	room, err := access.New(access.Config{Read: read, Edit: edit, Cost: access.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return room
}

// pressed is the ticket of a complaint.
func pressed(t *testing.T, s *Store) string {
	t.Helper()
	ticket := report.NewTicket(7, 1).String()
	commit(t, s, batch("kiosk-7", report.Complaint, 1, 2, rec(t, "kiosk-7", report.Complaint, 1, report.KindPress, report.Press{Ticket: ticket, Line: "GPIO17"})))
	return ticket
}

func person(t *testing.T, room *access.Room, name, full string, role access.Role) access.Account {
	t.Helper()
	a, err := room.Add(context.Background(), access.Account{Name: name, FullName: full, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// eraseBy erases an account as the page does.
func eraseBy(s *Store, room *access.Room, by, a access.Account) error {
	return s.EraseAccount(context.Background(), a.ID, access.Mark(a.ID), func(ctx context.Context, tx Tx) error {
		return room.EraseIn(ctx, tx, a.ID, access.Entry{Account: by.ID, Action: "user-erase", Object: "/users/" + a.ID + "/erase", Detail: "reason: x"})
	})
}

// Of an account that was erased no name is left, in no table and of SQLite in no file:
// who it was is out at once, and the access log is whole, with lines of an earlier
// version, and tells who comes after under the same name from it.
func TestErasedAccountIsGone(t *testing.T) { onEach(t, testErasedAccountIsGone) }

func testErasedAccountIsGone(t *testing.T, place func(testing.TB) string) {
	ctx := context.Background()
	where := place(t)
	s := open(t, where)
	room := people(t, s)
	sari, budi := person(t, room, "sari-w", "Sari Wulandari", access.Admin), person(t, room, "budi", "Budi Santoso", access.Admin)
	const password = "kuda baterai jepit benar"
	if err := room.SetPassword(ctx, sari.ID, password, ""); err != nil {
		t.Fatal(err)
	}
	token, _, err := room.Login(ctx, "sari-w", password, access.From{Addr: "192.0.2.77", Label: "peramban-sari"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := room.NewToken(ctx, sari.ID, "program-sari", access.MaxTokenLife); err != nil {
		t.Fatal(err)
	}
	if _, err := s.edit.ExecContext(ctx, `INSERT INTO passkey (id, account, label, doc, created_at, used_at) VALUES ('k', ?, 'ponsel-sari', '{}', 1, 1)`, sari.ID); err != nil {
		t.Fatal(err)
	}
	ticket := pressed(t, s)
	if err := s.SetTicket(ctx, "kiosk-7", ticket, TicketState{State: report.TicketDone, At: t0, Who: "Sari Wulandari"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddOrder(ctx, Order{ID: "a1", Device: "kiosk-7", Name: report.OrderTicket, Subject: ticket, Who: "Sari Wulandari", Expires: t0.AddDate(0, 0, 1), Asked: t0}, func(uint64) ([]byte, error) { return []byte("signed"), nil }); err != nil {
		t.Fatal(err)
	}
	note := func(a access.Account) {
		t.Helper()
		if err := room.Note(ctx, access.Entry{Account: a.ID, Action: "picture", Object: "/pictures/x"}); err != nil {
			t.Fatal(err)
		}
	}
	note(sari)

	if err := eraseBy(s, room, budi, sari); !errors.Is(err, access.ErrOnlyWayIn) {
		t.Fatalf("while the other admin has not come in yet: %v", err)
	}
	if _, err := s.edit.ExecContext(ctx, `INSERT INTO passkey (id, account, label, doc, created_at, used_at) VALUES ('k2', ?, 'kunci', '{}', 1, 1)`, budi.ID); err != nil {
		t.Fatal(err)
	}
	if err := eraseBy(s, room, budi, sari); err != nil {
		t.Fatal(err)
	}
	if _, err := room.Session(ctx, token, true); !errors.Is(err, access.ErrNoSession) {
		t.Errorf("the session of the erased account: %v", err)
	}
	if err := eraseBy(s, room, budi, sari); !errors.Is(err, access.ErrNoOne) {
		t.Errorf("once more: %v", err)
	}
	if err := eraseBy(s, room, budi, budi); !errors.Is(err, access.ErrOnlyWayIn) {
		t.Errorf("the last admin: %v", err)
	}
	var traces [][]byte
	for _, said := range []string{"sari-w", "Sari Wulandari", "-sari", "$argon2id$", "192.0.2.77"} {
		traces = append(traces, []byte(said))
	}
	if strings.HasPrefix(where, "postgres:") {
		searchText(t, s, traces)
		for _, table := range []string{"account", "passkey", "access_session", "access_log"} {
			for _, trace := range traces {
				var n int
				if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM `+table+` r WHERE position(? IN r::text) > 0`, string(trace)).Scan(&n); err != nil || n != 0 {
					t.Errorf("%d rows of %s hold %q (%v)", n, table, trace, err)
				}
			}
		}
	} else {
		searchFiles(t, where, traces)
	}

	after := person(t, room, "sari-w", "", access.Viewer)
	note(after)
	list, err := room.Journal(ctx, "", "", 0, 10)
	if err != nil || len(list) != 4 {
		t.Fatal(list, err)
	}
	for i, want := range []struct {
		name, mark string
		erased     bool
	}{{"sari-w", access.Mark(after.ID), false}, {"budi", access.Mark(budi.ID), false}, {"", access.Mark(sari.ID), true}, {"tua", "", false}} {
		if e := list[i]; e.Name != want.name || e.Mark() != want.mark || e.Erased() != want.erased {
			t.Errorf("line %d: %+v, want %+v", e.Seq, e, want)
		}
	}
	for who, want := range map[string]int{"sari-w": 1, strings.TrimPrefix(access.Mark(sari.ID), "#"): 1, "tua": 1} {
		if list, err := room.Journal(ctx, who, "", 0, 10); err != nil || len(list) != want {
			t.Errorf("lines of %s: %+v, %v; want %d", who, list, err, want)
		}
	}
	if whole, broken, _, err := room.Check(ctx); whole != 4 || broken != 0 || err != nil {
		t.Errorf("the chain: %d whole, %d broken, %v", whole, broken, err)
	}
	if _, err := s.edit.ExecContext(ctx, `UPDATE access_log SET account = ? WHERE seq = 2`, budi.ID); err != nil {
		t.Fatal(err)
	}
	if _, broken, _, err := room.Check(ctx); broken != 2 || err != nil {
		t.Errorf("a line given to somebody else: %d broken, %v; want 2", broken, err)
	}
}

// Of two admins who take each other away at the same time, one is left: the page
// erases one while the command line, beside it, makes a viewer of the other.
func TestAccountErasedBesideAChange(t *testing.T) { onEach(t, testAccountErasedBesideAChange) }

func testAccountErasedBesideAChange(t *testing.T, place func(testing.TB) string) {
	ctx, where := t.Context(), place(t)
	s := open(t, where)
	room := people(t, s)
	sari, budi := person(t, room, "sari", "", access.Admin), person(t, room, "budi", "", access.Admin)
	ticket := pressed(t, s)
	if err := room.SetPassword(ctx, sari.ID, "kuda baterai jepit benar", ""); err != nil {
		t.Fatal(err)
	}
	postgres := strings.HasPrefix(where, "postgres:") // of SQLite, all that comes waits for our lock
	beside, err := Open(where, slog.New(slog.DiscardHandler))
	if postgres {
		beside, err = OpenPostgresBeside(where, "", slog.New(slog.DiscardHandler))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close() //nolint:errcheck // the test is over
	read, edit := beside.Tables()
	other, err := access.New(access.Config{Read: read, Edit: edit, Cost: access.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	sari.Role = access.Viewer
	changed := make(chan error, 1)
	err = s.EraseAccount(ctx, budi.ID, access.Mark(budi.ID), func(ctx context.Context, tx Tx) error {
		if err := room.EraseIn(ctx, tx, budi.ID, access.Entry{Account: sari.ID, Action: "user-erase"}); err != nil {
			return err
		}
		if postgres { // somebody who has the name in memory writes it now
			if err := beside.SetTicket(ctx, "kiosk-7", ticket, TicketState{State: report.TicketDone, At: t0, Who: "budi"}); err != nil {
				return err
			}
		}
		go func() { changed <- other.Change(ctx, sari) }()
		for waiting := 0; postgres && waiting == 0 && len(changed) == 0; {
			if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-changed; !errors.Is(err, access.ErrLastOne) {
		t.Errorf("the other admin: %v, want %v", err, access.ErrLastOne)
	}
	if n := namedIn(t, s, "budi"); n != 0 {
		t.Errorf("the name that was written meanwhile stands beside %d statuses", n)
	}
	budi.FullName = "Budi"
	if err := other.Change(ctx, budi); !errors.Is(err, access.ErrNoOne) {
		t.Errorf("a change of the erased one: %v", err)
	}
}

// What somebody under way had in memory, and wrote after the name was taken out, is
// taken out by the upkeep, but not what another person of the same name did.
func TestNameWrittenLate(t *testing.T) {
	s := open(t, t.TempDir())
	room := people(t, s)
	budi, sari := person(t, room, "budi", "Budi Santoso", access.Viewer), person(t, room, "sari", "Sari Wulandari", access.Viewer)
	for _, a := range []access.Account{budi, sari} {
		if err := eraseBy(s, room, access.Account{}, a); err != nil {
			t.Fatal(err)
		}
	}
	person(t, room, "sari2", "Sari Wulandari", access.Viewer)
	soon, late := time.Now(), time.Now().Add(time.Hour)
	ticket := pressed(t, s)
	for n, step := range []struct {
		who   string
		at    time.Time
		stays int
	}{
		{"Sari Wulandari", soon, 1},
		{"Budi Santoso", soon, 0},
		{"Budi Santoso", late, 0}, // more may have come since
		{"Budi Santoso", late, 1}, // it is forgotten here, too
	} {
		if err := s.SetTicket(t.Context(), "kiosk-7", ticket, TicketState{State: report.TicketDone, At: t0.Add(time.Duration(n) * time.Minute), Who: step.who}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Prune(t.Context(), Retention{}, step.at); err != nil {
			t.Fatal(err)
		}
		if n := namedIn(t, s, step.who); n != step.stays {
			t.Errorf("%s stands beside %d statuses, want %d", step.who, n, step.stays)
		}
	}
}

func namedIn(t *testing.T, s *Store, who string) (n int) {
	t.Helper()
	if err := s.read.QueryRowContext(t.Context(), `SELECT count(*) FROM complaint_status WHERE who = ?`, who).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A name that two accounts show stays beside what was done: nobody can tell whose it is.
func TestNameOfTwoStays(t *testing.T) {
	s := open(t, t.TempDir())
	room := people(t, s)
	budi, other := person(t, room, "budi", "Budi Santoso", access.Admin), person(t, room, "budi2", "Budi Santoso", access.Viewer)
	ticket := pressed(t, s)
	if err := s.SetTicket(t.Context(), "kiosk-7", ticket, TicketState{State: report.TicketDone, At: t0, Who: "Budi Santoso"}); err != nil {
		t.Fatal(err)
	}
	if err := eraseBy(s, room, budi, other); err != nil {
		t.Fatal(err)
	}
	var who string
	if err := s.read.QueryRowContext(t.Context(), `SELECT who FROM complaint_status`).Scan(&who); err != nil || who != "Budi Santoso" {
		t.Errorf("%q, %v", who, err)
	}
}
