package rig

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// File is a file of a first RAM disk.
type File struct {
	Name string // its path there, without the first slash
	Path string // of what it holds
}

// WriteInitrd writes a first RAM disk that holds files, one of which is init,
// the directories to mount on, and the console, which the kernel opens before
// init could make it.
func WriteInitrd(w io.Writer, files ...File) error {
	out := &cpio{w: bufio.NewWriter(w)}
	for _, dir := range []string{"dev", "proc", "sys", "tmp", "data", "modules", "late"} {
		out.entry(dir, 0o040755, 0, nil)
	}
	out.entry("dev/console", 0o020600, 5<<8|1, nil)
	for _, f := range files {
		body, err := os.ReadFile(f.Path)
		if err != nil {
			return err
		}
		out.entry(f.Name, 0o100755, 0, body)
	}
	out.entry("TRAILER!!!", 0, 0, nil)
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

// cpio writes the "newc" format, which the kernel unpacks (see its
// Documentation/driver-api/early-userspace/buffer-format.rst).
type cpio struct {
	w     *bufio.Writer
	n     int
	inode int
	err   error // the first
}

func (c *cpio) entry(name string, mode, device int, body []byte) {
	c.inode++
	c.printf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		c.inode, mode, 0, 0, 1, 0, len(body), 0, 0, device>>8, device&0xff, len(name)+1, 0, name)
	c.pad()
	if c.err == nil {
		_, c.err = c.w.Write(body)
	}
	c.n += len(body)
	c.pad()
}

func (c *cpio) pad() {
	for c.n%4 != 0 {
		c.printf("\x00")
	}
}

func (c *cpio) printf(format string, args ...any) {
	if c.err != nil {
		return
	}
	var n int
	n, c.err = fmt.Fprintf(c.w, format, args...)
	c.n += n
}
