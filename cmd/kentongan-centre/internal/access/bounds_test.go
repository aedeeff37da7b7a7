package access

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kentongan/cmd/kentongan-centre/internal/store/storetest"
)

// Who only begins to log in with a passkey, again and again, keeps nobody out: the
// one who asked last is answered, and who registers a passkey.
func TestUnansweredCeremoniesKeepNobodyOut(t *testing.T) {
	c, now := newCeremonies(), time.Unix(2e9, 0)
	registers := c.put(now, ceremony{account: "sari"})
	first := c.put(now, ceremony{})
	for n := range maxCeremonies {
		c.put(now.Add(time.Duration(n+1)*time.Millisecond), ceremony{})
	}
	now = now.Add(2 * time.Second)
	mine := c.put(now, ceremony{})
	if len(c.waiting) != maxCeremonies+1 {
		t.Errorf("%d wait, want %d and the registration", len(c.waiting), maxCeremonies)
	}
	if _, ok := c.take(now, first); ok {
		t.Error("the oldest still waits")
	}
	if _, ok := c.take(now, mine); !ok {
		t.Error("the newest does not wait")
	}
	if one, ok := c.take(now, registers); !ok || one.account != "sari" {
		t.Errorf("the registration: %+v, %v", one, ok)
	}
}

// What strangers write is remembered in short: a name that is tried. Of what is looked
// at nothing is cut off: two queries may begin alike.
func TestLongWordsTakeNoMemory(t *testing.T) {
	st := storetest.Open(t)
	read, edit := st.Tables()
	r, err := New(Config{Read: read, Edit: edit, Cost: Cost{MemoryKiB: 64, Passes: 1, Threads: 1}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 15<<10)
	for n := range 3 {
		if _, err := r.Confirm(t.Context(), fmt.Sprint(n)+long, "wrong", From{Addr: "192.0.2.7"}); err != ErrLogin {
			t.Errorf("log-in: %v", err)
		}
		if err := r.Look(t.Context(), Entry{Name: "sari", Action: "complaints", Object: fmt.Sprint("/complaints?q=", long, n)}); err != nil {
			t.Error(err)
		}
	}
	if len(r.byName.at) != 3 || len(r.looked) != 3 {
		t.Errorf("%d names and %d looks are remembered, want 3 of each", len(r.byName.at), len(r.looked))
	}
	for name := range r.byName.at {
		if len(name) > 100 {
			t.Errorf("a name of %d bytes is remembered", len(name))
		}
	}
	if list, err := r.Journal(t.Context(), "sari", "complaints", 0, 10); err != nil || len(list) != 3 {
		t.Errorf("%d looks are written down, want 3: %v", len(list), err)
	}
}
