package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
)

// Classes of failures: whom to send. A class is part of the contract
// (report.StreamState).
const (
	ClassDNS         = "dns"         // the name is not known
	ClassRefused     = "refused"     // nobody listens there, or the camera has no room for a reader
	ClassUnreachable = "unreachable" // no way to that network
	ClassTimeout     = "timeout"     // no answer
	ClassTLS         = "tls"         // certificate or handshake
	ClassAuth        = "auth"        // user or password
	ClassNotFound    = "not_found"   // the path
	ClassCodec       = "codec"       // no video that can be measured
	ClassNoMedia     = "no_media"    // connected, but no picture comes
	ClassProtocol    = "protocol"    // it does not speak as it should
	ClassClosed      = "closed"      // the camera ended the connection
)

// failure is an error whose class is known where it happens.
type failure struct {
	class string
	err   error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(class, format string, args ...any) error {
	return &failure{class, fmt.Errorf(format, args...)}
}

// Errors with a consequence of their own.
var (
	errTransport = errors.New("the camera does not take this transport") // try the other one
	errBusy      = errors.New("the camera has no room for another reader")
	errSilent    = errors.New("connected, but no picture comes")
)

// classify names the class of a session's end.
func classify(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.class
	}
	if s, ok := errors.AsType[liberrors.ErrClientBadStatusCode](err); ok {
		return classOfStatus(s.Code)
	}
	for _, c := range []struct {
		class string
		is    bool
	}{
		{ClassDNS, as[*net.DNSError](err)},
		{ClassTLS, as[*tls.CertificateVerificationError](err) || as[x509.UnknownAuthorityError](err) ||
			as[x509.HostnameError](err) || as[x509.CertificateInvalidError](err) || as[tls.RecordHeaderError](err) || as[tls.AlertError](err)},
		{ClassNoMedia, errors.Is(err, errSilent)},
		{ClassTimeout, as[liberrors.ErrClientRequestTimedOut](err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT)},
		{ClassRefused, errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, errBusy)},
		{ClassUnreachable, errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.ENETDOWN) || errors.Is(err, syscall.EHOSTDOWN)},
		{ClassAuth, as[liberrors.ErrClientAuthSetup](err)},
		{ClassClosed, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)},
		{ClassTimeout, isTimeout(err)},
	} {
		if c.is {
			return c.class
		}
	}
	return ClassProtocol
}

// classOfStatus is the class of an RTSP status (RFC 2326, 7.1.1).
func classOfStatus(code base.StatusCode) string {
	switch code {
	case base.StatusUnauthorized, base.StatusForbidden:
		return ClassAuth
	case base.StatusNotFound, base.StatusGone:
		return ClassNotFound
	case base.StatusNotEnoughBandwidth, base.StatusServiceUnavailable:
		return ClassRefused
	}
	return ClassProtocol
}

func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// wantsOtherTransport tells whether the camera refused the transport that the
// session asked for.
func wantsOtherTransport(err error) bool {
	s, ok := errors.AsType[liberrors.ErrClientBadStatusCode](err)
	return ok && s.Code == base.StatusUnsupportedTransport || errors.Is(err, errTransport) ||
		as[liberrors.ErrClientServerRequestedTCP](err) || as[liberrors.ErrClientServerRequestedUDP](err) ||
		as[liberrors.ErrClientServerPortsNotProvided](err)
}

// isBusy tells whether the camera said that it has no room.
func isBusy(err error) bool {
	s, ok := errors.AsType[liberrors.ErrClientBadStatusCode](err)
	return ok && classOfStatus(s.Code) == ClassRefused
}

// isCertTime tells whether a certificate was refused for its dates alone.
func isCertTime(err error) bool {
	c, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && c.Reason == x509.Expired
}
