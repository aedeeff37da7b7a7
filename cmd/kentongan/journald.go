package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"kentongan/agent"
)

// journalSocket is where journald takes records with fields; see systemd's
// "Native Journal Protocol".
const journalSocket = "/run/systemd/journal/socket"

// underJournal tells whether standard error leads to journald: systemd says the
// file's device and inode in JOURNAL_STREAM, which children inherit that write
// somewhere else.
func underJournal(stderr any, stream string) bool {
	f, ok := stderr.(*os.File)
	if !ok || stream == "" {
		return false
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// journald is a slog.Handler that sends each record as one datagram: the line that
// people read as MESSAGE, and each attribute as a field, so that
// `journalctl KENTONGAN_STREAM=gate` finds them. What can't be sent goes to next.
type journald struct {
	out   *journalConn
	next  slog.Handler
	level slog.Leveler
	attrs []slog.Attr // of With, their groups in front
	group string
}

// journalConn is shared by all handlers made of one.
type journalConn struct {
	mu     sync.Mutex // guards conn
	conn   *net.UnixConn
	socket string
}

func newJournald(socket string, level slog.Leveler, next slog.Handler) *journald {
	return &journald{out: &journalConn{socket: socket}, next: next, level: level}
}

// Enabled implements slog.Handler.
func (j *journald) Enabled(_ context.Context, l slog.Level) bool { return l >= j.level.Level() }

// WithAttrs implements slog.Handler.
func (j *journald) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *j
	c.next = j.next.WithAttrs(attrs)
	c.attrs = append([]slog.Attr{}, j.attrs...)
	for _, a := range attrs {
		a.Key = j.group + a.Key
		c.attrs = append(c.attrs, a)
	}
	return &c
}

// WithGroup implements slog.Handler.
func (j *journald) WithGroup(name string) slog.Handler {
	c := *j
	c.next, c.group = j.next.WithGroup(name), j.group+name+"."
	return &c
}

// Handle implements slog.Handler.
func (j *journald) Handle(ctx context.Context, r slog.Record) error {
	var text, fields bytes.Buffer
	text.WriteString(r.Message)
	add := func(a slog.Attr) { flat("", a, func(key, value string) { j.field(&text, &fields, key, value) }) }
	for _, a := range j.attrs {
		add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		a.Key = j.group + a.Key
		add(a)
		return true
	})
	var all bytes.Buffer
	journalField(&all, "MESSAGE", string(agent.Redact(text.Bytes())))
	journalField(&all, "PRIORITY", priority(r.Level))
	journalField(&all, "SYSLOG_IDENTIFIER", "kentongan")
	all.Write(fields.Bytes())
	if err := j.out.send(all.Bytes()); err != nil {
		return j.next.Handle(ctx, r) // journald starts anew, or the record is too large
	}
	return nil
}

func (j *journald) field(text, fields *bytes.Buffer, key, value string) {
	value = string(agent.Redact([]byte(value)))
	if strings.ContainsAny(value, " \"=\n") || value == "" {
		fmt.Fprintf(text, " %s=%q", key, value)
	} else {
		fmt.Fprintf(text, " %s=%s", key, value)
	}
	journalField(fields, fieldName(key), value)
}

// flat calls add for each value of an attribute, groups opened.
func flat(prefix string, a slog.Attr, add func(key, value string)) {
	a.Value = a.Value.Resolve()
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range a.Value.Group() {
			flat(prefix, inner, add)
		}
		return
	}
	if a.Key != "" {
		add(prefix+a.Key, readable(nil, a).Value.String())
	}
}

// fieldName makes a name that journald takes: upper case, digits and _, at most 64.
func fieldName(key string) string {
	name := "KENTONGAN_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
	return name[:min(len(name), 64)]
}

// journalField writes NAME=value, or, for a value of several lines, the name, eight
// bytes of length and the value.
func journalField(b *bytes.Buffer, name, value string) {
	if !strings.Contains(value, "\n") {
		b.WriteString(name + "=" + value + "\n")
		return
	}
	b.WriteString(name + "\n")
	_ = binary.Write(b, binary.LittleEndian, uint64(len(value))) // into memory
	b.WriteString(value + "\n")
}

// priority is syslog's.
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "3"
	case l >= slog.LevelWarn:
		return "4"
	case l >= slog.LevelInfo:
		return "6"
	}
	return "7"
}

// journalPatience is how long a record waits for a journald that is busy.
const journalPatience = 200 * time.Millisecond

// send sends a datagram, over a new connection where the old one is dead.
func (c *journalConn) send(b []byte) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range 2 {
		if c.conn == nil {
			if c.conn, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: c.socket, Net: "unixgram"}); err != nil {
				c.conn = nil
				return err
			}
		}
		_ = c.conn.SetWriteDeadline(time.Now().Add(journalPatience))
		if _, err = c.conn.Write(b); err == nil {
			return nil
		}
		_ = c.conn.Close()
		c.conn = nil
	}
	return err
}
