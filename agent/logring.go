package agent

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"sync"
)

// LogRing keeps the newest of what is logged, for an order that asks for it.
type LogRing struct {
	// File has it too, for who asks on the device; "" is none. It should lie in
	// memory, not on a card.
	File string

	mu      sync.Mutex // guards the rest, and File once lines come
	file    *os.File
	written int
	lines   [][]byte // the oldest first
	bytes   int
	count   uint64 // lines so far
}

// maxRing is what is kept in memory, bytes: some hours of a device that is well.
const maxRing = 256 << 10

// Handler logs into the ring as well as to next.
func (r *LogRing) Handler(next slog.Handler, level slog.Leveler) slog.Handler {
	return slog.NewMultiHandler(next, slog.NewJSONHandler(r, &slog.HandlerOptions{Level: level}))
}

// Secrets that may stand in a line although they should not: a password in a URL
// that a library made an error of, a key, a value with such a name.
var secrets = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`(?i)(authorization[=:]\s*(?:basic|bearer|digest)\s+)(?:[^\r\n"\\]|\\["\\])+`), "${1}xxxxx"},
	{regexp.MustCompile(`PRIVATE\+KEY\+[^\s"\\]+`), "xxxxx"},
	{regexp.MustCompile(`(?i)("(?:password|secret|token|pin|authorization)":)"(?:[^"\\]|\\.)*"`), `${1}"xxxxx"`},
	{regexp.MustCompile(`(?i)((?:\b|_)(?:password|passwd|passwort|pwd|psw|pass|token|secret|psk)[=:]\s*)(?:[^\s"\\&]|\\[^u]|\\u003[ceCE])+`), "${1}xxxxx"},
	// To the last @ of the word: a password may have a slash, and in JSON an escape.
	{regexp.MustCompile(`(://)(?:[^\s"\\]|\\.)+@`), "${1}xxxxx@"},
}

// Redact takes out what may be a secret, in any text.
func Redact(line []byte) []byte {
	for _, s := range secrets {
		line = s.find.ReplaceAll(line, []byte(s.put))
	}
	return line
}

// Write implements io.Writer for one line of JSON.
func (r *LogRing) Write(p []byte) (int, error) {
	line := Redact(bytes.Clone(p))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	r.bytes += len(line)
	r.count++
	for r.bytes > maxRing && len(r.lines) > 1 {
		r.bytes -= len(r.lines[0])
		r.lines = r.lines[1:]
	}
	if r.File != "" {
		r.keepLocked(line)
	}
	return len(p), nil
}

// keepLocked writes a line to the file, which begins anew when it is full; the one
// before stays beside it.
func (r *LogRing) keepLocked(line []byte) {
	if r.file == nil || r.written > maxRing/2 {
		if r.file != nil {
			_ = r.file.Close()
		}
		_ = os.Rename(r.File, r.File+".1") // there may be none
		r.file, _ = os.OpenFile(r.File, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
		r.written = 0
	}
	if r.file == nil {
		r.File = "" // it can't be, and the memory has it
		return
	}
	n, _ := r.file.Write(line)
	r.written += n
}

// Tail returns the newest lines after the one that is called after, at most so
// many, and what the newest is called. The lines are not to be changed.
func (r *LogRing) Tail(after uint64, most int) (lines [][]byte, newest uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if after > r.count {
		after = 0 // of a run before this one
	}
	n := min(r.count-after, uint64(len(r.lines)), uint64(most))
	return slices.Clone(r.lines[uint64(len(r.lines))-n:]), r.count
}

// Bundle implements command.Log.
func (r *LogRing) Bundle(most int) ([]byte, error) {
	r.mu.Lock()
	text := bytes.Join(r.lines, nil)
	r.mu.Unlock()
	for {
		out, err := squeeze(text)
		if err != nil || len(out) <= most || len(text) == 0 {
			return out, err
		}
		// The oldest half goes, at the end of a line.
		half := text[len(text)/2:]
		text = half[bytes.IndexByte(half, '\n')+1:]
	}
}

// squeeze is gzip.
func squeeze(text []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return out.Bytes(), nil
}
