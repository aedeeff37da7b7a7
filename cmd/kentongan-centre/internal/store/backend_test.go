package store

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"kentongan/cmd/kentongan-centre/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// backends are the databases that every test of the store runs on. place makes an
// empty one, which open opens.
var backends = []struct {
	name  string
	place func(t testing.TB) string
}{
	{"SQLite", func(t testing.TB) string { return t.TempDir() }},
	{"PostgreSQL", pgtest.URL},
}

// onEach runs a test on each database, beside the other tests.
func onEach(t *testing.T, test func(t *testing.T, place func(testing.TB) string)) {
	t.Helper()
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			test(t, b.place)
		})
	}
}

// open opens a directory or a PostgreSQL URL.
func open(t testing.TB, place string) *Store {
	t.Helper()
	s, err := openPlace(place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some tests close it themselves
	return s
}

func openPlace(place string) (*Store, error) {
	log := slog.New(slog.DiscardHandler)
	if strings.HasPrefix(place, "postgres:") {
		return OpenPostgres(place, "", log)
	}
	return Open(place, log)
}
