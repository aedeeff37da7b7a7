package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
	"kentongan/cmd/kentongan-centre/internal/store/storetest"
)

const passphrase = "kuda baterai jepit benar"

type rig struct {
	*access.Room
	st  *store.Store
	now time.Time
}

func open(t testing.TB) *rig {
	t.Helper()
	st := storetest.Open(t)
	r := &rig{st: st, now: time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)}
	read, edit := st.Tables()
	var err error
	r.Room, err = access.New(access.Config{Read: read, Edit: edit, Cost: access.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) add(t testing.TB, name string, role access.Role) access.Account {
	t.Helper()
	a, err := r.Add(t.Context(), access.Account{Name: name, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (r *rig) withPassword(t *testing.T, name string) access.Account {
	t.Helper()
	a := r.add(t, name, access.Operator)
	if err := r.SetPassword(t.Context(), a.ID, passphrase, ""); err != nil {
		t.Fatal(err)
	}
	return a
}

var here = access.From{Addr: "192.0.2.7", Label: "test"}

func TestLogin(t *testing.T) {
	r := open(t)
	a := r.withPassword(t, "sari")
	r.add(t, "budi", access.Viewer) // has no password yet
	token, got, err := r.Login(t.Context(), "sari", passphrase, here)
	if err != nil || got.ID != a.ID {
		t.Fatalf("%+v, %v", got, err)
	}
	s, err := r.Session(t.Context(), token, true)
	if err != nil || s.Account.Name != "sari" || s.Kind != access.Browser {
		t.Fatalf("session %+v, %v", s, err)
	}
	for name, password := range map[string]string{"sari": passphrase + "x", "budi": "", "nobody": passphrase} {
		if _, _, err := r.Login(t.Context(), name, password, access.From{Addr: name}); !errors.Is(err, access.ErrLogin) {
			t.Errorf("%s with %q: %v", name, password, err)
		}
	}
	got.Disabled = true
	if err := r.Change(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Session(t.Context(), token, true); !errors.Is(err, access.ErrNoSession) {
		t.Errorf("the session of a disabled account: %v", err)
	}
	if _, _, err := r.Login(t.Context(), "sari", passphrase, here); !errors.Is(err, access.ErrLogin) {
		t.Errorf("a disabled account logs in: %v", err)
	}
}

func TestAttemptsAreLimited(t *testing.T) {
	r := open(t)
	r.withPassword(t, "sari")
	var last error
	for n := range 6 {
		_, _, last = r.Login(t.Context(), "sari", "wrong", access.From{Addr: fmt.Sprint("192.0.2.", n)})
	}
	if !errors.Is(last, access.ErrSlow) {
		t.Fatalf("the sixth attempt on one name from six addresses: %v", last)
	}
	if _, _, err := r.Login(t.Context(), "sari", passphrase, here); !errors.Is(err, access.ErrSlow) {
		t.Errorf("the right password while the name is limited: %v", err)
	}
	r.now = r.now.Add(30 * time.Second)
	if _, _, err := r.Login(t.Context(), "sari", passphrase, here); err != nil {
		t.Errorf("half a minute later: %v", err)
	}
	for n := range 21 {
		_, _, last = r.Login(t.Context(), fmt.Sprint("name", n), "wrong", access.From{Addr: "203.0.113.1"})
	}
	if !errors.Is(last, access.ErrSlow) {
		t.Errorf("the 21st name from one address: %v", last)
	}
}

func TestSessionsEnd(t *testing.T) {
	tests := map[string]struct {
		do   func(t *testing.T, r *rig, a access.Account, token string)
		ends bool
	}{
		"used at once": {func(*testing.T, *rig, access.Account, string) {}, false},
		"left alone": {func(_ *testing.T, r *rig, _ access.Account, _ string) {
			r.now = r.now.Add(access.DefaultIdle + time.Second)
		}, true},
		"page by itself": {func(t *testing.T, r *rig, _ access.Account, token string) {
			for range 3 {
				r.now = r.now.Add(access.DefaultIdle/2 - time.Second)
				_, _ = r.Session(t.Context(), token, false)
			}
		}, true},
		"used all the time": {func(t *testing.T, r *rig, _ access.Account, token string) {
			for range 5 {
				r.now = r.now.Add(time.Hour)
				_, _ = r.Session(t.Context(), token, true)
			}
		}, false},
		"used for too long": {func(t *testing.T, r *rig, _ access.Account, token string) {
			for range 12 {
				r.now = r.now.Add(time.Hour)
				_, _ = r.Session(t.Context(), token, true)
			}
		}, true},
		"logged out": {func(t *testing.T, r *rig, a access.Account, token string) {
			s, err := r.Session(t.Context(), token, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.End(t.Context(), a.ID, s.Hash); err != nil {
				t.Fatal(err)
			}
		}, true},
		"revoked": {func(t *testing.T, r *rig, a access.Account, _ string) {
			if err := r.EndAll(t.Context(), a.ID); err != nil {
				t.Fatal(err)
			}
		}, true},
		"new password": {func(t *testing.T, r *rig, a access.Account, _ string) {
			if err := r.SetPassword(t.Context(), a.ID, "another four words here", ""); err != nil {
				t.Fatal(err)
			}
		}, true},
		"swept": {func(t *testing.T, r *rig, _ access.Account, _ string) {
			if err := r.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			a := r.withPassword(t, "sari")
			token, _, err := r.Login(t.Context(), "sari", passphrase, here)
			if err != nil {
				t.Fatal(err)
			}
			tt.do(t, r, a, token)
			if _, err := r.Session(t.Context(), token, true); (err != nil) != tt.ends {
				t.Errorf("session: %v; want it over: %v", err, tt.ends)
			}
		})
	}
}

func TestLinkWorksOnce(t *testing.T) {
	r := open(t)
	a := r.add(t, "sari", access.Admin)
	first, err := r.Link(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Link(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Session(t.Context(), second, true); !errors.Is(err, access.ErrNoSession) {
		t.Errorf("a link is a session: %v", err)
	}
	if _, err := r.Peek(t.Context(), second, here); err != nil {
		t.Errorf("looking at it uses it up: %v", err)
	}
	if _, _, err := r.Follow(t.Context(), first, here); !errors.Is(err, access.ErrExpired) {
		t.Errorf("the link before the newest: %v", err)
	}
	if _, _, err := r.Follow(t.Context(), second, here); err != nil {
		t.Errorf("first use: %v", err)
	}
	if _, _, err := r.Follow(t.Context(), second, here); !errors.Is(err, access.ErrExpired) {
		t.Errorf("second use: %v", err)
	}
	third, err := r.Link(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(access.LinkLife)
	if _, _, err := r.Follow(t.Context(), third, here); !errors.Is(err, access.ErrExpired) {
		t.Errorf("a day later: %v", err)
	}
}

func TestPasswordsThatAreNotTaken(t *testing.T) {
	r := open(t)
	a := r.add(t, "sari", access.Viewer)
	for password, want := range map[string]error{
		"":                         access.ErrShort,
		"empat belas hu":           access.ErrShort,
		strings.Repeat("ab ", 100): access.ErrShort,
		"aaaaaaaaaaaaaaaaaaaa":     access.ErrSimple,
		"abababababababababab":     access.ErrSimple,
		"SARI sari sendirian":      access.ErrSimple,
		"my password is this one":  access.ErrSimple,
		"not valid \xff utf8 here": access.ErrShort,
		passphrase:                 nil,
	} {
		if err := r.SetPassword(t.Context(), a.ID, password, ""); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", password, err, want)
		}
	}
}

func TestAccountsThatAreNotMade(t *testing.T) {
	r := open(t)
	r.add(t, "sari", access.Admin)
	for name, tt := range map[string]struct {
		a    access.Account
		want error
	}{
		"taken":              {access.Account{Name: "sari", Role: access.Viewer}, access.ErrTaken},
		"capital":            {access.Account{Name: "Sari", Role: access.Viewer}, access.ErrName},
		"too short":          {access.Account{Name: "s", Role: access.Viewer}, access.ErrName},
		"no role":            {access.Account{Name: "budi", Role: ""}, access.ErrRole},
		"role of its own":    {access.Account{Name: "budi", Role: "root"}, access.ErrRole},
		"admin of an agency": {access.Account{Name: "budi", Role: access.Admin, Agency: "dishub"}, access.ErrRole},
		"no such agency":     {access.Account{Name: "budi", Role: access.Viewer, Agency: "dishub"}, access.ErrNoAgency},
		"name with a line":   {access.Account{Name: "budi", FullName: "a\nb", Role: access.Viewer}, access.ErrFullName},
	} {
		if _, err := r.Add(t.Context(), tt.a); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

// Whatever an admin does, one who can do the same again is left.
func TestLastAdminStays(t *testing.T) {
	r := open(t)
	a, b := r.add(t, "sari", access.Admin), r.add(t, "budi", access.Admin)
	b.Role = access.Viewer
	if err := r.Change(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*access.Account){"another role": func(a *access.Account) { a.Role = access.Approver }, "disabled": func(a *access.Account) { a.Disabled = true }} {
		c := a
		change(&c)
		if err := r.Change(t.Context(), c); !errors.Is(err, access.ErrLastOne) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRolesMay(t *testing.T) {
	for _, tt := range []struct {
		have, need access.Role
		want       bool
	}{
		{access.Viewer, access.Viewer, true}, {access.Viewer, access.Operator, false}, {access.Operator, access.Viewer, true},
		{access.Approver, access.Operator, true}, {access.Approver, access.Admin, false}, {access.Admin, access.Approver, true},
		{access.Nobody, access.Nobody, true}, {access.Nobody, access.Viewer, false}, {"root", access.Nobody, false},
	} {
		if got := tt.have.May(tt.need); got != tt.want {
			t.Errorf("%q may what needs %q: %v", tt.have, tt.need, got)
		}
	}
}

// What was changed, taken out or put in is found, at its number.
func TestAccessLogIsChained(t *testing.T) {
	for name, tt := range map[string]struct {
		tamper string
		broken int64
	}{
		"whole":         {`SELECT 1`, 0},
		"changed":       {`UPDATE access_log SET name = 'budi' WHERE seq = 4`, 4},
		"given away":    {`UPDATE access_log SET account = 'budi' WHERE seq = 5`, 5},
		"taken out":     {`DELETE FROM access_log WHERE seq = 4`, 4},
		"put in anew":   {`UPDATE access_log SET hash = '` + strings.Repeat("0", 64) + `' WHERE seq = 7`, 7},
		"two exchanged": {`UPDATE access_log SET seq = CASE seq WHEN 3 THEN -4 ELSE -3 END WHERE seq IN (3, 4); UPDATE access_log SET seq = -seq WHERE seq < 0`, 3},
		"first gone":    {`DELETE FROM access_log WHERE seq = 1`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t)
			for n := range 9 {
				if err := r.Note(t.Context(), access.Entry{Account: "sari", Action: "picture", Object: fmt.Sprint("/pictures/", n), Addr: "192.0.2.7"}); err != nil {
					t.Fatal(err)
				}
			}
			_, edit := r.st.Tables()
			if _, err := edit.ExecContext(t.Context(), tt.tamper); err != nil {
				t.Fatal(err)
			}
			_, broken, _, err := r.Check(t.Context())
			if err != nil || broken != tt.broken {
				t.Errorf("first broken %d, %v; want %d", broken, err, tt.broken)
			}
		})
	}
}

// A page that refreshes itself is one look.
func TestLooksAreWrittenOnceInAWhile(t *testing.T) {
	r := open(t)
	for range 5 {
		if err := r.Look(t.Context(), access.Entry{Name: "sari", Action: "complaints", Object: "/complaints"}); err != nil {
			t.Fatal(err)
		}
	}
	r.now = r.now.Add(11 * time.Minute)
	if err := r.Look(t.Context(), access.Entry{Name: "sari", Action: "complaints", Object: "/complaints"}); err != nil {
		t.Fatal(err)
	}
	list, err := r.Journal(context.Background(), "sari", "", 0, 100)
	if err != nil || len(list) != 2 {
		t.Errorf("%d lines, %v; want 2", len(list), err)
	}
}
