package spool

import (
	"errors"
	"slices"
	"syscall"
)

// passingErrors are refusals that say nothing of the file: the process, or the
// machine, is short of something, or may not at the moment.
var passingErrors = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN, syscall.EACCES, syscall.EPERM}

// passing tells whether an error of opening or reading a file will pass by itself
// or with a person's help, while the file is whole. What can't be read for such a
// reason is not lost, and must not be called so: it would be let go.
func passing(err error) bool {
	return slices.ContainsFunc(passingErrors, func(e syscall.Errno) bool { return errors.Is(err, e) })
}
