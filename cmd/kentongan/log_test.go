package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kentongan/agent/report"
)

// season is a number with a name, as the uplink's kinds of failures are.
type season int

func (s season) String() string { return [...]string{"dry", "wet"}[s] }

// place is no number, so its String is not what a log shows of it.
type place struct{ Name string }

func (p place) String() string { return "somewhere" }

func TestLogShowsTextForNumbersThatHaveOne(t *testing.T) {
	var b bytes.Buffer
	newLog(&b, "json", slog.LevelInfo).With("pause", 90*time.Second).Warn("not connected",
		"kind", season(1), "retry_in", 2583877720*time.Nanosecond, slog.Group("took", "write", 31415926*time.Nanosecond, "read", 15*time.Microsecond),
		"err", errors.New("refused"), "lane", report.Complaint, "count", 3, "place", place{"gate"}, "nothing", nil)
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, &b)
	}
	delete(got, "time")
	said, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"count":3,"err":"refused","kind":"wet","lane":"complaint","level":"WARN","msg":"not connected","nothing":null,` +
		`"pause":"1m30s","place":{"Name":"gate"},"retry_in":"2.58s","took":{"read":"15µs","write":"31.42ms"}}`
	if string(said) != want {
		t.Errorf("got  %s\nwant %s", said, want)
	}

	b.Reset()
	newLog(&b, "text", slog.LevelInfo).Info("not connected", "kind", season(0), "retry_in", 2583877720*time.Nanosecond)
	if !strings.HasSuffix(b.String(), `level=INFO msg="not connected" kind=dry retry_in=2.58s`+"\n") {
		t.Errorf("text: %s", &b)
	}
}
