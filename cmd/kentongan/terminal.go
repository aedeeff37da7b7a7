package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// typedLines are the lines that a person types, or that a pipe gives, without what
// stands around them; closed at the end. Nobody can end a read of a terminal: the
// goroutine stays in it when ctx is over, and ends with the program.
func typedLines(ctx context.Context, from io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(from); in.Scan(); {
			select {
			case lines <- strings.TrimSpace(in.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// settings are those of a terminal; ok is false for any other stream, /dev/null among
// them: nobody types there.
func settings(stream io.Reader) (fd int, of *unix.Termios, ok bool) {
	f, ok := stream.(*os.File)
	if !ok {
		return 0, nil, false
	}
	fd = int(f.Fd())
	of, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return fd, of, err == nil
}

// hide switches a terminal's echo off, until what it returns is called; that also
// writes the end of the line, which nobody saw, to said.
func hide(terminal io.Reader, said io.Writer) (show func()) {
	fd, was, ok := settings(terminal)
	if !ok {
		return func() {}
	}
	dark := *was
	dark.Lflag &^= unix.ECHO
	_ = unix.IoctlSetTermios(fd, unix.TCSETS, &dark)
	return func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, was)
		fmt.Fprintln(said)
	}
}
