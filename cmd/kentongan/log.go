package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"time"

	"kentongan/agent"
)

// logFormats are what --log-format takes.
var logFormats = []string{"auto", "text", "json", "journal"}

// newLog logs to w as text or JSON, or to the journal with fields. auto is the
// journal where w leads there, text on a terminal and JSON elsewhere: people read
// the one, programs the other.
func newLog(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: readable}
	safe := redacted{w}
	switch {
	case format == "journal" || format == "auto" && underJournal(w, os.Getenv("JOURNAL_STREAM")):
		return slog.New(newJournald(journalSocket, level, slog.NewTextHandler(safe, o)))
	case format == "json" || format == "auto" && !terminal(w):
		return slog.New(slog.NewJSONHandler(safe, o))
	}
	return slog.New(slog.NewTextHandler(safe, o))
}

// redacted takes what may be a secret out of each line.
type redacted struct{ w io.Writer }

func (r redacted) Write(line []byte) (int, error) {
	if _, err := r.w.Write(agent.Redact(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// readable gives numbers that have a text that text: JSON would show a
// duration in nanoseconds, and a kind of failure as its place in our list.
func readable(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.StringValue(rounded(a.Value.Duration()).String())
	case slog.KindAny:
		if s, ok := a.Value.Any().(fmt.Stringer); ok && printsAsNumber(s) {
			a.Value = slog.StringValue(s.String())
		}
	}
	return a
}

// rounded leaves of a duration what a reader compares: 2.58s, 31.42ms.
func rounded(d time.Duration) time.Duration {
	switch {
	case d.Abs() >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d.Abs() >= time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d
}

// printsAsNumber tells whether JSON would make a number of v.
func printsAsNumber(v any) bool {
	switch v.(type) {
	case json.Marshaler, encoding.TextMarshaler:
		return false
	}
	t := reflect.TypeOf(v)
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64
}

// terminal tells whether a stream is a character device. /dev/null is one too,
// where the form doesn't matter.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
