package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// failure is a kind of trouble with a broker. Each kind has its own message
// and its own patience.
type failure int

const (
	failNone        failure = iota
	failNetwork             // refused, unreachable, reset, closed
	failDNS                 // the name does not resolve
	failTimeout             // nobody answers
	failStuck               // connected, then nothing was answered
	failTLS                 // certificates
	failFiles               // ours can't be read
	failCredentials         // CONNACK 4
	failNotAllowed          // CONNACK 5
	failIdentifier          // CONNACK 2
	failUnavailable         // CONNACK 3
	failVersion             // CONNACK 1
	failProtocol            // not MQTT, or a packet that we refuse
	failTurnedAway          // closed in order, before the CONNACK
	failTakeover            // closed again and again right after the CONNACK
	failDenied              // closed again and again at the first record
	failOrdered             // we ended it ourselves: fail-back, new certificate
)

// failureTable gives each kind its name in logs and events, its words, and how
// many times the base a first wait is: what a person must mend is asked less
// often than what a network mends by itself.
var failureTable = map[failure]struct {
	name, words string
	patience    time.Duration
}{
	failNone:        {"none", "", 1},
	failNetwork:     {"network", "the network or the broker is down", 1},
	failDNS:         {"dns", "the broker's name does not resolve; check the name and the device's DNS", 1},
	failTimeout:     {"timeout", "nobody answers at the broker's address; check route and firewall", 1},
	failStuck:       {"stuck", "the connection stopped answering", 1},
	failTLS:         {"tls", "the TLS handshake failed; check ca, server_name and the dates of the certificates", 10},
	failFiles:       {"files", "a certificate or password file can't be read", 10},
	failCredentials: {"credentials", "the broker refuses the user name or password", 30},
	failNotAllowed:  {"not_authorised", "the broker does not allow this device to connect; enrol it or check the ACL", 30},
	failIdentifier:  {"identifier", "the broker refuses the client id, which is the device's name", 30},
	failUnavailable: {"unavailable", "the broker says that it is unavailable", 5},
	failVersion:     {"version", "the broker does not speak MQTT 3.1.1", 30},
	failProtocol:    {"protocol", "what answers is no MQTT broker that we understand", 10},
	failTurnedAway:  {"turned_away", "the broker closes the connection before it answers; it may have all the connections that it allows, or want TLS", 5},
	failTakeover:    {"takeover", "the broker closes the connection right after each connect: a second client seems to use this device's name", 20},
	failDenied:      {"denied", "the broker closes the connection whenever a record is sent: its ACL seems to deny this device its own branch", 30},
	failOrdered:     {"ordered", "ended by the device itself", 1},
}

// KindOf is the kind of trouble that a report.UplinkState's reason tells of;
// "" is none of ours.
func KindOf(reason string) string {
	for _, kind := range failureTable {
		if kind.words != "" && strings.HasPrefix(reason, kind.words) {
			return kind.name
		}
	}
	return ""
}

func (f failure) String() string          { return failureTable[f].name }
func (f failure) words() string           { return failureTable[f].words }
func (f failure) patience() time.Duration { return failureTable[f].patience }

// refused tells whether the broker was reached and said no.
func (f failure) refused() bool {
	switch f {
	case failCredentials, failNotAllowed, failIdentifier, failUnavailable, failVersion, failTakeover, failDenied, failTLS, failProtocol:
		return true
	}
	return false
}

// linkError is trouble of a known kind.
type linkError struct {
	kind failure
	err  error
}

func (e *linkError) Error() string {
	if e.err == nil {
		return e.kind.words()
	}
	return fmt.Sprintf("%s (%v)", e.kind.words(), e.err)
}

func (e *linkError) Unwrap() error { return e.err }

var connackKinds = map[error]failure{
	packets.ErrorRefusedBadProtocolVersion:    failVersion,
	packets.ErrorRefusedIDRejected:            failIdentifier,
	packets.ErrorRefusedServerUnavailable:     failUnavailable,
	packets.ErrorRefusedBadUsernameOrPassword: failCredentials,
	packets.ErrorRefusedNotAuthorised:         failNotAllowed,
	packets.ErrorProtocolViolation:            failProtocol,
}

// connackKind is the kind of a CONNACK's return code, as paho reports it.
func connackKind(err error) failure {
	for cause, kind := range connackKinds {
		if errors.Is(err, cause) {
			return kind
		}
	}
	return failNone
}

// classify gives an error its kind, and wraps it so that the kind stays.
func classify(err error) *linkError {
	if le, ok := errors.AsType[*linkError](err); ok {
		return le
	}
	if kind := connackKind(err); kind != failNone {
		return &linkError{kind: kind}
	}
	kind := failNetwork
	switch {
	case isTLS(err):
		kind = failTLS
	case errors.Is(err, errPacket):
		kind = failProtocol
	case isDNS(err):
		kind = failDNS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		kind = failTimeout
	}
	return &linkError{kind: kind, err: err}
}

func isDNS(err error) bool {
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return true // an alert that the peer sent
	}
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}

// unansweredError is the end of a session over its first record.
type unansweredError struct{ error }

func (e unansweredError) Unwrap() error { return e.error }

// hungUp tells whether the peer closed the connection, as a broker does with
// the older of two clients that have the same id.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
