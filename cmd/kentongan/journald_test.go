package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fieldsOf reads a datagram of journald's native protocol.
func fieldsOf(t *testing.T, b []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	for len(b) > 0 {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			t.Fatalf("no line end behind %q", b)
		}
		if name, value, ok := bytes.Cut(line, []byte("=")); ok {
			all[string(name)] = string(value)
			b = rest
			continue
		}
		n := binary.LittleEndian.Uint64(rest)
		all[string(line)] = string(rest[8 : 8+n])
		b = rest[8+n+1:]
	}
	return all
}

// TestJournalGetsFields over a real datagram socket, as journald's is.
func TestJournalGetsFields(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "journal")
	listen := func() *net.UnixConn {
		t.Helper()
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := listen()
	next := func() map[string]string {
		t.Helper()
		b := make([]byte, 1<<16)
		if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return fieldsOf(t, b[:n])
	}
	var fallen bytes.Buffer
	log := slog.New(newJournald(socket, slog.LevelInfo, slog.NewTextHandler(&fallen, nil))).With("part", "stream")
	log.Debug("not enough")
	log.Warn("session over", "stream", "gate", "err", errors.New("dial rtsp://u:hunter2@h/: two\nlines"), "retry_in", 2583877720*time.Nanosecond, slog.Group("took", "write", 3))
	got := next()
	for name, want := range map[string]string{
		"MESSAGE":  "session over part=stream stream=gate err=\"dial rtsp://xxxxx@h/: two\\nlines\" retry_in=2.58s took.write=3",
		"PRIORITY": "4", "SYSLOG_IDENTIFIER": "kentongan", "KENTONGAN_PART": "stream", "KENTONGAN_STREAM": "gate",
		"KENTONGAN_ERR": "dial rtsp://xxxxx@h/: two\nlines", "KENTONGAN_RETRY_IN": "2.58s", "KENTONGAN_TOOK_WRITE": "3",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	log.WithGroup("a").Error("bad", "b", 1)
	if got := next(); got["PRIORITY"] != "3" || got["KENTONGAN_A_B"] != "1" {
		t.Errorf("got %q", got)
	}
	// journald starts anew: the connection is made again; while it is gone, standard
	// error has it.
	if err := errors.Join(c.Close(), ignoreNotExist(os.Remove(socket))); err != nil {
		t.Fatal(err)
	}
	log.Info("while it is gone")
	if !strings.Contains(fallen.String(), "while it is gone") {
		t.Errorf("standard error has %q", fallen.String())
	}
	c = listen()
	defer c.Close()
	log.Info("it is back")
	if got := next(); !strings.HasPrefix(got["MESSAGE"], "it is back") {
		t.Errorf("got %q", got)
	}
}

func ignoreNotExist(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// TestUnderJournal: only the stream that systemd named is the journal's.
func TestUnderJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	stream := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	if !underJournal(f, stream) || underJournal(f, "1:"+stream) || underJournal(f, "") || underJournal(&bytes.Buffer{}, stream) {
		t.Error("standard error is taken for another")
	}
}
