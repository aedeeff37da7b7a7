package decoder

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
)

// maxComplaint is how much is kept of what the process complains; the rest is
// counted.
const maxComplaint = 300

// complaints reads what a process writes to its standard error, all the time,
// so that it never waits for us.
type complaints struct {
	f *os.File

	mu    sync.Mutex // guards what follows, and the order of reads
	buf   [4096]byte
	lines int
	first []byte
}

func newComplaints(f *os.File) *complaints { return &complaints{f: f} }

// read reads until the pipe is closed.
func (c *complaints) read() {
	conn, err := c.f.SyscallConn()
	if err != nil {
		return
	}
	for over := false; !over; {
		err := conn.Read(func(fd uintptr) bool {
			var again bool
			again, over = c.once(int(fd))
			return !again
		})
		if err != nil {
			return
		}
	}
}

// once reads what there is. The bytes are in first and lines when the lock is
// free again: take relies on that.
func (c *complaints) once(fd int) (again, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := syscall.Read(fd, c.buf[:])
	switch {
	case err == syscall.EAGAIN:
		return true, false
	case err == syscall.EINTR:
		return false, false
	case n <= 0:
		return false, true
	}
	c.lines += bytes.Count(c.buf[:n], []byte("\n"))
	c.first = append(c.first, c.buf[:min(n, maxComplaint-len(c.first))]...)
	return false, false
}

// take returns how many lines came since it was called last, and the begin of
// them. What the process wrote before it wrote what we have read of its output
// is among them.
func (c *complaints) take() (lines int, text string) {
	if conn, err := c.f.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) {
			for again, over := false, false; !again && !over; {
				again, over = c.once(int(fd))
			}
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	lines, text = c.lines, tidy(string(c.first))
	c.lines, c.first = 0, c.first[:0]
	return lines, text
}

var pointer = regexp.MustCompile(`\[(\S+) @ 0x[0-9a-f]+\] `)

// tidy makes one line of it, without addresses of memory.
func tidy(s string) string {
	s = pointer.ReplaceAllString(s, "$1: ")
	return strings.ToValidUTF8(strings.Join(strings.Fields(strings.ReplaceAll(s, "\n", "; ")), " "), "?")
}

func (c *complaints) close() { _ = c.f.Close() }
