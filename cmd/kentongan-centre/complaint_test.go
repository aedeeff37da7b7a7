package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"kentongan/agent/report"
	"kentongan/cmd/kentongan-centre/internal/access"
	"kentongan/cmd/kentongan-centre/internal/devicetest"
	"kentongan/cmd/kentongan-centre/internal/store"
)

// The command erases one complaint, once, says which kiosk it was of, and writes it
// down; and what is wrong use.
func TestComplaintCommand(t *testing.T) {
	data := t.TempDir()
	st, err := store.Open(data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kiosk-1", "kiosk-2"} { // two kiosks with one number, which nobody should have
		d := devicetest.New(t, name, 0xe1, "")
		if _, err := st.Commit(t.Context(), []store.Arrival{{Device: d.ID, At: devicetest.T0, Batch: d.Batch(report.Complaint, d.Press(), d.Press())}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	first := report.NewTicket(7, 1).String()
	for _, tt := range []struct {
		args     string
		status   int
		out, err string
	}{
		{"erase --data DIR --ticket TICKET --reason x", exitFailed, "", "2 complaints have it; say which"},
		{"erase --data DIR --ticket TICKET --device kiosk-1 --reason x", exitGood, "erased a complaint of kiosk-1\n", ""},
		{"erase --data DIR --ticket TICKET --device kiosk-1 --reason x", exitFailed, "", "no such complaint"},
		{"erase --data DIR --ticket TICKET --id 1 --reason x", exitFailed, "", "no such complaint"},
		{"erase --data DIR --ticket TICKET --device kiosk-2", exitUsage, "", "--reason is missing"},
		{"erase --data DIR --ticket 0007-0001-X --reason x", exitUsage, "", `--ticket "0007-0001-X"`},
		{"erase --ticket TICKET --reason x", exitUsage, "", "--data is missing"},
		{"show --data DIR --ticket TICKET --reason x", exitUsage, "", "write complaint erase"},
		{"help", exitGood, "beside a running centre", ""},
	} {
		var out, errs bytes.Buffer
		args := strings.Fields(strings.NewReplacer("DIR", data, "TICKET", first).Replace("complaint " + tt.args))
		status := dispatch(t.Context(), env{&out, &errs}, args)
		if status != tt.status || !strings.Contains(out.String(), tt.out) || !strings.Contains(errs.String(), tt.err) {
			t.Errorf("%s: %d %q %q, want %d %q %q", tt.args, status, out.String(), errs.String(), tt.status, tt.out, tt.err)
		}
	}
	st, err = store.Open(data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close() //nolint:errcheck // only read
	list, err := st.Complaints(t.Context(), store.ComplaintFilter{})
	if err != nil || len(list) != 4 {
		t.Fatal(list, err)
	}
	for _, c := range list {
		if want := c.Device == "kiosk-1" && c.Seq == 1; c.Erased != want {
			t.Errorf("%s %d: erased %v", c.Device, c.Seq, c.Erased)
		}
	}
	read, edit := st.Tables()
	room, err := access.New(access.Config{Read: read, Edit: edit, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if log, err := room.Journal(t.Context(), "", "erase-complaint", 0, 10); err != nil || len(log) != 1 || log[0].Detail != "reason: x" {
		t.Errorf("the access log: %+v, %v", log, err)
	}
}

// Somebody reads the database all the time: the command says that its log still holds
// what was erased, and what becomes of that; and the access log says that it was.
func TestErasureSaysThatTheLogHoldsIt(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	st, err := store.Open(data, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close() //nolint:errcheck // the test is over
	d := devicetest.New(t, "kiosk-1", 0xe1, "")
	if _, err := st.Commit(t.Context(), []store.Arrival{{Device: d.ID, At: devicetest.T0, Batch: d.Batch(report.Complaint, d.Press(), d.Press())}}); err != nil {
		t.Fatal(err)
	}
	read, edit := st.Tables()
	reader, err := read.QueryContext(t.Context(), `SELECT seq FROM record`)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close() //nolint:errcheck // only read
	if !reader.Next() {
		t.Fatal(reader.Err())
	}
	var out, errs bytes.Buffer
	o := complaintOptions{data: data, reason: "x"} // it waits no longer than one try
	err = o.erase(t.Context(), env{&out, &errs}, report.NewTicket(7, 1).String())
	if err == nil || !strings.Contains(err.Error(), "still holds it") || !strings.Contains(err.Error(), "within the hour") || out.Len() > 0 {
		t.Errorf("%v, %q; want that the log holds it", err, out.String())
	}
	room, err := access.New(access.Config{Read: read, Edit: edit, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if log, err := room.Journal(t.Context(), "", "erase-complaint", 0, 10); err != nil || len(log) != 1 {
		t.Errorf("the access log: %+v, %v", log, err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := wipe(t.Context(), env{&out, &errs}, st.For(store.Everything()), "complaint", o.wipeFor); err != nil {
		t.Errorf("when they are done: %v", err)
	}
}
