package main

import (
	"io"
	"log/slog"
	"os"
)

// logFormats are what --log-format takes.
var logFormats = []string{"auto", "text", "json"}

// newLog logs to w as text or JSON. auto is text on a terminal and JSON
// elsewhere: people read the one, programs the other.
func newLog(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" || format == "auto" && !terminal(w) {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// terminal tells whether w is a character device. /dev/null is one too, where
// the form doesn't matter.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
