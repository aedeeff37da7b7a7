package config

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestGarbage: a file that was cut anywhere, one in which any byte is another one,
// noise, and texts made to cost: each is taken or refused with a list of problems
// that name places in it, within 5 s of a processor, and never by a panic.
func TestGarbage(t *testing.T) {
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fine := 5
	if os.Getenv("KENTONGAN_CHAOS") != "" {
		fine = 1
	}
	var bad [][]byte
	for n := 0; n < len(full); n += 7 * fine { // a power cut, or an editor that writes in pieces
		bad = append(bad, full[:n])
	}
	rng := rand.New(rand.NewPCG(1, 3))
	for n := 0; n < len(full); n += 11 * fine {
		b := bytes.Clone(full)
		b[n] ^= byte(1 + rng.IntN(255))
		bad = append(bad, b)
	}
	for n := range 200 / fine {
		b := make([]byte, n*40)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		bad = append(bad, b)
	}
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		p := string(c - 1)
		laughs += string(c) + ": &" + string(c) + " [*" + strings.Join(strings.Split(strings.Repeat(p, 9), ""), ",*") + "]\n"
	}
	bad = append(bad, []byte(laughs), []byte("a: &a [*a]\n"), []byte(strings.Repeat("[", 100_000)), []byte(strings.Repeat("a: {", 100_000)),
		[]byte(strings.Repeat("- ", 500_000)), bytes.Repeat([]byte{0}, MaxBytes), bytes.Repeat([]byte("device: kiosk-7\n"), 50_000), []byte("--- \n--- \n"))
	taken := 0
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i, data := range bad {
		began := worked(t)
		_, err := Parse("x.yaml", data)
		if took := worked(t) - began; took > 5*time.Second { // with -race; without it takes some ms
			t.Errorf("text %d of %d bytes took %v of a processor", i, len(data), took)
		}
		if err == nil {
			taken++
			continue
		}
		all, ok := errors.AsType[Problems](err)
		if !ok || len(all) == 0 {
			t.Fatalf("text %d: the error is no list of problems: %v", i, err)
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, p := range all {
			if p.Line < 0 || p.Line > lines || p.Text == "" {
				t.Errorf("text %d: no place in %d lines: %+v", i, lines, p)
			}
		}
	}
	t.Logf("%d texts, %d of them good in spite of it", len(bad), taken)
	if taken > len(bad)/3 {
		t.Errorf("%d of %d texts were taken: hardly anything is checked", taken, len(bad))
	}
	t.Attr("injections", strconv.Itoa(len(bad)))
}

// TestEndlessFile: a file without end, and one that is a directory or a pipe, are
// refused by what they are.
func TestEndlessFile(t *testing.T) {
	for _, name := range []string{"/dev/zero", "/dev/full", t.TempDir(), "/proc/self/mem"} {
		if _, err := Load(name); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
