package console_test

import (
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// tokens are, by host, what requests of these tests come in with when they don't
// say otherwise: an admin of the province.
var tokens sync.Map

// nobody is a header that makes a request come in as nobody.
var nobody = []string{"Authorization", "none"}

type asAdmin struct{ http.RoundTripper }

func (a asAdmin) RoundTrip(r *http.Request) (*http.Response, error) {
	if token, ok := tokens.Load(r.URL.Host); ok && r.Header.Get("Authorization") == "" && !strings.Contains(r.Header.Get("Cookie"), "kentongan") {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+token.(string))
	}
	return a.RoundTripper.RoundTrip(r)
}

func TestMain(m *testing.M) {
	http.DefaultTransport = asAdmin{http.DefaultTransport}
	os.Exit(m.Run())
}

// cheap is for tests: what is proven there is not how long a password takes.
var cheap = access.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}

// openRoom is a room over a store, and a token of an admin called Sari.
func openRoom(t testing.TB, st *store.Store, now func() time.Time) (*access.Room, string) {
	t.Helper()
	read, edit := st.Tables()
	room, err := access.New(access.Config{Read: read, Edit: edit, Cost: cheap, Now: now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a := account(t, room, access.Account{Name: "sari", FullName: "Sari Wulandari", Role: access.Admin})
	token, err := room.NewToken(t.Context(), a.ID, "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return room, token
}

func account(t testing.TB, room *access.Room, a access.Account) access.Account {
	t.Helper()
	a, err := room.Add(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// browse lets an account in as a browser does, and gives its cookie.
func browse(t testing.TB, room *access.Room, name string) string {
	t.Helper()
	a, err := room.Named(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	link, err := room.Link(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := room.Follow(t.Context(), link, access.From{Addr: "127.0.0.1", Label: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// enter logs a browser in.
func (b *browser) enter(url string, room *access.Room, name string) {
	b.T.Helper()
	b.Call(nil, "Network.setCookie", map[string]any{"name": "kentongan", "value": browse(b.T, room, name), "url": url, "httpOnly": true, "sameSite": "Lax"})
}
