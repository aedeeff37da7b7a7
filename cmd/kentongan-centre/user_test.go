package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// The commands of docs/how-to/accounts-and-agencies.md, and what is wrong use.
func TestUserCommand(t *testing.T) {
	data := t.TempDir()
	run := func(args ...string) (status int, out, errs string) {
		var o, e bytes.Buffer
		status = dispatch(t.Context(), env{&o, &e}, append([]string{"user"}, args...))
		return status, o.String(), e.String()
	}
	const letBudiIn = "(budi sets a password on the page)"
	for _, tt := range []struct {
		args     string
		status   int
		out, err string
	}{
		{"add --data DIR --name sari --full-name Sari --role admin --url https://centre.example", exitGood, "https://centre.example/link/", ""},
		{"add --data DIR --name sari --role admin", exitFailed, "", "the name is taken"},
		{"add --data DIR --name budi --role boss", exitFailed, "", "viewer, operator, approver or admin"},
		{"add --data DIR --name budi --role viewer --agency dishub", exitFailed, "", "no such agency"},
		{"add --data DIR --role viewer", exitUsage, "", "--name is missing"},
		{"add --name budi --role viewer", exitUsage, "", "--data is missing"},
		{"add --data DIR --name budi --role viewer more", exitUsage, "", "unexpected argument"},
		{"link --data DIR --name sari", exitGood, "http://127.0.0.1:8080/link/", ""},
		{"link --data DIR --name nobody", exitFailed, "", "no such account"},
		{"token --data DIR --name sari --label e-pormas --days 365", exitGood, "", ""},
		{"token --data DIR --name sari --days 4000", exitFailed, "", "up to 366 days"},
		{"list --data DIR", exitGood, "sari\tadmin\t-\tactive\tSari\n", ""},
		{"erase --data DIR --name sari --yes", exitUsage, "", "--reason is missing"},
		{"erase --data DIR --name nobody --reason surat --yes", exitFailed, "", "no such account"},
		{"erase --data DIR --name sari --reason surat --yes", exitFailed, "", "no other admin has a passkey or a password"},
		{"add --data DIR --name budi --role admin", exitGood, "/link/", ""},
		{"erase --data DIR --name sari --reason surat --yes", exitFailed, "", "no other admin has a passkey or a password"},
		{letBudiIn, 0, "", ""},
		{"erase --data DIR --name sari --reason surat", exitGood, "What stays", ""},
		{"list --data DIR", exitGood, "sari\tadmin", ""},
		{"erase --data DIR --name sari --reason surat --yes", exitGood, "erased account #", ""},
		{"link --data DIR --name sari", exitFailed, "", "no such account"},
		{"remove --data DIR --name sari", exitUsage, "", "write add, link, token, list or erase"},
		{"help", exitGood, "beside a running centre", ""},
	} {
		if tt.args == letBudiIn {
			setPassword(t, data, "budi")
			continue
		}
		status, out, errs := run(strings.Fields(strings.ReplaceAll(tt.args, "DIR", data))...)
		if status != tt.status || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.err) {
			t.Errorf("%s: %d %q %q, want %d %q %q", tt.args, status, out, errs, tt.status, tt.out, tt.err)
		}
		if strings.HasPrefix(tt.args, "token") && status == exitGood && len(strings.TrimSpace(out)) < 40 {
			t.Errorf("token %q", out)
		}
	}
}

// setPassword does what the page does, and looks into the access log on the way: what
// was refused so far stands there.
func setPassword(t *testing.T, data, name string) {
	t.Helper()
	st, err := store.Open(data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close() //nolint:errcheck // all that was written is committed
	read, edit := st.Tables()
	room, err := access.New(access.Config{Read: read, Edit: edit, Cost: access.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a, err := room.Named(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := room.SetPassword(t.Context(), a.ID, "kuda baterai jepit benar", ""); err != nil {
		t.Fatal(err)
	}
	list, err := room.Journal(t.Context(), "", "user-erase", 0, 10)
	if err != nil || len(list) != 2 || list[0].Outcome != access.Refused {
		t.Errorf("the access log: %+v, %v; want two that were refused", list, err)
	}
}
