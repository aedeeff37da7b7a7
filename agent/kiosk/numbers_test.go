package kiosk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kentongan/agent/report"
)

// No two tickets of a kiosk are the same: not after a restart, and not after the
// spool was made anew.
func TestTicketsStayUnique(t *testing.T) {
	dir := t.TempDir()
	given := map[string]string{}
	issue := func(run string, n *numbers, from, to uint64) {
		for seq := from; seq <= to; seq++ {
			ticket := n.ticket(seq).String()
			if before, ok := given[ticket]; ok && before != run {
				t.Fatalf("%s: ticket %s was given out in %s", run, ticket, before)
			}
			given[ticket] = run
			if err := n.reserve(seq); err != nil {
				t.Fatal(err)
			}
		}
	}
	open := func(epoch report.Epoch, next uint64) *numbers {
		n, err := openNumbers(dir, save, 7, epoch, next)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	issue("first", open(1, 1), 1, 3000)
	issue("first after a restart", open(1, 3001), 3001, 3100)
	issue("new spool", open(2, 1), 1, 3000)
	issue("new spool again", open(3, 1), 1, 10)
	if n, err := openNumbers(dir, save, 8, 3, 11); err != nil || n.base != 0 {
		t.Errorf("another number begins at %d, %v; want 0", n.base, err)
	}
}

func TestSeqOfTicket(t *testing.T) {
	n := &numbers{number: 7, base: 5000}
	for _, next := range []uint64{1, 2, 500, 1 << 20, 1<<20 + 5000, 3 << 20} {
		for _, back := range []uint64{1, 2, 77, 400_000} {
			if back >= next {
				continue
			}
			seq := next - back
			if got, ok := n.seqOf(n.ticket(seq), next); !ok || got != seq {
				t.Errorf("next %d: the ticket of %d is of %d, %v", next, seq, got, ok)
			}
		}
	}
	if _, ok := n.seqOf(n.ticket(10), 10); ok {
		t.Error("a ticket that was not given out yet has a record")
	}
	if _, ok := n.seqOf(report.NewTicket(7, 4000), 10); ok {
		t.Error("a ticket of the store before has a record in this one")
	}
	if _, ok := n.seqOf(report.NewTicket(8, 5001), 10); ok {
		t.Error("another kiosk's ticket has a record here")
	}
}

func TestPIN(t *testing.T) {
	dir := t.TempDir()
	n, err := openNumbers(dir, save, 7, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	one, two := n.ticket(1), n.ticket(2)
	pin := n.pinOf(one)
	if len(pin) != 4 || pin == n.pinOf(two) {
		t.Errorf("PINs %q and %q", pin, n.pinOf(two))
	}
	if !n.pinFits(one, " "+pin[:2]+"-"+pin[2:]) || n.pinFits(two, pin) || n.pinFits(one, "") || n.pinFits(one, "0000000") {
		t.Error("a PIN fits what it should not, or the other way round")
	}
	again, err := openNumbers(dir, save, 7, 1, 2)
	if err != nil || again.pinOf(one) != pin {
		t.Errorf("after a restart the PIN is %q, %v; want %q", again.pinOf(one), err, pin)
	}
	if st, err := os.Stat(filepath.Join(dir, pinFile)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key file %v, %v", st, err)
	}
	if none, _ := openNumbers("", save, 7, 1, 1); none.pinOf(one) != "" || none.pinFits(one, "") {
		t.Error("without a key there is a PIN")
	}
}

// Without the key of the PINs the tickets that were given out are known all the same, and
// stay so.
func TestTicketsStayUniqueWithoutTheKeyOfThePINs(t *testing.T) {
	dir := t.TempDir()
	if _, err := openNumbers(dir, save, 7, 1, 1); err != nil {
		t.Fatal(err)
	}
	before, err := openNumbers(dir, save, 7, 2, 1) // the spool was made anew
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, pinFile)
	if err := errors.Join(os.Remove(key), os.Mkdir(key, 0o700)); err != nil { // reading it fails
		t.Fatal(err)
	}
	for range 2 {
		n, err := openNumbers(dir, save, 7, 2, 1)
		if err == nil {
			t.Fatal("a key that can't be read is no error")
		}
		if n.base != before.base || n.pin != nil {
			t.Errorf("tickets count from %d, want %d", n.base, before.base)
		}
	}
}

func TestNumbersSurviveABadFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, numbersFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := openNumbers(dir, save, 7, 1, 5)
	if err == nil {
		t.Error("a bad file is no error")
	}
	if n.ticket(5) != report.NewTicket(7, 5) || n.reserved == 0 {
		t.Errorf("numbers are not usable: %+v", n)
	}
}
