package appcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"kentongan/agent/report"
)

// Classes of what is wrong; "" is nothing.
const (
	ClassDNS         = "dns"         // the name is not found, or nobody tells
	ClassRefused     = "refused"     // the host is there and nobody listens
	ClassUnreachable = "unreachable" // no way to the host
	ClassTimeout     = "timeout"     // no answer in time
	ClassTLS         = "tls"         // certificate or handshake
	ClassClosed      = "closed"      // the connection ended before the answer
	ClassProtocol    = "protocol"    // what came is not HTTP
	ClassRedirect    = "redirect"    // too many, or to where nobody should go
	ClassStatus      = "status"      // not the expected status
	ClassText        = "text"        // not the expected text
	ClassSlow        = "slow"        // right, and later than slow_after
)

// failure is an error with its class.
type failure struct {
	class string
	err   error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(class, format string, args ...any) error {
	return &failure{class, fmt.Errorf(format, args...)}
}

// classify is the class of a look that ended with err.
func classify(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.class
	}
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isNet && netErr.Timeout():
		return ClassTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return ClassRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN), errors.Is(err, syscall.EHOSTDOWN), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return ClassUnreachable
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ClassClosed
	}
	return ClassProtocol
}

// stateOf is the state that a class puts an application into.
func stateOf(class string) string {
	switch class {
	case "":
		return report.AppOK
	case ClassSlow:
		return report.AppSlow
	case ClassStatus, ClassText, ClassRedirect:
		return report.AppWrong
	}
	return report.AppUnreachable
}

// causeOf says who has to act. A timeout may be anybody's.
func causeOf(class string) string {
	switch class {
	case ClassDNS, ClassUnreachable:
		return CauseNetwork
	case ClassTimeout, "":
		return ""
	}
	return CauseApplication
}
