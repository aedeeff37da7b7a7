// Package storetest opens a centre's database for a test.
package storetest

import (
	"log/slog"
	"testing"

	"kentongan/cmd/kentongan-centre/internal/store"
)

// Open opens a new database in SQLite, without a log, and closes it when the test is
// over: behind whatever the test itself defers, and registers later.
func Open(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}
