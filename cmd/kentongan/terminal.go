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

// hide switches a terminal's echo off, until what it returns is called; that also
// writes the end of the line, which nobody saw, to said.
func hide(terminal io.Reader, said io.Writer) (show func()) {
	f, ok := terminal.(*os.File)
	if !ok {
		return func() {}
	}
	fd := int(f.Fd())
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return func() {} // no terminal
	}
	dark := *was
	dark.Lflag &^= unix.ECHO
	_ = unix.IoctlSetTermios(fd, unix.TCSETS, &dark)
	return func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, was)
		fmt.Fprintln(said)
	}
}
