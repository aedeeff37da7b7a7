package haltest

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Registers reads a dump of a chip's 256 registers: on each line the first one's
// number and what it and those after it hold, all in hexadecimal. What follows a
// # is for people.
func Registers(t testing.TB, path string) (all [256]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		text, _, _ := strings.Cut(in.Text(), "#")
		var row []byte
		for _, h := range strings.Fields(text) {
			v, err := strconv.ParseUint(h, 16, 8)
			if err != nil {
				t.Fatalf("%s:%d: %v", path, n, err)
			}
			row = append(row, byte(v))
		}
		if len(row) > 0 {
			copy(all[row[0]:], row[1:])
		}
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
