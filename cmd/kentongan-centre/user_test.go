package main

import (
	"bytes"
	"strings"
	"testing"
)

// The commands of docs/how-to/accounts-and-agencies.md, and what is wrong use.
func TestUserCommand(t *testing.T) {
	data := t.TempDir()
	run := func(args ...string) (status int, out, errs string) {
		var o, e bytes.Buffer
		status = dispatch(t.Context(), env{&o, &e}, append([]string{"user"}, args...))
		return status, o.String(), e.String()
	}
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
		{"erase --data DIR --name sari --reason surat --yes", exitFailed, "", "has to stay one"},
		{"add --data DIR --name budi --role admin", exitGood, "/link/", ""},
		{"erase --data DIR --name sari --reason surat", exitGood, "What stays", ""},
		{"list --data DIR", exitGood, "sari\tadmin", ""},
		{"erase --data DIR --name sari --reason surat --yes", exitGood, "erased account #", ""},
		{"link --data DIR --name sari", exitFailed, "", "no such account"},
		{"remove --data DIR --name sari", exitUsage, "", "write add, link, token, list or erase"},
		{"help", exitGood, "beside a running centre", ""},
	} {
		status, out, errs := run(strings.Fields(strings.ReplaceAll(tt.args, "DIR", data))...)
		if status != tt.status || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.err) {
			t.Errorf("%s: %d %q %q, want %d %q %q", tt.args, status, out, errs, tt.status, tt.out, tt.err)
		}
		if strings.HasPrefix(tt.args, "token") && status == exitGood && len(strings.TrimSpace(out)) < 40 {
			t.Errorf("token %q", out)
		}
	}
}
