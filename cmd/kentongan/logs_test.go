package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kentongan/cmd/kentongan/ptytest"
)

// Without a journal, the agent's own lines are followed into the file that it begins
// when one is full, until Ctrl-C.
func TestLogsFollowsTheAgentsOwnLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ring := filepath.Join(dir, ringFile)
	says := func(file, text string) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	says(ring+".1", "of the file before\n")
	says(ring, "first\nsecond\n")
	c := here(dir, "logs", "--follow", "--lines", "2")
	c.Env = append(c.Env, "RUNTIME_DIRECTORY="+dir)
	x := ptytest.Start(t, c)
	x.Expect("first\r\nsecond\r\n")
	says(ring, "third rtsp://ops:geh")
	says(ring, "eim@10.0.0.9/live\n")
	x.Expect("third rtsp://xxxxx@10.0.0.9/live\r\n")
	// As keepLocked does, with a last line that was not seen yet.
	says(ring, "fourth\n")
	if err := os.Rename(ring, ring+".1"); err != nil {
		t.Fatal(err)
	}
	says(ring, "fifth\n")
	x.Expect("fourth\r\nfifth\r\n")
	says(ring, "sixth\n")
	x.Expect("sixth\r\n")
	x.Type(ptytest.CtrlC)
	x.Ends(exitGood)
	if strings.Contains(x.Said(), "of the file before") {
		t.Error("it shows more lines than it was asked for")
	}
}

// A secret is taken out wherever the pieces begin in which journalctl's output comes.
func TestSecretsInPiecesOfALine(t *testing.T) {
	const text = "one\ncamera rtsp://ops:geheim@10.0.0.9/live\nthree"
	for at := range len(text) {
		var got bytes.Buffer
		b := &byLine{w: &got}
		for _, piece := range []string{text[:at], text[at:]} {
			if n, err := b.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatalf("write %q: %d, %v", piece, n, err)
			}
		}
		if err := b.end(); err != nil {
			t.Fatal(err)
		}
		if want := "one\ncamera rtsp://xxxxx@10.0.0.9/live\nthree"; got.String() != want {
			t.Errorf("cut at %d: %q", at, &got)
		}
	}
	var got bytes.Buffer
	b := &byLine{w: &got}
	for range 3 * 64 {
		_, _ = b.Write(bytes.Repeat([]byte("x"), maxLine/64))
	}
	if len(b.rest) > maxLine || got.Len() < 2*maxLine {
		t.Errorf("%d bytes of a line without an end are kept, %d written", len(b.rest), got.Len())
	}
}
