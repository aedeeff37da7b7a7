// Package tpm keeps a signing key in a TPM 2.0 (TCG's library specification,
// parts 2 and 3), where nobody can copy it.
//
// A Key is ECDSA on P-256, made inside the TPM. What is written to the disk is the
// key wrapped by the TPM: it is of use to that TPM alone, and it takes no place in
// it. The file has the form that OpenSSL's tpm2 provider and others read, too:
//
//	-----BEGIN TSS2 PRIVATE KEY-----
//	TPMKey: type, emptyAuth, parent (owner), public and private part
//
// The parent is the owner's storage key (ECC P-256, the template of the same
// form), which a TPM derives again each time, so nothing is stored in it.
//
// # Concurrency
//
// Each operation opens the device, does its four or five commands, flushes what
// it loaded and closes it. One operation at a time is done in this program; other
// programs have their own place in the kernel's resource manager.
package tpm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Device is where Linux shows the first TPM, through its resource manager.
const Device = "/dev/tpmrm0"

// TPM is a TPM that is opened for each operation. A nil TPM is none: it reads key
// files of the ordinary form only.
type TPM struct {
	name string
	open func() (io.ReadWriteCloser, error)
}

// At is the TPM of a device file, or of the Unix socket of an emulated one; nil
// without a path.
func At(path string) *TPM {
	if path == "" {
		return nil
	}
	return New(path, func() (io.ReadWriteCloser, error) { return openPath(path) })
}

// New is a TPM that is reached through what open returns: a command is written
// whole, its answer read.
func New(name string, open func() (io.ReadWriteCloser, error)) *TPM { return &TPM{name, open} }

// Error is what went wrong with a TPM.
type Error struct {
	TPM     string // its path
	Reached bool   // it could be opened
	Doing   string
	Err     error
}

func (e *Error) Error() string { return fmt.Sprintf("TPM %s: %s: %v", e.TPM, e.Doing, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// answersWithin bounds an operation on a socket. On a device the kernel does, by
// the times that TPMs have for their commands.
const answersWithin = time.Minute

// openPath opens a device without O_NONBLOCK, which os.OpenFile would set: the
// kernel would then answer a read before the TPM has answered the command.
func openPath(path string) (io.ReadWriteCloser, error) {
	if info, err := os.Stat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		c, err := net.DialTimeout("unix", path, answersWithin)
		if err != nil {
			return nil, err
		}
		if err := c.SetDeadline(time.Now().Add(answersWithin)); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// busy is held during an operation.
var busy sync.Mutex

// do opens the TPM for one operation.
func (t *TPM) do(doing string, op func(link) error) error {
	busy.Lock()
	defer busy.Unlock()
	rw, err := t.open()
	if err != nil {
		if errno, ok := errors.AsType[syscall.Errno](err); ok {
			err = errno // the path is told already
		}
		return &Error{t.name, false, "open", err}
	}
	if err := first(op(link{rw}), rw.Close()); err != nil {
		return &Error{t.name, true, doing, err}
	}
	return nil
}

// first is the first that went wrong: what was done after it fails too.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
